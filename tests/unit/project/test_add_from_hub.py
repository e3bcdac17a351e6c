"""A study on a data set of the hub: the real clients against a hub on this machine, and one line where it fails."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hub_server import HubServer
from small_project import REPOSITORY, contents, error_line, make_project, run_stages, use_one_core

from threephase.study.read_params import load_dataset

DATA, REVISION = "somebody/reviews", "0123456789" * 4
WHAT = f"hub dataset {DATA} at revision {REVISION}"
# The clients' waits between two attempts add up to half a minute; what they do is the same without them.
IMPATIENT = (
    "import runpy, time; time.sleep = lambda seconds: None; "
    "runpy.run_module('commands.add_study', run_name='__main__', alter_sys=True)"
)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    root = make_project(tmp_path / "project")
    monkeypatch.chdir(root)
    return root


def rows(split: str, count: int) -> pd.DataFrame:
    return pd.DataFrame({"review": [f"{split} {n}" for n in range(count)], "topic": ["fruit", "metal"] * (count // 2)})


def as_parquet(table: pd.DataFrame) -> bytes:
    table.to_parquet(buffer := io.BytesIO(), index=False)
    return buffer.getvalue()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub without anything on it, which the commands and stages of a test ask."""
    with HubServer() as server:
        for name, value in server.environment(tmp_path / "cache").items():
            monkeypatch.setenv(name, value)
        yield server


def add(project: Path, data: str = f"{DATA}@{REVISION}") -> subprocess.CompletedProcess[str]:
    words = ["--hub", data, "--split", "train=train", "--split", "test=test", "--text-column", "review"]
    return subprocess.run(
        [sys.executable, "-c", IMPATIENT, "mine", *words, "--label-column", "topic", "--no-estimate"],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
        preexec_fn=use_one_core,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("name", "write"),
    [("{}.csv", lambda table: table.to_csv(index=False).encode()), ("data/{}-00000-of-00001.parquet", as_parquet)],
)
def test_a_data_set_of_the_hub_becomes_a_study_that_its_stages_read(project, hub, name, write):
    tables = {"train": rows("train", 40), "test": rows("test", 20)}
    hub.add("dataset", DATA, REVISION, {name.format(split): write(table) for split, table in tables.items()})
    result = add(project)
    assert (result.returncode, result.stderr) == (0, "")
    assert "- Rows: 60 read, 60 stay: 40 training, 20 test.\n" in result.stdout
    assert result.stdout.endswith("\ngit add data/mine.yaml studies/mine\n")
    source = load_dataset("mine").source
    assert (source.hub.id, source.hub.revision, source.files) == (DATA, REVISION, None)
    run_stages(project, *(f"{stage} --study mine" for stage in ("resolve_settings", "fetch_data", "prepare_data")))
    examples = pd.read_parquet(project / "studies/mine/runs/data/examples.parquet")
    for split, table in tables.items():
        assert examples.loc[examples["split"] == split, "text"].tolist() == table["review"].tolist()
    assert not [path for _, path in hub.served if hub.served.count((DATA, path)) > 1]


def test_classes_that_a_data_set_of_the_hub_keeps_as_numbers_have_its_names(project, hub):
    datasets = pytest.importorskip("datasets")
    classes = datasets.ClassLabel(names=["metal", "fruit"])
    features = datasets.Features({"review": datasets.Value("string"), "topic": classes})
    tables, files = [rows("train", 40), rows("test", 20)], {}
    for split, table in zip(("train", "test"), tables, strict=True):
        columns = {"review": table["review"], "topic": table["topic"].map(classes.str2int)}
        datasets.Dataset.from_dict(columns, features).to_parquet(buffer := io.BytesIO())
        files[f"data/{split}.parquet"] = buffer.getvalue()
    hub.add("dataset", DATA, REVISION, files)
    result = add(project)
    assert (result.returncode, result.stderr) == (0, "")
    run_stages(project, *(f"{stage} --study mine" for stage in ("resolve_settings", "fetch_data", "prepare_data")))
    examples = pd.read_parquet(project / "studies/mine/runs/data/examples.parquet")
    assert examples["label"].tolist() == [label for table in tables for label in table["topic"]]


def test_a_revision_that_moves_on_is_written_down_as_its_commit(project, hub):
    files = {f"{split}.csv": rows(split, 20).to_csv(index=False).encode() for split in ("train", "test")}
    hub.add("dataset", DATA, "main", files)
    commit = hub.repositories["dataset", DATA].commit
    assert add(project, f"{DATA}@main").returncode == 0
    assert load_dataset("mine").source.hub.revision == commit != "main"


def test_what_the_hub_does_not_have_or_cannot_give_is_refused_in_one_line(project, hub):
    hub.add("dataset", DATA, REVISION, {"train.csv": rows("train", 40).to_csv(index=False).encode()})
    before = contents(project)
    way_out = "; see data/README.md for other sources"
    no_such = "hub dataset nobody/nothing at revision main: the hub has no such repository, or you may not read it"
    assert error_line(add(project, "nobody/nothing@main")) == no_such + way_out
    said = error_line(add(project, f"{DATA}@{'f' * 40}"))
    assert said == f"hub dataset {DATA} at revision {'f' * 40}: the hub has no such revision any more{way_out}"
    assert error_line(add(project)).startswith(f"{WHAT}: split 'test' can't be read: ")
    assert error_line(add(project, DATA)) == f"--hub: got '{DATA}', expected ID@REVISION, such as me/my_data@0123abc"
    hub.close()
    said = error_line(add(project, "nobody/nothing@main"))
    assert said.startswith("hub dataset nobody/nothing at revision main: the hub can't be reached (")
    assert said.endswith(way_out) and len(said) <= 300
    assert contents(project) == before
