"""From synthetic predictions through the four stages that summarise, collect and render them."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_project import OF_TESTS

from stages import collect_results, render_summary, render_tables, summarize_cell
from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import write_table
from threephase.results.cells import cells
from threephase.results.results import CLAIM_COLUMNS, RESULT_COLUMNS, RUN_COLUMNS, read_results
from threephase.scores.metrics import METRICS, POSITIVE_METRICS
from threephase.study.read_params import load_study

ROOT, CLASSES = Path(__file__).parents[3], ["business", "sport", "tech"]
PARAMS, DATASET, ENCODER = paths.study_params(Path()), Path("data/bbc.yaml"), Path("encoders/minilm_l6.yaml")
N_VALIDATION, N_TEST = 12, 40


def predictions(cell, seed):
    """Rows whose labels depend on the seed for validation only, and predictions that are right about 7 in 10 times."""
    labels = np.random.default_rng(0).choice(CLASSES, N_VALIDATION + N_TEST)
    draw = np.random.default_rng([seed, *"".join(cell).encode()])
    predicted = np.where(draw.random(len(labels)) < 0.7, labels, draw.choice(CLASSES, len(labels)))
    return pd.DataFrame(
        {
            "example_id": [f"row{index}" for index in range(len(labels))],
            "split": ["validation"] * N_VALIDATION + ["test"] * N_TEST,
            "label": labels,
            "predicted": predicted,
            **{f"probability_{name}": np.float32(predicted == name) for name in CLASSES},
        }
    )


def set_param(file, key, value):
    text = file.read_text(encoding="utf-8")
    changed, count = re.subn(rf"^(\s*{key}:).*$", rf"\1 {value}", text, flags=re.MULTILINE)
    assert count == 1
    file.write_text(changed, encoding="utf-8")


def write_predictions(study, cell, seed, frame):
    file = paths.predictions(study.folder, *cell, seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(file, index=False)
    return file


def write_split(seed):
    rows = predictions(("", "any"), seed)[["example_id", "split"]]
    folder = paths.splits(Path(), seed)
    write_table(folder / "split.parquet", rows.rename(columns={"split": "part"}).assign(adapts=True))
    write_table(folder / "class_counts.csv", pd.DataFrame({"label": ["any"], "train": 1, "test": len(rows)}))


@pytest.fixture
def study(tmp_path, monkeypatch):
    """The default study with two seeds in a folder of its own, with predictions of every cell."""
    for file in (paths.SHARED_PARAMS, PARAMS, DATASET, ENCODER, paths.PAPER_PARAMS, paths.PAPER_NUMBERS):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    monkeypatch.chdir(tmp_path)
    for key in ("seeds", "variants", "baselines"):
        set_param(PARAMS, key, f"[{', '.join(map(str, OF_TESTS[key]))}]")
    study = load_study()
    for cell in cells(study):
        for seed in study.params.seeds:
            write_predictions(study, cell, seed, predictions(cell, seed))
    for seed in range(4):
        write_split(seed)
    return study


@pytest.fixture
def run(monkeypatch):
    def run(stage, *arguments):
        monkeypatch.setattr(sys, "argv", [stage.__name__, *arguments])
        stage.main()

    return run


def summarize(run, cell):
    encoder = ["--encoder", cell[0]] if cell[0] else []
    run(summarize_cell, *encoder, "--variant", cell[1])


@pytest.fixture
def collected(study, run):
    for cell in cells(study):
        summarize(run, cell)
    run(collect_results)
    return study


def test_a_cell_summary_holds_seeds_intervals_and_validation(study, run):
    cell = ("minilm_l6", "three_phase")
    write_predictions(study, cell, 7, predictions(cell, 7))
    summarize(run, cell)
    summary = json.loads(paths.cell_summary(paths.REPORTS, *cell).read_text())
    tests = [predictions(cell, seed)[N_VALIDATION:] for seed in (0, 1)]
    right = [100 * (test["label"] == test["predicted"]).mean() for test in tests]
    accuracy = summary["metrics"]["accuracy"]
    assert list(summary["metrics"]) == list(summary["validation"]) == METRICS
    assert accuracy["by_seed"] == pytest.approx({"0": right[0], "1": right[1]})
    assert accuracy["mean"] == pytest.approx(np.mean(right))
    assert accuracy["std"] == pytest.approx(np.std(right, ddof=1))
    assert accuracy["ci_low"] < accuracy["mean"] < accuracy["ci_high"]
    assert accuracy["ci_kind"] == "test rows only"
    assert (summary["seeds"], summary["n_test"], summary["protocol"]) == ([0, 1], N_TEST, "described")
    assert set(summary["validation"]["macro_f1"]["by_seed"]) == {"0", "1"}
    declared = json.loads(paths.cell_metrics(Path(), *cell).read_text())
    assert declared == {name: round(summary["metrics"][name]["mean"], 4) for name in ("accuracy", "macro_f1")}


def test_a_data_set_with_a_positive_class_has_its_metrics_everywhere(study, run):
    set_param(DATASET, "positive_class", "tech")
    for cell in cells(study):
        summarize(run, cell)
    run(collect_results)
    results = read_results(paths.results(Path()))
    runs = read_results(paths.results(Path()).with_name("runs.csv"))
    for frame in (results, runs):
        assert list(frame["metric"].unique()) == METRICS + POSITIVE_METRICS
    test = predictions(("minilm_l6", "ft"), 0)[N_VALIDATION:]
    hits = ((test["label"] == "tech") & (test["predicted"] == "tech")).sum()
    row = runs[(runs["variant"] == "ft") & (runs["seed"] == 0) & (runs["split"] == "test")].set_index("metric")["value"]
    assert row["precision"] == pytest.approx(100 * hits / (test["predicted"] == "tech").sum())
    assert row["recall"] == pytest.approx(100 * hits / (test["label"] == "tech").sum())


def test_a_positive_class_that_is_no_class_is_refused(study, run):
    set_param(DATASET, "positive_class", "weather")
    with pytest.raises(UserError, match="positive_class: got 'weather', expected one of: business, "):
        summarize(run, ("", "majority"))


@pytest.mark.parametrize(("seeds", "kind"), [("[3]", "test rows only"), ("[0, 1, 2]", "seeds and test rows")])
def test_the_number_of_seeds_decides_the_kind_of_interval(study, run, seeds, kind):
    cell = ("", "majority")
    for seed in (2, 3):
        write_predictions(study, cell, seed, predictions(cell, seed))
    set_param(PARAMS, "seeds", seeds)
    summarize(run, cell)
    accuracy = json.loads(paths.cell_summary(paths.REPORTS, *cell).read_text())["metrics"]["accuracy"]
    assert accuracy["ci_kind"] == kind
    assert (accuracy["std"] is None) == (seeds == "[3]")


def test_an_unknown_cell_is_refused(study, run):
    with pytest.raises(UserError, match="variants: got 'minilm_l6-majority', expected one of: minilm_l6-"):
        summarize(run, ("minilm_l6", "majority"))


def test_a_missing_seed_names_the_command(study, run):
    cell = ("minilm_l6", "ft")
    paths.predictions(Path(), *cell, 1).unlink()
    with pytest.raises(UserError, match=r"ft/1.parquet.*run: dvc repro summarize_cell@minilm_l6-ft"):
        summarize(run, cell)
    assert not paths.REPORTS.exists()


SPOILT = {
    "nan": lambda frame: frame.assign(probability_tech=frame["probability_tech"].where(frame.index != 5)),
    "column": lambda frame: frame.drop(columns="predicted"),
    "class": lambda frame: frame.assign(predicted=frame["predicted"].where(frame.index != 5, "weather")),
    "order": lambda frame: pd.concat([frame[:N_VALIDATION], frame[N_VALIDATION:][::-1]], ignore_index=True),
    "no test rows": lambda frame: frame[:N_VALIDATION],
    "twice": lambda frame: pd.concat([frame, frame[-1:]], ignore_index=True),
}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nan", "1.parquet: row 5: probability_tech: got nan"),
        ("column", "1.parquet: predicted: the column is missing"),
        ("class", "1.parquet: row 5: predicted: got 'weather', expected one of: business, sport, tech"),
        ("order", "1.parquet: example_id: got other test rows than seed 0 has"),
        ("no test rows", "1.parquet: split: got no test rows"),
        ("twice", "1.parquet: row 52: example_id: got 'row51' a second time in its split, expected each example once"),
    ],
)
def test_spoilt_predictions_are_refused(study, run, what, message):
    cell = ("", "majority")
    write_predictions(study, cell, 1, SPOILT[what](predictions(cell, 1)))
    with pytest.raises(UserError, match=re.escape(message)):
        summarize(run, cell)


def test_test_rows_that_are_not_those_of_the_split_are_refused(study, run):
    cell = ("", "majority")
    for seed in (0, 1):
        write_predictions(study, cell, seed, predictions(cell, seed)[:-1])
    with pytest.raises(UserError, match="0.parquet: example_id: got 39 test rows, expected the 40 .* 'row51'; run: "):
        summarize(run, cell)
    assert not paths.REPORTS.exists()


def test_results_have_every_cell_and_metric(collected):
    results = read_results(paths.results(Path()))
    assert list(results) == RESULT_COLUMNS
    expected = [(*cell, metric) for cell in cells(collected) for metric in METRICS]
    assert list(results[["encoder", "variant", "metric"]].itertuples(index=False, name=None)) == expected
    assert results[["paper", "delta"]].isna().all(axis=None)
    assert set(results["verdict"]) == {""}
    assert set(results["n_seeds"]) == {2}
    assert set(results["n_test"]) == {N_TEST}
    assert results[["mean", "std", "ci_low", "ci_high"]].notna().all(axis=None)
    commands = results.set_index("variant")["command"]
    assert set(commands["three_phase"]) == {"dvc repro summarize_cell@minilm_l6-three_phase"}
    assert set(commands["majority"]) == {"dvc repro summarize_cell_without_encoder@majority"}


def test_runs_have_every_cell_seed_split_and_metric(collected):
    runs = read_results(paths.results(Path()).with_name("runs.csv"))
    assert list(runs) == RUN_COLUMNS
    assert len(runs) == len(cells(collected)) * 2 * 2 * len(METRICS)
    assert not runs.duplicated(["encoder", "variant", "seed", "split", "metric"]).any()


def test_claims_compare_on_the_same_rows(collected):
    claims = read_results(paths.results(Path()).with_name("claims.csv"))
    results = read_results(paths.results(Path()))
    means = results[results["metric"] == "macro_f1"].set_index("variant")["mean"]
    assert list(claims) == CLAIM_COLUMNS
    assert list(claims["other"]) == [other for claim in collected.shared.claims.values() for other in claim.others]
    assert set(claims["metric"]) == {"macro_f1"}
    np.testing.assert_allclose(claims["difference"], means[claims["variant"]].values - means[claims["other"]].values)
    assert set(claims["verdict"]) == {"too few seeds"}  # two seeds decide nothing
    by_seed = claims["by_seed"].str.split(", ", expand=True).astype(float).mean(axis=1)
    np.testing.assert_allclose(by_seed, claims["difference"], atol=0.1)


def test_a_claim_on_a_variant_that_is_not_run_says_so(collected, run):
    file = PARAMS
    text = file.read_text(encoding="utf-8")
    assert text.count(" joint, ") == 1
    file.write_text(text.replace(" joint, ", " "), encoding="utf-8")
    run(collect_results)
    claims = read_results(paths.results(Path()).with_name("claims.csv")).set_index("other")
    assert claims.loc["joint", "verdict"] == "not run"
    assert pd.isna(claims.loc["joint", "difference"])
    assert claims.loc["ft", "verdict"] != "not run"
    run(render_tables)
    assert "not run" in (paths.REPORTS / "tables/claims.md").read_text()


def test_a_missing_cell_names_the_command(collected, run):
    paths.cell_summary(paths.REPORTS, "minilm_l6", "joint").unlink()
    with pytest.raises(UserError, match=r"joint.json.*dvc repro summarize_cell@minilm_l6-joint"):
        run(collect_results)


def test_a_summary_of_other_seeds_is_refused(collected, run):
    set_param(PARAMS, "seeds", "[0]")
    with pytest.raises(UserError, match=r"seeds: got \[0, 1\], expected \[0\]"):
        run(collect_results)


def test_cells_with_other_test_rows_are_not_compared(collected, run):
    cell = ("minilm_l6", "ft")
    for seed in collected.params.seeds:
        write_predictions(collected, cell, seed, SPOILT["order"](predictions(cell, seed)))
    with pytest.raises(UserError, match="minilm_l6-three_phase and minilm_l6-ft: test rows: .*same order"):
        run(collect_results)


def test_rendered_tables_and_summary(collected, run):
    run(render_tables)
    run(render_summary)
    folder = paths.REPORTS / "tables"
    assert sorted(file.name for file in folder.iterdir()) == ["claims.md", "results.md", "results.tex"]
    summary = (paths.REPORTS / "summary.txt").read_text()
    for _, variant in cells(collected):
        assert collected.title(variant) in (folder / "results.md").read_text()
        assert collected.title(variant) in (folder / "results.tex").read_text()
        assert collected.title(variant) in summary
    for claim in collected.shared.claims.values():
        assert claim.text in summary
    assert max(map(len, summary.splitlines())) <= 100
    assert summary.rstrip().endswith("reports/index.html")


def test_rendering_before_collecting_names_the_command(study, run):
    with pytest.raises(UserError, match=r"results.csv.*run dvc repro collect_results"):
        run(render_summary)
