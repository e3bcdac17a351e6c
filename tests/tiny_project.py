"""A copy of the whole project in a folder, code and pipelines included, on a tiny encoder and few short texts.

What differs from the project are values in its three params files, so that ``dvc repro`` there is that of a user.
"""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
from small_project import change
from tiny_encoder import make_bert

from stages.common.files import sha256_of

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED, DATASET, BENCHMARK = "params.yaml", "data/bbc/params.yaml", "benchmarks/bbc/params.yaml"
COPIED = (
    ".dvc/config", ".dvc/.gitignore", ".dvc/plots/learning_curves.json", ".dvcignore", ".gitignore",
    "dvc.yaml", SHARED, "encoders/dvc.yaml", "data/pipeline.yaml", "data/bbc/dvc.yaml", DATASET,
    "benchmarks/pipeline.yaml", "benchmarks/bbc/dvc.yaml", BENCHMARK, "paper/params.yaml", "paper/tables.csv",
    "paper/hyperparameters.yaml", "paper/references.csv", "paper/deviations.yaml", "CITATION.cff",
    *(f"data/{name}/params.yaml" for name in ("ag_news", "imdb", "snips", "snips2", "sst2", "sst5")),
)  # fmt: skip
ROWS, ORIGIN = "rows.csv", "tiny"
ENCODER, SEEDS = "minilm_l6", (0, 1)
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
BENCHMARK_VALUES = {
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
    """Copy the code, the pipelines and the params files, as they are in the working tree."""
    for file in COPIED:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / file, root / file)
    shutil.copytree(REPOSITORY / "stages", root / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    return root


def make_tiny_project(root: Path) -> Path:
    """A project whose default study trains everything in seconds, in a git repository without a commit."""
    copy_project(root)
    texts = write_rows(root)
    make_bert(root / ORIGIN, texts)
    use_encoder(root)
    source = {"files": ROWS}
    change(root, DATASET, {"source": source, "test_rows": TEST_ROWS, "expected": {}})
    change(root, BENCHMARK, BENCHMARK_VALUES)
    # The probe takes a second and would make the outcome depend on the machine's load.
    change(root, SHARED, {"engine.device": "cpu", "engine.precision": "fp32"})
    run(root, "git", "init", "--quiet")
    for key, value in (("user.name", "A Tester"), ("user.email", "tester@example.org"), ("gc.auto", "0")):
        run(root, "git", "config", key, value)
    return root


def use_encoder(root: Path) -> None:
    """Make the folder ``ORIGIN`` the study's encoder, by its weights' checksum."""
    values = {"source": "folder", "folder": ORIGIN, "sha256": sha256_of(root / ORIGIN / "model.safetensors")}
    values |= {"package": ..., "version": ...} if "package" in read(root, SHARED) else {}
    values = {f"encoders.{ENCODER}.{key}": value for key, value in values.items()}
    # The others come from the hub, which no test may ask.
    others = ("minilm_l12", "roberta_base") if "roberta_base" in read(root, SHARED) else ()
    change(root, SHARED, values | {f"encoders.{name}": ... for name in others})


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
    rows = pd.read_parquet(root / "data/bbc/raw.parquet")
    long = rows.head(LONG_ROWS).copy()
    long["text"] = [f"{'rain and storm. ' * 20}wind {number}." for number in range(LONG_ROWS)]
    (root / "data/bbc/raw.parquet").unlink()
    pd.concat([rows, long], ignore_index=True).to_parquet(root / "data/bbc/raw.parquet")
    change(root, BENCHMARK, {"protocol": "released", "seeds": [0], "long_tail_ratio": None, "long_tail_largest": None})
    change(root, BENCHMARK, {f"hyperparameters.{ENCODER}.freeze_encoder": False})
    change(root, SHARED, {f"encoders.{ENCODER}.sentence_encoder": True, f"encoders.{ENCODER}.normalizes": True})


def commit(root: Path) -> None:
    run(root, "git", "add", "--all")
    run(root, "git", "commit", "--quiet", "--message", "results")
