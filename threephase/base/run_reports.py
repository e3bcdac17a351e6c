"""What two identical trainings may differ in: seconds, memory, machine, date. It lies beside the outputs.

No output of dvc: the lock must be the same after a run with the same results. A report belongs to the outputs on disk
where its checksum of the training's settings and history (of a baseline: predictions) is theirs; else they came from
the cache.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from threephase.base import paths, provenance
from threephase.base.files import read_json, sha256_of, write_json

RESULT = "result_sha256"


def write(folder: Path, report: Mapping[str, Any], inputs: Sequence[Path], result: Path, told: float = 0.0) -> None:
    """Write the report of a training of the study in ``folder`` whose ``result`` lies on disk.

    ``report`` names encoder, variant, seed and phase; ``told``: seconds that an earlier report accounts for.
    """
    where = [report[name] for name in ("encoder", "variant", "seed", "phase")]
    encoder = report["encoder"]
    content = {
        **report,
        RESULT: checksum(folder, report["stage"], *where[:2], result),
        "inputs": {file.relative_to(folder).as_posix(): sha256_of(file) for file in inputs},
        "data_from": provenance.origin(paths.used_source(folder)),
        "encoder_from": provenance.origin(paths.encoder_source(folder, encoder)) if encoder else None,
        **provenance.environment(told),
    }
    write_json(paths.run_report(folder, *where), content)


def read(folder: Path, encoder: str, variant: str, seed: int, phase: str, result: Path) -> dict[str, Any] | None:
    """The report of the training whose ``result`` lies on disk; None where that came from the cache or is missing."""
    file = paths.run_report(folder, encoder, variant, seed, phase)
    if not file.is_file() or not result.is_file():
        return None
    report = read_json(file)
    return report if report.get(RESULT) == checksum(folder, report["stage"], encoder, variant, result) else None


def checksum(folder: Path, stage: str, encoder: str, variant: str, result: Path) -> str:
    """Sha256 of a training's settings, which hold its code's checksums, and of its ``result``."""
    settings = paths.settings(folder, stage, paths.cell_name(encoder, variant))
    content = (settings.read_bytes() if settings.is_file() else b"") + result.read_bytes()
    return hashlib.sha256(content).hexdigest()
