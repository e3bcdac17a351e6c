"""A small copy of the project in a folder: its params files, its pipelines, and a data set of few short texts."""

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

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED, DATASET, BENCHMARK = "params.yaml", "data/small/params.yaml", "benchmarks/small/params.yaml"
ROWS = "data/small/rows.csv"
CLASSES = {"fruit": "apple", "metal": "iron", "tree": "oak"}
ROWS_PER_CLASS = 20


def make_project(root: Path) -> Path:
    """Write the data set and benchmark ``small`` and what they share below ``root``.

    The stages stay in the repository: ``run_stage`` imports them from there and works in ``root``.
    """
    for folder in ("data/small", "benchmarks/small", "paper"):
        (root / folder).mkdir(parents=True)
    for file, content in _params_and_pipelines().items():
        (root / file).write_bytes(content)
    write_rows(root, good_rows())
    return root


@functools.cache
def _params_and_pipelines() -> dict[str, bytes]:
    """The files' contents, made once: reading and writing YAML takes most of the time."""
    copies = {SHARED: SHARED, DATASET: "data/bbc/params.yaml", BENCHMARK: "benchmarks/bbc/params.yaml"}
    for folder in ("data", "benchmarks"):
        for copy in ("pipeline.yaml", "small/dvc.yaml"):
            copies[f"{folder}/{copy}"] = f"{folder}/pipeline.yaml"
    copies |= {file: file for file in ("paper/params.yaml", "paper/tables.csv")}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for file, original in copies.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / original, root / file)
        source = {"files": ROWS}
        change(root, DATASET, {"name": "small", "source": source, "test_rows": 15, "expected": {}})
        change(root, BENCHMARK, {"name": "small", "dataset": "small", "long_tail_ratio": 4, "long_tail_largest": 8})
        # No probe of a second in every training stage.
        change(root, SHARED, {"engine.device": "cpu", "engine.precision": "fp32"})
        return {file: (root / file).read_bytes() for file in copies}


def good_rows() -> list[tuple[str, str]]:
    """(text, label) of every row of the data set, all texts distinct."""
    return [(f"the {word} number {i}", label) for label, word in CLASSES.items() for i in range(ROWS_PER_CLASS)]


def write_rows(root: Path, rows: list[tuple[str, str]]) -> None:
    lines = ["text,label", *(f"{text},{label}" for text, label in rows)]
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
    source = {"source": "folder", "folder": str(folder), "sha256": hashlib.sha256(weights).hexdigest()}
    change(root, SHARED, {f"encoders.minilm_l6.{key}": value for key, value in source.items()})


def use_one_core() -> None:
    """Let a process have one core: on few short texts two threads mostly wait for each other."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def run_stage(root: Path, stage: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a stage in ``root`` as dvc does, from the repository's code."""
    search = {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", f"stages.{stage}", *arguments],
        cwd=root,
        env=os.environ | search,
        preexec_fn=use_one_core,
        capture_output=True,
        text=True,
        timeout=120,
    )


def run_stages(root: Path, *stages: str) -> None:
    """Run stages that must succeed, each given as on the command line."""
    for line in stages:
        result = run_stage(root, *line.split())
        assert result.returncode == 0, result.stderr


def contents(root: Path) -> dict[str, bytes | None]:
    """Every file below ``root`` with its content and every folder with None, to show that nothing was written.

    Left aside is the choice of device and precision, which is kept for the machine and is no output.
    """
    found = [path for path in root.rglob("*") if path.name != ".engine.json"]
    return {str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in found}


def error_line(result: subprocess.CompletedProcess[str]) -> str:
    """The one line that a refusal prints, without ``error: ``."""
    assert result.returncode == 2, (result.returncode, result.stderr)
    assert result.stderr.count("\n") == 1 and result.stderr.startswith("error: "), result.stderr
    assert result.stdout == ""
    return result.stderr.removeprefix("error: ").rstrip("\n")
