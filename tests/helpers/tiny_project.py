"""A copy of the whole project in a folder, code and pipelines included, on a tiny encoder and few short texts.

What differs from the project are values in its params files, so that ``dvc repro`` there is that of a user.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
from small_project import CODE, OF_TESTS, WARNINGS, change
from tiny_encoder import make_bert

from threephase.base.files import sha256_of

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED, STUDY, DATASET = "shared.yaml", "params.yaml", "data/bbc.yaml"
ENCODER = "minilm_l6"
DEFINITION = f"encoders/{ENCODER}.yaml"
COPIED = (
    ".dvc/config", ".dvc/.gitignore", ".dvc/plots/learning_curves.json", ".dvcignore", ".gitignore",
    STUDY, SHARED, "CITATION.cff", "paper/params.yaml", "paper/tables.csv", "paper/hyperparameters.yaml",
    "paper/references.csv", "paper/deviations.yaml",
)  # fmt: skip
ROWS, ORIGIN = "rows.csv", "tiny"
SEEDS = (0, 1)
RAW = "runs/data/raw.parquet"
CLASS_WORDS = {
    "fruit": "apple pear plum cherry grape melon peach lemon",
    "metal": "iron copper silver steel zinc brass nickel gold",
    "music": "violin drum flute chorus melody opera piano horn",
    "weather": "rain snow wind storm frost cloud thunder fog",
}
ROWS_PER_CLASS = 45
LONG_ROWS = 6
# Texts that every stage must take: only stop-words, one word, other scripts, far more words than the limit.
ODD_ROWS = (("the of and", "fruit"), ("zinc", "metal"), ("музыка и 音楽", "music"), ("storm and " * 100, "weather"))
TEST_ROWS = 40
# Class sizes 20, 10, 5, 2: each of the three imbalance settings then makes other rows of them.
STUDY_VALUES = {
    "seeds": list(SEEDS),
    "validation_share": 0.15,
    "long_tail_ratio": 8,
    "long_tail_largest": 20,
    f"hyperparameters.{ENCODER}.lr_dae": 1e-3,
    f"hyperparameters.{ENCODER}.epochs_dae": 1,
    f"hyperparameters.{ENCODER}.lr_contrastive": 1e-3,
    f"hyperparameters.{ENCODER}.lr_classifier": 1e-2,
    f"hyperparameters.{ENCODER}.max_epochs_classifier": 6,
    f"hyperparameters.{ENCODER}.batch_size": 8,
    f"hyperparameters.{ENCODER}.max_length": 24,
}


def copy_project(root: Path) -> Path:
    """Copy the code and the params files, as they are in the working tree."""
    definitions = [file for folder in ("data", "encoders") for file in (REPOSITORY / folder).glob("*.yaml")]
    for file in (*COPIED, *(file.relative_to(REPOSITORY) for file in definitions)):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / file, root / file)
    for folder in CODE:
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def make_tiny_project(root: Path) -> Path:
    """A project whose default study trains everything in seconds, in a git repository without a commit."""
    copy_project(root)
    texts = write_rows(root)
    make_bert(root / ORIGIN, texts)
    use_encoder(root)
    source = {"files": ROWS}
    change(root, DATASET, {"source": source, "test_rows": TEST_ROWS, "expected": {}})
    change(root, STUDY, OF_TESTS | STUDY_VALUES)
    # The probe takes a second and would make the outcome depend on the machine's load, as the cores do that are free.
    change(root, SHARED, {"engine.device": "cpu", "engine.precision": "fp32", "engine.threads": 1})
    make_pipelines(root)
    run(root, "git", "init", "--quiet")
    for key, value in (("user.name", "A Tester"), ("user.email", "tester@example.org"), ("gc.auto", "0")):
        run(root, "git", "config", key, value)
    return root


def make_pipelines(root: Path) -> None:
    """What ``make pipelines`` does, by the project's own code."""
    run(root, sys.executable, "-m", "commands.write_pipelines")


def use_encoder(root: Path) -> None:
    """Make the folder ``ORIGIN`` the study's encoder, by its weights' checksum."""
    values = {"source": "folder", "folder": ORIGIN, "sha256": sha256_of(root / ORIGIN / "model.safetensors")}
    change(root, DEFINITION, values | ({"package": ..., "version": ...} if "package" in read(root, DEFINITION) else {}))


def write_rows(root: Path) -> list[str]:
    """Write the data file; returns its texts."""
    draw, rows = random.Random(0), list(ODD_ROWS)
    for label, words in CLASS_WORDS.items():
        for number in range(ROWS_PER_CLASS):
            chosen = draw.sample(words.split(), 3)
            rows.append((f"the {chosen[0]} and a {chosen[1]} of {chosen[2]} {number}", label))
    lines = ["text,label", *(f"{text},{label}" for text, label in rows)]
    (root / ROWS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [text for text, _ in rows]


def read(root: Path, file: str | Path) -> str:
    return (root / file).read_text(encoding="utf-8")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by its name there."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def environment(root: Path) -> dict[str, str]:
    """The test's own Python for what dvc starts, and nothing kept outside of the folder's neighbourhood."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_", "PYTHON"))}
    beside = root.parent / "dvc"
    return kept | {
        # Two threads that wait for each other actively crawl where other programs want the same cores.
        "OMP_WAIT_POLICY": "PASSIVE",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONWARNINGS": WARNINGS,
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(beside / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(beside / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(beside / "system"),
    }


def run(root: Path, *command: str, expected: int = 0, **changes: str) -> str:
    """Run a command in the project; returns what it printed. ``changes``: environment variables."""
    result = subprocess.run(
        command, cwd=root, env=environment(root) | changes, capture_output=True, text=True, timeout=900
    )
    assert result.returncode == expected, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
    return result.stdout + result.stderr


def run_recorded(root: Path, commands: list[str]) -> dict[str, dict[str, list[str]]]:
    """Run stages in one process in the project; by command the parameters and files that it read."""
    output = root.parent / "reads.json"
    run(root, sys.executable, str(Path(__file__).with_name("recorded_stages.py")), str(output), *commands)
    return json.loads(output.read_text(encoding="utf-8"))


def use_released_protocol(root: Path) -> None:
    """Three folds instead of a long tail, some texts of many sentences, and an encoder tagged as one of sentences."""
    change(root, DATASET, {"folds": 3, "test_rows": None, "text_lengths": ["long"]})
    rows = pd.read_parquet(root / RAW)
    long = rows.head(LONG_ROWS).copy()
    long["text"] = [f"{'rain and storm. ' * 20}wind {number}." for number in range(LONG_ROWS)]
    (root / RAW).unlink()
    pd.concat([rows, long], ignore_index=True).to_parquet(root / RAW)
    change(root, STUDY, {"protocol": "released", "seeds": [0], "long_tail_ratio": None, "long_tail_largest": None})
    change(root, STUDY, {f"hyperparameters.{ENCODER}.freeze_encoder": False})
    change(root, DEFINITION, {"sentence_encoder": True, "normalizes": True})


def commit(root: Path) -> None:
    run(root, "git", "add", "--all")
    run(root, "git", "commit", "--quiet", "--message", "results")
