"""A small copy of the project in a folder: its params files, its pipeline, and a data set of few short texts."""

import contextlib
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from threephase.project.project import write_project
from threephase.study.read_params import load_studies

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED, STUDY, DATASET, ENCODER = "shared.yaml", "params.yaml", "data/small.yaml", "encoders/minilm_l6.yaml"
ROWS = "data/small/rows.csv"
CLASSES = {"fruit": "apple", "metal": "iron", "tree": "oak"}
ROWS_PER_CLASS = 20
CODE = ("stages", "threephase", "commands")
# PYTHONWARNINGS of programs that tests start: what our own modules are warned of is an error.
WARNINGS = "error:::__main__," + ",".join(
    f"error:::{'.'.join(file.relative_to(REPOSITORY).with_suffix('').parts)}"
    for folder in (*CODE, "performance")
    for file in sorted((REPOSITORY / folder).rglob("*.py"))
)
# Studies of all shapes: the default one, two encoders with lists of their own, folds, a released protocol.
STUDIES = ("", "snips", "sst2", "snips_released_l6")
# The default study as tests take it: two seeds, every kind of variant, a rate of its own for some.
RATES = {"three_phase": 1e-3, "joint": 2e-4, "dae_ft": 2e-4}
ABLATIONS = ("cl_ft", "extra_imbalance", "no_imbalance", "no_imbalance_equal_updates", "ft")
OF_TESTS = {
    "seeds": [0, 1],
    "variants": [*RATES, *ABLATIONS],
    "baselines": ["majority", "tfidf_logistic", "embedding_logistic"],
    "hyperparameters.minilm_l6.lr_classifier": RATES | dict.fromkeys(ABLATIONS, 5e-4),
    "hyperparameters.minilm_l6.max_epochs_classifier": 8,
    "long_tail_ratio": 16,
    "long_tail_largest": 64,
}
PAPER = ("params.yaml", "tables.csv", "hyperparameters.yaml", "references.csv", "deviations.yaml")


def make_project(root: Path) -> Path:
    """Write the default study ``small``, its data set and what it shares below ``root``.

    The code stays in the repository, to which a link leads.
    """
    for file, content in _params_and_pipeline().items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(content)
    link_code(root)
    write_rows(root, good_rows())
    return root


def link_code(root: Path) -> None:
    """Let a project below ``root`` run the repository's code."""
    for folder in CODE:
        (root / folder).symlink_to(REPOSITORY / folder)


@functools.cache
def _params_and_pipeline() -> dict[str, bytes]:
    """The files' contents, made once: reading and writing YAML takes most of the time."""
    copies = {SHARED: SHARED, STUDY: STUDY, DATASET: "data/bbc.yaml"}
    encoders = [f"encoders/{file.name}" for file in (REPOSITORY / "encoders").glob("*.yaml")]
    copies |= {file: file for file in (*encoders, *(f"paper/{name}" for name in PAPER), "CITATION.cff")}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for file, original in copies.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / original, root / file)
        link_code(root)
        change(root, DATASET, {"source": {"files": ROWS}, "test_rows": 15, "expected": {}})
        change(
            root, STUDY, OF_TESTS | {"name": "small", "dataset": "small", "long_tail_ratio": 4, "long_tail_largest": 8}
        )
        # No probe of a second where settings are resolved, and the same number of threads on every machine.
        change(root, SHARED, {"engine.device": "cpu", "engine.precision": "fp32", "engine.threads": 1})
        make_pipelines(root)
        return {file: (root / file).read_bytes() for file in (*copies, "dvc.yaml")}


def make_pipelines(root: Path) -> None:
    """Generate the pipelines anew, as ``make pipelines`` does after an edit of encoders, variants or baselines."""
    with contextlib.chdir(root):
        for study in load_studies().values():
            write_project(study)


def good_rows() -> list[tuple[str, str]]:
    """(text, label) of every row of the data set, all texts distinct."""
    return [(f"the {word} number {i}", label) for label, word in CLASSES.items() for i in range(ROWS_PER_CLASS)]


def write_rows(root: Path, rows: list[tuple[str, str]]) -> None:
    lines = ["text,label", *(f"{text},{label}" for text, label in rows)]
    (root / ROWS).parent.mkdir(parents=True, exist_ok=True)
    (root / ROWS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def change(root: Path, file: str, values: dict[str, Any]) -> None:
    """Set keys of a params file, ``values`` by dotted name; the value ``...`` removes its key."""
    yaml = YAML()
    content = yaml.load(root / file)
    for name, value in values.items():
        *sections, key = name.split(".")
        section = content
        for part in sections:
            section = section[part]
        if value is ...:
            del section[key]
        else:
            section[key] = value
    yaml.dump(content, root / file)


def use_encoder(root: Path, folder: Path) -> None:
    """Let the project's encoder come from a folder."""
    weights = (folder / "model.safetensors").read_bytes()
    change(root, ENCODER, {"source": "folder", "folder": str(folder), "sha256": hashlib.sha256(weights).hexdigest()})


def use_one_core() -> None:
    """Let a process have one core: on few short texts two threads mostly wait for each other."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def run_stage(root: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a stage or a command in ``root``, from the repository's code."""
    is_stage = (REPOSITORY / "stages" / f"{program}.py").is_file()
    start = ["stages", program] if is_stage else [f"commands.{program}"]
    if is_stage and not (root / "stages").exists():
        link_code(root)  # a stage works in the folder of its code
    search = {
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": WARNINGS,
    }
    return subprocess.run(
        [sys.executable, "-m", *start, *arguments],
        cwd=root,
        env=os.environ | search,
        preexec_fn=use_one_core,
        capture_output=True,
        text=True,
        timeout=120,
    )


def run_stages(root: Path, *stages: str) -> None:
    """Run stages that must succeed, each given as on the command line; ``resolve_settings`` comes first."""
    for line in stages:
        result = run_stage(root, *line.split())
        assert result.returncode == 0, result.stderr


def contents(root: Path) -> dict[str, bytes | None]:
    """Every file below ``root`` with its content and every folder with None, to show that nothing was written.

    Left aside is the choice of device and precision, which is kept for the machine and is no output.
    """
    places = [path for path in root.rglob("*") if path.name != ".engine.json"]
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in places}


def error_line(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refusal prints, without ``error: ``."""
    assert result.returncode == 2, (result.returncode, result.stderr)
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("error: "), result.stderr
    assert result.stdout == ""
    return result.stderr.removeprefix("error: ").rstrip("\n")
