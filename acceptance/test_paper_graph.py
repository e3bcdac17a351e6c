"""The paper's whole graph through ``dvc repro``, from a hub on this machine with tiny stand-ins to complete tables.

Both encoders and all six data sets are stand-ins, everything else is the project's own: pipelines, sources, stages.
It takes minutes, so that it is a step of its own: ``make paper-graph``.
"""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hub_server import HubServer
from hub_stand_ins import publish
from small_project import change
from tiny_encoder import make_bert, make_roberta
from tiny_project import REPOSITORY, SHARED, environment

from stages.common import paths
from stages.common.config import load_dataset, load_shared, load_studies
from stages.common.schema import read_yaml

ENCODERS = {"minilm_l12": make_bert, "roberta_base": make_roberta}
TABLES = (3, 4, 6, 7)
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
        if not name.startswith(("tests/", "acceptance/", "reports/")) and not name.endswith(".lock"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, root / name)
    change(root, SHARED, {"engine.device": "cpu", "engine.precision": "fp32"})
    for file in root.glob("benchmarks/*/params.yaml"):
        name = str(file.relative_to(root))
        (encoder,) = read_yaml(file)["run_encoders"]
        change(root, name, {"seeds": [0]} | {f"hyperparameters.{encoder}.{key}": QUICK[key] for key in QUICK})
    for file in root.glob("data/*/params.yaml"):
        change(root, str(file.relative_to(root)), {"expected": {}})
    for command in ("git init --quiet", "git config gc.auto 0"):
        subprocess.run(command.split(), cwd=root, check=True)
    return root


@pytest.fixture(scope="module")
def hub(project, tmp_path_factory):
    """Every data set and encoder that the paper's benchmarks name, under the real ids and revisions."""
    folder = tmp_path_factory.mktemp("hub")
    with pytest.MonkeyPatch.context() as patch, HubServer() as server:
        patch.chdir(project)
        shared, texts = load_shared(), []
        datasets = {study.benchmark.dataset for study in load_studies().values() if study.benchmark.reproduces_paper}
        for name in sorted(datasets - {"ag_news_partial"}):
            dataset = load_dataset(name)
            tables = publish(server, dataset, folder / name, ROWS_PER_CLASS)
            texts += [text for table in tables.values() for text in table.iloc[:, 0]]
        for name, make in ENCODERS.items():
            source = shared.encoders[name]
            server.add_folder("model", source.id, source.revision, make(folder / name, texts))
        yield server


@pytest.fixture(scope="module")
def repro(project, hub, tmp_path_factory):
    """Runs ``dvc repro`` on targets in the project, with nothing but the hub to fetch from."""
    kept = {
        name: value for name, value in environment(project).items() if name not in ("DATA_FOLDER", "ENCODERS_FOLDER")
    }
    kept |= hub.environment(tmp_path_factory.mktemp("cache")) | {"OMP_NUM_THREADS": "1"}

    def run(*targets: str) -> str:
        result = subprocess.run(
            ["dvc", "repro", *targets], cwd=project, env=kept, capture_output=True, text=True, timeout=1200
        )
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        return result.stdout

    return run


def test_the_tables_of_the_text_come_out_complete(project, repro):
    repro(*(f"{paths.PAPER_PIPELINE}:table_{table}@{encoder}" for table in TABLES for encoder in ENCODERS))
    for table in TABLES:
        for encoder in ENCODERS:
            frame = pd.read_csv(project / paths.paper_table(table, encoder, "described"), keep_default_na=False)
            measured = frame[frame["verdict"] != "quoted"]
            assert len(measured) and (measured["mean"] != "").all(), (table, encoder)


def test_one_fold_runs_as_the_authors_code_does(project, repro):
    repro("benchmarks/snips_released/dvc.yaml")
    results = pd.read_csv(project / "reports/snips_released/results.csv", keep_default_na=False)
    assert results["note"].str.contains("best epoch chosen on the test rows").all()


def test_nothing_was_fetched_twice(hub):
    assert len(hub.served) == len(set(hub.served))
