"""The real hub clients against a hub on this machine: what is fetched, how often, and what a failure says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hub_server import HubServer
from hub_stand_ins import publish
from small_project import (
    DATASET,
    ENCODER,
    REPOSITORY,
    SHARED,
    STUDY,
    change,
    contents,
    error_line,
    make_pipelines,
    make_project,
    run_stages,
    use_one_core,
)
from tiny_encoder import make_bert

from threephase.data.raw_rows import READ_FROM
from threephase.study.read_params import load_dataset

MODEL, REVISION = "somebody/tiny", "0123456789" * 4
WEIGHTS = "model.safetensors"
FETCH_ENCODER = ("fetch_encoder", "--encoder", "minilm_l6")
FETCH_DATA = ("fetch_data",)
FOLDER = "runs/pretrained/minilm_l6"
OTHER_FILES = {"pytorch_model.bin": b"never read", "onnx/model.onnx": b"never read", "README.md": b"a tiny encoder"}
WHAT = f"hub model {MODEL} at revision {REVISION}"
LOCAL = (
    "name a local folder that holds minilm_l6/ with config.json, model.safetensors and tokenizer.json "
    "(ENCODERS_FOLDER=FOLDER, or sources.encoders_folder in shared.yaml)"
)
LOCAL_DATA = (
    "name a local folder that holds tiny/ with train.parquet, dev.parquet (DATA_FOLDER=FOLDER, or sources.folder in "
    "shared.yaml)"
)
# The clients' waits between two attempts add up to half a minute; what they do is the same without them.
IMPATIENT = (
    "import runpy, time; time.sleep = lambda seconds: None; "
    "runpy.run_module('stages', run_name='__main__', alter_sys=True)"
)


def run_impatient(root: Path, environment: dict[str, str], stage: str, *arguments: str):
    """Run a stage in ``root`` without the clients' waits."""
    settings = {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    kept = {name: value for name, value in os.environ.items() if name not in ("DATA_FOLDER", "ENCODERS_FOLDER")}
    return subprocess.run(
        [sys.executable, "-c", IMPATIENT, stage, *arguments],
        cwd=root,
        env=kept | settings | environment,
        preexec_fn=use_one_core,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def bert(tmp_path_factory) -> Path:
    return make_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture
def hub(bert):
    files = {file.name: file.read_bytes() for file in bert.iterdir()}
    with HubServer() as server:
        server.add("model", MODEL, REVISION, files | OTHER_FILES)
        yield server


@pytest.fixture
def project(tmp_path):
    root = make_project(tmp_path / "project")
    of_package = {"package": ..., "version": ..., "folder": ...}
    change(root, ENCODER, {"source": "hub", "id": MODEL, "revision": REVISION, "sha256": None} | of_package)
    return root


def fetched(project: Path, environment: dict[str, str], line=FETCH_ENCODER) -> str:
    run_stages(project, "resolve_settings")
    result = run_impatient(project, environment, *line)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def refused(project: Path, environment: dict[str, str], line=FETCH_ENCODER) -> str:
    """The one line, after a look that nothing was written."""
    run_stages(project, "resolve_settings")
    before = contents(project)
    said = error_line(run_impatient(project, environment, *line))
    assert contents(project) == before
    return said


def test_an_encoder_is_fetched_once_with_the_files_it_needs_and_no_others(project, hub, bert, tmp_path):
    environment = hub.environment(tmp_path / "cache")
    said = fetched(project, environment)
    assert said.startswith(f"minilm_l6: from hub {MODEL} at {REVISION}, weights sha256 ") and said.count("\n") == 1
    files = {file.name: file.read_bytes() for file in bert.iterdir()}
    assert {file.name: file.read_bytes() for file in (project / FOLDER).iterdir()} == files
    assert sorted(hub.served) == sorted((MODEL, file) for file in files)
    asked = hub.requests
    shutil.rmtree(project / FOLDER)
    assert fetched(project, environment) == said and hub.requests == asked
    # Without the network, and where it is forbidden.
    hub.close()
    assert fetched(project, environment) == said
    assert fetched(project, environment | {"HF_HUB_OFFLINE": "1"}) == said


@pytest.mark.parametrize("faults", [["drop"], ["limit"], ["drop", "limit", "drop"]], ids="-".join)
def test_what_a_network_does_for_a_while_does_not_stop_a_fetch(project, hub, bert, tmp_path, faults):
    hub.faults.extend(faults)
    fetched(project, hub.environment(tmp_path / "cache"))
    assert (project / FOLDER / WEIGHTS).read_bytes() == (bert / WEIGHTS).read_bytes()
    assert hub.served.count((MODEL, WEIGHTS)) == 1 + len(faults) and not hub.faults


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        (["truncate"], "the download failed (Consistency check failed: file should be of size "),
        (["corrupt"], f"{WEIGHTS}: got checksum "),
        (["fail"], "the download failed (Server error '500 Internal Server Error' for url "),
        (["limit"] * 9, "the download failed (429 Too Many Requests for url: "),
        (["drop"] * 99, "the download failed ("),
    ],
    ids=["truncate", "corrupt", "fail", "limit", "drop"],
)
def test_what_a_fetch_gives_up_on_is_said_in_one_line_and_the_next_one_starts_well(
    project, hub, bert, tmp_path, faults, said
):
    environment = hub.environment(tmp_path / "cache")
    hub.faults.extend(faults)
    if faults[0] == "drop":
        # Each attempt resumes with what is left, so that only a connection that brings nothing is given up.
        hub.add("model", MODEL, REVISION, hub.repositories["model", MODEL].files | {WEIGHTS: b"x"})
    line = refused(project, environment)
    assert line.startswith(f"{WHAT}: {said}") and "run again, or " in line and line.endswith(LOCAL)
    hub.faults.clear()
    small = set(hub.served) - {(MODEL, WEIGHTS)}
    if faults[0] != "drop":
        fetched(project, environment)
        assert (project / FOLDER / WEIGHTS).read_bytes() == (bert / WEIGHTS).read_bytes()
        assert all(hub.served.count(file) == 1 for file in small)


