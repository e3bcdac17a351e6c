"""The paper's tables through their command, from a hub on this machine with tiny stand-ins to complete tables.

Both encoders and all six data sets are stand-ins, everything else is the project's own: pipelines, sources, stages.
It takes minutes, so that it is a step of its own: ``make paper-graph``.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hub_server import HubServer
from hub_stand_ins import publish
from small_project import change
from tiny_encoder import make_bert, make_roberta
from tiny_project import REPOSITORY, SHARED, environment

from threephase.base import paths
from threephase.paper.numbers import DATA_TABLES, MEASURED_TABLES
from threephase.study.read_params import load_dataset, load_shared, load_studies
from threephase.study.schema import read_yaml

ENCODERS = {"minilm_l12": make_bert, "roberta_base": make_roberta}
ROWS_PER_CLASS = 12
QUICK = {
    "epochs_dae": 1, "epochs_contrastive": 1, "max_epochs_classifier": 2, "batch_size": 16, "max_length": 32,
}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The project as git has it, with few short texts expected and trainings of seconds, at one seed."""
    root = tmp_path_factory.mktemp("paper") / "project"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY, capture_output=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        wanted = not name.startswith(("tests/", "acceptance/", "reports/")) and not name.endswith(".lock")
        if wanted and (REPOSITORY / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, root / name)
    change(root, SHARED, {"engine.device": "cpu", "engine.precision": "fp32"})
    for file in root.glob("studies/*/params.yaml"):
        encoders = read_yaml(file).get("hyperparameters", {})
        quick = {f"hyperparameters.{encoder}.{key}": QUICK[key] for encoder in encoders for key in QUICK}
        change(root, str(file.relative_to(root)), {"seeds": [0]} | quick)
    for file in root.glob("data/*.yaml"):
        change(root, str(file.relative_to(root)), {"expected": {}})
    for command in ("git init --quiet", "git config gc.auto 0"):
        subprocess.run(command.split(), cwd=root, check=True)
    return root


@pytest.fixture(scope="module")
def hub(project, tmp_path_factory):
    """Every data set and encoder that the paper's studies name, under the real ids and revisions."""
    folder = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch, HubServer() as server:
        patch.chdir(project)
        shared, texts = load_shared(), []
        datasets = {study.params.dataset for study in load_studies().values() if study.params.reproduces_paper}
        for name in sorted(datasets - {"ag_news_partial"}):
            dataset = load_dataset(name)
            tables = publish(server, dataset, folder / name, ROWS_PER_CLASS)
            texts += [text for table in tables.values() for text in table.iloc[:, 0]]
        for name, make in ENCODERS.items():
            source = shared.encoders[name]
            server.add_folder("model", source.id, source.revision, make(folder / name, texts))
        yield server


@pytest.fixture(scope="module")
def run(project, hub, tmp_path_factory):
    """Runs a command in the project, with nothing but the hub to fetch from; returns what it printed."""
    kept = {
        name: value for name, value in environment(project).items() if name not in ("DATA_FOLDER", "ENCODERS_FOLDER")
    }
    kept |= hub.environment(tmp_path_factory.mktemp("cache")) | {"OMP_NUM_THREADS": "1"}

    def run(*command: str) -> str:
        result = subprocess.run(command, cwd=project, env=kept, capture_output=True, text=True, timeout=1200)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        return result.stdout

    return run


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("table", MEASURED_TABLES)
def test_a_table_of_the_text_comes_out_complete(project, run, table, encoder):
    run(sys.executable, "-m", "commands.make_table", "--table", str(table), "--encoder", encoder)
    frame = pd.read_csv(project / paths.paper_table(table, encoder, "described"), keep_default_na=False)
    measured = frame[frame["verdict"] != "quoted"]
    assert len(measured) and (measured["mean"] != "").all()


@pytest.mark.parametrize("table", DATA_TABLES)
def test_a_table_of_data_comes_out_complete(project, run, table):
    run(sys.executable, "-m", "commands.make_table", "--table", str(table))
    frame = pd.read_csv(project / paths.paper_table(table, "", ""), keep_default_na=False)
    assert len(frame) and (frame["reproduced"] != "").all()


def test_one_fold_runs_as_the_authors_code_does(project, run):
    run("dvc", "--cd", "studies/snips_released", "repro")
    results = pd.read_csv(project / "studies/snips_released/reports/results.csv", keep_default_na=False)
    assert results["note"].str.contains("best epoch chosen on the test rows").all()


def test_nothing_was_fetched_twice(hub):
    assert len(hub.served) == len(set(hub.served))
