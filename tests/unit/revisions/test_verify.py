"""The reader's own run against the published one: the same predictions, others, other settings, and what is refused."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from published_project import make_published_project, write_run_reports
from small_project import change

from commands import verify_published
from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.results.cells import predictions_by_cell
from threephase.results.costs import FROM_CACHE
from threephase.results.results import read_frame
from threephase.revisions.verification import AGREES, DIFFERS, NOT_RUN, SAME, verify
from threephase.study.read_params import load_study

NAME = "snips_l6"
FOLDER = paths.STUDIES / NAME
CELL = ("minilm_l6", "three_phase")
CELLS = 13


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("verify") / "project"
    root.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        folder = make_published_project(root, NAME)
        shutil.copytree(folder, root / paths.published(NAME))
        write_run_reports(load_study(NAME), root)
    return root


@pytest.fixture
def project(original, tmp_path, monkeypatch) -> Path:
    """The published run as the reader's own, predictions and run reports alike."""
    shutil.copytree(original, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def change_predictions(cell: tuple[str, str], seed: int, turn) -> None:
    """Rewrite one file of predictions by a function of its table."""
    file = paths.predictions(FOLDER, *cell, seed)
    turn(pd.read_parquet(file)).to_parquet(file, index=False)


def wrong(rows: int):
    """Turns the first right test predictions into wrong ones."""

    def turn(frame: pd.DataFrame) -> pd.DataFrame:
        right = frame.index[(frame["split"] == "test") & (frame["label"] == frame["predicted"])][:rows]
        frame.loc[right, "predicted"] = [
            "ShareETA" if label != "ShareETA" else "GetWeather" for label in frame.loc[right, "label"]
        ]
        return frame

    return turn


def verified() -> pd.DataFrame:
    return verify(load_study(NAME)).rows.set_index("cell")


def run(monkeypatch, capsys, name: str = NAME) -> tuple[int, str, str]:
    """Exit status, what was printed, and the error, of the command."""
    monkeypatch.setattr(sys, "argv", ["verify_published", "--study", name])
    with pytest.raises(SystemExit) as end:
        run_stage(verify_published.main)
    printed = capsys.readouterr()
    return end.value.code, printed.out, printed.err


def test_the_published_run_is_its_own(project, monkeypatch, capsys):
    verification = verify(load_study(NAME))
    rows = verification.rows
    assert len(rows) == CELLS and set(rows["verdict"]) == {SAME}
    assert (rows[["difference", "ci_low", "ci_high"]] == 0).all(axis=None) and (rows["alike"] == 100).all()
    assert set(rows["n_test"]) == {328} and verification.params == []
    assert all(published == own for _, published, own in verification.engine)
    results = pd.read_csv(paths.published(NAME) / "results.csv", keep_default_na=False)
    accuracy = results[results["metric"] == "accuracy"]
    means = dict(zip(accuracy["encoder"] + "-" + accuracy["variant"], accuracy["mean"], strict=True))
    assert {row.cell if "-" in row.cell else f"-{row.cell}": row.own for row in rows.itertuples()} == pytest.approx(
        means
    )
    status, printed, _ = run(monkeypatch, capsys)
    assert status == 0
    expected = f"{NAME}: your own run does not differ from the published one; of {CELLS} cells: {CELLS} identical"
    assert printed.splitlines()[-1] == expected and "No setting and no input differs." in printed


def test_last_digits_agree_but_are_not_the_same(project):
    def turn(frame: pd.DataFrame) -> pd.DataFrame:
        column = next(name for name in frame if name.startswith("probability_"))
        return frame.assign(**{column: np.nextafter(frame[column], np.float32(1))})

    change_predictions(CELL, 0, turn)
    row = verified().loc["minilm_l6-three_phase"]
    assert (row["verdict"], row["alike"], row["difference"]) == (AGREES, 100, 0)


def test_a_few_rows_agree_and_many_differ(project, monkeypatch, capsys):
    change_predictions(CELL, 0, wrong(2))
    change_predictions(("minilm_l6", "embedding_logistic"), 0, wrong(2))
    for seed in range(5):
        change_predictions(("", "tfidf_logistic"), seed, wrong(10))
    rows = verified()
    assert set(rows["verdict"]) == {SAME, AGREES, DIFFERS} and (rows["verdict"] == SAME).sum() == CELLS - 3
    few, many = rows.loc["minilm_l6-three_phase"], rows.loc["tfidf_logistic"]
    assert few["verdict"] == AGREES and few["difference"] == pytest.approx(-100 * 2 / 328)
    assert many["verdict"] == DIFFERS and many["difference"] == pytest.approx(-100 * 50 / 328)
    assert many["ci_high"] < 0 and many["alike"] == pytest.approx(100 * (1 - 50 / 328))
    status, printed, _ = run(monkeypatch, capsys)
    assert status == 1 and f"of {CELLS} cells: {CELLS - 3} identical, 2 agrees, 1 differs" in printed


def test_the_published_checksums_decide_what_is_identical(project):
    file = paths.published(NAME) / "checksums.csv"
    checksums = pd.read_csv(file)
    first = checksums["cell"].eq("minilm_l6-three_phase") & checksums["seed"].eq(0)
    checksums.loc[first, "sha256"] = "0" * 64
    checksums.to_csv(file, index=False)
    rows = verified()
    assert rows.loc["minilm_l6-three_phase", "verdict"] == AGREES
    assert (rows["verdict"] == SAME).sum() == CELLS - 1


def test_who_wrote_the_file_does_not_matter(project):
    def turn(frame: pd.DataFrame) -> pd.DataFrame:
        classes = [name for name in frame if name.startswith("probability_")]
        return frame[["label", *reversed(classes), "predicted", "split", "example_id"]]

    file = paths.predictions(FOLDER, *CELL, 0)
    turn(pd.read_parquet(file)).to_parquet(file, index=False, compression="gzip")
    assert set(verified()["verdict"]) == {SAME}


def test_settings_inputs_and_engine_of_another_machine_are_named_first(project, monkeypatch, capsys):
    file = paths.run_report(FOLDER, *CELL, 0, "classifier")
    report = json.loads(file.read_text(encoding="utf-8"))
    report |= {"precision": "bf16", "cpu_flags": ["avx2"]}
    file.write_text(json.dumps(report), encoding="utf-8")
    change(project, str(paths.study_params(FOLDER)), {"hyperparameters.minilm_l6.lr_dae": 1e-4})
    status, printed, _ = run(monkeypatch, capsys)
    words, file = " ".join(printed.split()), paths.study_params(FOLDER)
    assert status == 0 and words.startswith(
        f"{file}: hyperparameters.minilm_l6.lr_dae: 5e-05 in the published run, 0.0001 in yours Device: "
    )
    for name, own in (("Precision", "bf16"), ("CPU flags", "avx2")):
        facts = words.partition(f" {name}: ")[2]
        assert f"{own} (1 run)" in facts.partition("; published: ")[0]


def test_other_data_are_named(project):
    for file in (FOLDER / paths.RUNS / "reports").rglob("*.json"):
        report = json.loads(file.read_text(encoding="utf-8"))
        report["inputs"]["runs/data/examples.parquet"] = "0" * 64
        file.write_text(json.dumps(report), encoding="utf-8")
    (line,) = verify(load_study(NAME)).params
    assert line.startswith("runs/data/examples.parquet: sha256 ")
    assert line.endswith(" in the published run, 000000000000 in yours")


def test_trainings_from_the_cache_say_so(project):
    shutil.rmtree(FOLDER / paths.RUNS / "reports")
    verification = verify(load_study(NAME))
    assert {own for _, _, own in verification.engine} == {FROM_CACHE} and verification.params == []
    assert set(verification.rows["verdict"]) == {SAME}


def test_what_was_not_run_is_said_and_the_rest_is_compared(project):
    shutil.rmtree(paths.predictions(FOLDER, *CELL, 0).parent)
    for seed in (3, 4):
        paths.predictions(FOLDER, "minilm_l6", "ft", seed).unlink()
    rows = verified()
    missing, part = rows.loc["minilm_l6-three_phase"], rows.loc["minilm_l6-ft"]
    assert (missing["verdict"], missing["note"]) == (NOT_RUN, "only in the published run")
    results = read_frame(paths.published(NAME) / "results.csv").set_index(["encoder", "variant", "metric"])
    assert missing["published"] == pytest.approx(results.loc[(*CELL, "accuracy"), "mean"]) and pd.isna(missing["own"])
    assert (part["verdict"], part["seeds"]) == (SAME, "0, 1, 2")
    assert part["note"] == "seeds 3, 4 only in the published run" and part["n_test"] < 328


def test_other_test_rows_differ(project):
    def rename(frame: pd.DataFrame) -> pd.DataFrame:
        first = frame.index[frame["split"] == "test"][0]
        return frame.assign(example_id=frame["example_id"].where(frame.index != first, "train-9999"))

    def relabel(frame: pd.DataFrame) -> pd.DataFrame:
        first = frame.index[frame["split"] == "test"][0]
        other = "ShareETA" if frame["label"][first] != "ShareETA" else "GetWeather"
        return frame.assign(label=frame["label"].where(frame.index != first, other))

    change_predictions(CELL, 0, rename)
    change_predictions(("", "majority"), 0, relabel)
    rows = verified()
    assert rows.loc["minilm_l6-three_phase", "verdict"] == rows.loc["majority", "verdict"] == DIFFERS
    expected = "1 test rows only in the published run; 1 test rows only in your own run"
    assert rows.loc["minilm_l6-three_phase", "note"] == expected
    assert rows.loc["majority", "note"].startswith("not paired: test rows: got label ")


def test_nothing_to_compare_is_refused(project, monkeypatch, capsys):
    shutil.rmtree(FOLDER / paths.RUNS)
    status, _, error = run(monkeypatch, capsys)
    assert status == 2 and error.count("\n") == 1
    assert f"{FOLDER}/runs/predictions: got no predictions, expected those of your own run; run: make repro" in error
    (paths.published(NAME) / "checksums.csv").unlink()
    status, _, error = run(monkeypatch, capsys)
    assert status == 2 and f"reports/published/{NAME}/checksums.csv: no such file, expected what was published" in error
    shutil.move(paths.published(NAME), paths.published("other"))
    status, _, error = run(monkeypatch, capsys)
    assert status == 2 and error.count("\n") == 1
    assert error.endswith("no such folder, expected a published study, one of: other\n")


def test_predictions_come_apart_as_they_were_put_together(project):
    by_cell = predictions_by_cell(pd.read_parquet(paths.published(NAME) / "predictions.parquet"))
    assert len(by_cell) == CELLS and all(list(by_seed) == list(range(5)) for by_seed in by_cell.values())
    for cell, by_seed in by_cell.items():
        for seed, frame in by_seed.items():
            assert frame.equals(pd.read_parquet(paths.predictions(FOLDER, *cell, seed)))