def test_an_encoder_that_cannot_be_had_is_refused_with_the_way_out(project, hub, tmp_path):
    environment = hub.environment(tmp_path / "cache")
    offline = f"{WHAT}: HF_HUB_OFFLINE is set and the cache does not hold all its files; {LOCAL}"
    assert refused(project, environment | {"HF_HUB_OFFLINE": "1"}) == offline
    repository = hub.repositories.pop(("model", MODEL))
    missing = f"{WHAT}: the hub has no such repository, or you may not read it; {LOCAL}"
    assert refused(project, environment) == missing
    hub.add("model", MODEL, "f" * 40, repository.files)
    assert refused(project, environment) == f"{WHAT}: the hub has no such revision any more; {LOCAL}"
    hub.close()
    said = refused(project, environment)
    assert said.startswith(f"{WHAT}: the hub can't be reached (") and said.endswith(
        f") and the cache does not hold all its files; {LOCAL}"
    )


def test_a_repository_without_safetensors_is_refused(project, hub, tmp_path):
    files = dict(hub.repositories["model", MODEL].files)
    del files[WEIGHTS]
    hub.add("model", MODEL, REVISION, files)
    assert f": {WEIGHTS} is missing; " in refused(project, hub.environment(tmp_path / "cache"))


def test_weights_other_than_the_pinned_ones_are_refused_whatever_the_hub_states(project, hub, tmp_path):
    change(project, ENCODER, {"sha256": "0" * 64})
    assert f"expected {'0' * 64}; " in refused(project, hub.environment(tmp_path / "cache"))


def test_a_local_folder_comes_before_the_hub_and_is_never_silently_replaced(project, hub, bert, tmp_path):
    local = tmp_path / "encoders"
    environment = hub.environment(tmp_path / "cache") | {"ENCODERS_FOLDER": str(local)}
    assert refused(project, environment) == f"ENCODERS_FOLDER: {local}: no such folder"
    local.mkdir()
    assert "from hub" in fetched(project, environment)
    shutil.copytree(bert, local / "minilm_l6")
    assert fetched(project, environment).startswith("minilm_l6: from folder minilm_l6, weights sha256 ")
    change(project, SHARED, {"sources.order": ["hub", "folder"]})
    assert "from hub" in fetched(project, environment)
    change(project, SHARED, {"sources.order": ["folder", "hub"]})
    (local / "minilm_l6" / WEIGHTS).unlink()
    assert refused(project, environment) == f"{local / 'minilm_l6'}: {WEIGHTS} is missing; mend the folder"
    change(project, SHARED, {"sources.order": ["python_package"]})
    assert refused(project, environment).startswith(f"{ENCODER}: source: got hub {MODEL} at {REVISION}, which")


PAPER_DATA = ("snips", "snips2", "sst2", "sst5", "ag_news", "imdb")


