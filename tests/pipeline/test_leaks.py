"""What a study of a reader's own file publishes and reports names neither its place, nor who ran it, nor a secret."""

import shutil
import socket
import sys
from pathlib import Path

import pytest
from small_project import change
from tiny_project import DATASET, REPOSITORY, ROWS, STUDY, commit, make_pipelines, make_tiny_project, run

COMMANDS = (
    ("dvc", "repro"),
    (sys.executable, "-m", "commands.render_costs"),
    (sys.executable, "-m", "commands.publish_results"),
    (sys.executable, "-m", "commands.render_index", "--published"),
    (sys.executable, "-m", "commands.render_index"),
    (sys.executable, "-m", "commands.verify_published"),
)
VALUES = {"variants": ["ft"], "baselines": ["majority"], "seeds": [0], "reproduces_paper": False}
VARIABLES = {
    "USER": "reader-of-ours", "LOGNAME": "reader-of-ours", "HOSTNAME": "their-machine", "HF_TOKEN": "hf_their_token",
    "AWS_SECRET_ACCESS_KEY": "their-secret-key", "SOME_VARIABLE": "their-own-value",
}  # fmt: skip


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A finished and published study of a file in the reader's home, and what each command printed."""
    top = tmp_path_factory.mktemp("home-of-reader")
    root, own = make_tiny_project(top / "their-project"), top / "their-folder" / "my reviews.csv"
    own.parent.mkdir()
    shutil.move(root / ROWS, own)
    change(root, DATASET, {"title": "My reviews", "source": {"files": str(own)}, "licence": "Your own texts."})
    change(root, STUDY, VALUES)
    (root / "docs").mkdir()
    for page in ("README.md", "docs/findings.md"):  # into which a part is written
        shutil.copy(REPOSITORY / page, root / page)
    make_pipelines(root)
    commit(root)
    return root, {" ".join(command): run(root, *command, HOME=str(top), **VARIABLES) for command in COMMANDS}


def secrets(root: Path) -> list[bytes]:
    """What must stand nowhere."""
    words = [str(root.parent), "their-folder", "tester@example.org", "A Tester", *VARIABLES.values()]
    host = socket.gethostname()
    return [word.encode() for word in [*words, *[host] * (len(host) > 5)]]


def test_nothing_that_is_published_or_reported_names_the_reader(reader):
    root, _ = reader
    files = [file for file in (root / "reports").rglob("*") if file.is_file()]
    names = {file.relative_to(root / "reports").as_posix() for file in files}
    assert {"index.html", "summary.txt", "costs.html", "studies.html", "published/bbc/params.yaml",
            "published/bbc/run_reports.jsonl", "published/bbc/predictions.parquet"} <= names  # fmt: skip
    assert b'"own files my reviews.csv"' in (root / "reports/published/bbc/run_reports.jsonl").read_bytes()
    for file in [*files, *(root / "runs/reports").rglob("*.json")]:
        content = readable(file)
        assert not [word for word in secrets(root) if word in content], file


def readable(file: Path) -> bytes:
    """A file's content as bytes that can be searched, also of a table that is packed."""
    if file.suffix != ".parquet":
        return file.read_bytes()
    import pandas as pd
    import pyarrow.parquet as pq

    return pd.read_parquet(file).to_csv().encode() + str(pq.read_schema(file).metadata).encode()


def test_nothing_that_is_printed_names_a_secret(reader):
    root, said = reader
    values = [*VARIABLES.values(), "tester@example.org"]
    assert not {command: [word for word in values if word in text] for command, text in said.items() if
                any(word in text for word in values)}  # fmt: skip