@pytest.fixture(scope="module")
def paper_hub(tmp_path_factory):
    """A hub with stand-ins for the paper's data sets, by name what each was published with."""
    with HubServer() as server, pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        root = tmp_path_factory.mktemp("published")
        yield server, {name: publish(server, load_dataset(name), root / name) for name in PAPER_DATA}


@pytest.mark.parametrize("name", PAPER_DATA)
def test_every_data_set_of_the_paper_is_read_from_the_hub_as_its_definition_says(project, paper_hub, tmp_path, name):
    server, published = paper_hub
    use_data_of_paper(project, name)
    change(project, f"data/{name}.yaml", {"expected": {}})
    environment = server.environment(tmp_path / "cache")
    assert f"{name}: {sum(map(len, published[name].values()))} rows from hub " in fetched(
        project, environment, FETCH_DATA
    )
    rows = pd.read_parquet(project / "runs/data/raw.parquet")
    assert set(rows["split"]) == set(published[name])
    for split, table in published[name].items():
        of_split = rows[rows["split"] == split]
        assert of_split[list(table.columns)].astype(str).to_numpy().tolist() == table.astype(str).to_numpy().tolist()
        assert of_split[READ_FROM].nunique() == 1 and server.url not in of_split[READ_FROM].iloc[0]
    asked = server.requests
    fetched(project, environment | {"HF_HUB_OFFLINE": "1"}, FETCH_DATA)
    assert server.requests == asked
    run = run_impatient(project, environment, "prepare_data")
    assert (run.returncode, run.stderr) == (0, "")
    examples = pd.read_parquet(project / "runs/data/examples.parquet")
    assert not examples["text"].str.contains("<").any() and set(examples["split"]) == set(published[name])


def test_rows_that_are_not_the_expected_ones_are_refused_with_the_local_folder_as_the_way_out(
    project, paper_hub, tmp_path
):
    server, _ = paper_hub
    use_data_of_paper(project, "snips2")
    fetched(project, server.environment(tmp_path / "cache"), FETCH_DATA)
    said = refused(project, {}, ("prepare_data",))
    assert said == (
        "hub bkonkle/snips-joint-intent at 3d6aa45aa00bbe841eebc5873c5a4fa8914328bc: got 48 rows, expected 14484; name "
        "a local folder that holds snips/ with train.parquet, validation.parquet, test.parquet (DATA_FOLDER=FOLDER, or "
        "sources.folder in shared.yaml)"
    )


def use_data_of_paper(project: Path, name: str) -> None:
    """Make a data set of the paper the study's."""
    shutil.copy(REPOSITORY / f"data/{name}.yaml", project / f"data/{name}.yaml")
    change(project, STUDY, {"dataset": name, "long_tail_ratio": None, "long_tail_largest": None})
    make_pipelines(project)


def use_hub_data(project: Path, hub: HubServer, table: pd.DataFrame) -> None:
    """Make the project's data set one of the hub, with the rows of ``table`` in both of its splits."""
    content = table.to_csv(index=False).encode()
    hub.add("dataset", MODEL, REVISION, {"train.csv": content, "dev.csv": content})
    source = {"hub": {"id": MODEL, "revision": REVISION}, "folder": "tiny"}
    source["splits"] = {"train": "train", "validation": "dev"}
    change(project, DATASET, {"source": source})
    make_pipelines(project)


def test_hub_data_that_lacks_a_split_or_a_column_is_refused(project, hub, tmp_path):
    environment, what = hub.environment(tmp_path / "cache"), f"hub dataset {MODEL} at revision {REVISION}"
    use_hub_data(project, hub, pd.DataFrame({"text": ["a"], "label": ["x"]}))
    said = refused(project, environment, FETCH_DATA)
    assert said.startswith(f"{what}: split 'dev' can't be read: ") and said.endswith(LOCAL_DATA)
    change(project, DATASET, {"source.splits.validation": "validation"})
    fetched(project, environment, FETCH_DATA)
    change(project, DATASET, {"label_columns": ["intent"]})
    said = refused(project, environment, FETCH_DATA)
    assert said == f"{what}, split train: got columns text, label, expected 'intent' among them"


def test_a_data_set_that_cannot_be_reached_is_refused_by_id_revision_and_way_out(project, hub, tmp_path):
    use_hub_data(project, hub, pd.DataFrame({"text": ["a"], "label": ["x"]}))
    hub.close()
    said = refused(project, hub.environment(tmp_path / "cache"), FETCH_DATA)
    assert said.startswith(f"hub dataset {MODEL} at revision {REVISION}: the hub can't be reached (")
    assert said.endswith(LOCAL_DATA)
