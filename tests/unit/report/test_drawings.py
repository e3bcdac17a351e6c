"""What pages draw: scales that hold their values, curves without the turns of a single batch, intervals of seeds."""

import dataclasses
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_study import make_study, write_drawn

from threephase.base import paths
from threephase.base.files import write_table
from threephase.report.cells import PERCENT, drawn
from threephase.report.curves import BOTTOM, LEFT, RIGHT, TEXTS, TOP, curves_context
from threephase.report.drawing import MOST_TICKS, scale_of
from threephase.report.finished import read_finished
from threephase.report.judged import judged
from threephase.report.rows import rows_of, rows_of_programs
from threephase.results.curves import CURVES, LEAST_STEPS, MOST_POINTS, VALIDATION, points, unfinished
from threephase.results.results import read_results
from threephase.scores.statistics import SEEDS_AND_ROWS

LOSS = CURVES[0]


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_study(tmp_path)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_a_scale_holds_its_values_between_few_round_ticks(values):
    scale = scale_of(values)
    slack = 1e-6 * scale.step
    assert all(scale.low - slack <= value <= scale.high + slack for value in values)
    assert 2 <= len(scale.ticks) <= MOST_TICKS
    assert all(0 < place < 100 for place, _ in scale.ticks)


def test_a_scale_of_nothing_and_of_one_value():
    assert scale_of([float("nan")]).ticks[0][1] == "0"
    assert scale_of([3.0]).low < 3 < scale_of([3.0]).high
    assert [text for _, text in scale_of([-43.0, 60.2]).ticks] == ["-50", "0", "50", "100"]


def test_a_cell_of_two_seeds_is_drawn_by_its_seeds_alone(study):
    finished = read_finished(study)
    for row in rows_of(study):
        drawing = drawn(finished, row)
        assert drawing["span"] is None and len(drawing["seeds"]) == 2


def test_a_cell_of_three_seeds_has_its_interval_mean_and_seeds(study):
    finished = read_finished(study)
    finished.results["ci_kind"] = SEEDS_AND_ROWS
    line = finished.results.query("variant == 'ft' and metric == 'macro_f1'").iloc[0]
    values = finished.runs.query("variant == 'ft' and metric == 'macro_f1' and split == 'test'")["value"]
    (row,) = (row for row in rows_of(study) if row.variant == "ft")
    drawing = drawn(finished, row)
    assert drawing["middle"] == PERCENT.x(line["mean"])
    assert drawing["span"] == (PERCENT.x(line["ci_low"]), PERCENT.x(line["ci_high"]))
    assert [place for place, _ in drawing["seeds"]] == [PERCENT.x(value) for value in values]
    assert len({colour for _, colour in drawing["seeds"]}) == 2


def test_a_cell_that_was_not_run_is_not_drawn(study):
    finished = read_finished(study)
    assert drawn(dataclasses.replace(finished, results=finished.results.iloc[:0]), rows_of(study)[0]) is None


def claim(study, **values):
    line = read_results(paths.results(Path()).with_name("claims.csv")).iloc[0].to_dict()
    return judged(study, line | values)


def test_two_seeds_are_told_by_number_and_never_as_undecided(study):
    found = claim(study, verdict="too few seeds", by_seed="-2.1, -17.0", difference=-9.5)
    assert found.why.startswith("Two seeds: no verdict.") and found.stated == "-9.5 (seeds -2.1, -17.0)"
    assert found.outcome == "too few seeds" and found.small == ""
    assert "undecided" not in found.why + found.stated


@pytest.mark.parametrize(
    ("verdict", "low", "high", "outcome", "why"),
    [
        ("supported", 0.1, 5.0, "ahead", "The whole interval lies above 0, so “Three phases” is ahead."),
        ("not supported", -5.0, -0.1, "behind", "The whole interval lies below 0, so “Fine-tuning” is ahead."),
        ("not supported", -5.0, 0.9, "no lead", "The whole interval lies below 1 point: no lead that large."),
        ("undecided", -5.0, 2.0, "no difference found", "The interval holds 0 as well as a lead of 1 point"),
    ],
)
def test_a_sentence_is_that_of_its_verdict(study, verdict, low, high, outcome, why):
    found = claim(study, verdict=verdict, ci_low=low, ci_high=high, difference=(low + high) / 2, ci_kind=SEEDS_AND_ROWS)
    assert found.outcome == outcome and found.why.startswith(why)
    assert found.drawn(scale_of([-10, 10]))["span"] is not None


def test_every_curve_has_a_panel_a_training_with_a_line_a_seed(study):
    figures = curves_context(read_finished(study))
    trained = [curve for curve in CURVES if curve.name != "method"]  # of which this study has none
    assert [figure["title"] for figure in figures] == [TEXTS[curve.name][0] for curve in trained]
    for figure, curve in zip(figures, trained, strict=True):
        assert [panel["title"] for panel in figure["panels"]] == [
            row.label for row in rows_of_programs(study, curve.programs)
        ]
        for panel in figure["panels"]:
            assert [line["colour"] for line in panel["lines"]] == ["c0", "c1"]
            for line in panel["lines"]:
                places = [tuple(map(float, place.split(","))) for place in line["points"].split()]
                assert len(places) == (6 if curve is VALIDATION else 42 // LEAST_STEPS)
                assert all(LEFT <= x <= RIGHT and TOP <= y <= BOTTOM for x, y in places)


def test_a_training_without_histories_is_named_and_the_others_drawn(study):
    for seed in study.params.seeds:
        paths.history(Path(), "minilm_l6", "cl_ft", seed, "encoder").unlink()
    write_drawn(study)
    (figure,) = (one for one in curves_context(read_finished(study)) if one["title"] == "Phase 2: contrastive")
    assert [panel["title"] for panel in figure["panels"] if not panel["lines"]] == ["CL + FT"]


def history(values):
    return pd.DataFrame({"step": range(1, len(values) + 1), "loss": values})


def test_the_last_small_batch_of_an_epoch_is_not_drawn_as_divergence():
    line = points(history([0.1] * 59 + [5.0]), LOSS)
    assert line["y"].max() == 0.1 and len(line) == 60 // LEAST_STEPS


def test_a_long_line_is_thinned_to_medians_of_consecutive_steps():
    line = points(history([2.0 * step for step in range(1, 1001)]), LOSS)
    assert len(line) == MOST_POINTS
    assert line["x"].tolist()[:2] == [13.0, 38.0] and line["y"].tolist()[:2] == [26.0, 76.0]


def test_a_short_line_is_one_point_and_an_empty_one_none():
    assert len(points(history([1.0, 2.0, 3.0]), LOSS)) == 1
    assert len(points(history([float("nan")]), LOSS)) == 1 - 1


def line_of(values):
    return pd.DataFrame({"x": range(len(values)), "y": values}, dtype=float)


def test_a_curve_that_still_falls_or_is_best_at_its_end_has_not_converged():
    assert unfinished("denoising", line_of([8, 7, 6, 5, 4, 3, 2, 1]))
    assert not unfinished("denoising", line_of([8, 4, 2, 1, 1, 1, 1, 1]))
    assert unfinished("validation", line_of([10, 20, 30, 40]))
    assert not unfinished("validation", line_of([10, 40, 30, 40]))
    assert not unfinished("denoising", line_of([8, 1]))


def test_what_has_not_converged_is_named(study):
    finished = read_finished(study)
    table = finished.curves
    table.loc[table["curve"] == "denoising", "y"] = -table["x"]
    write_table(paths.REPORTS / "curves.csv", table)
    first = curves_context(read_finished(study))[0]
    assert first["unfinished"] == ["Denoising autoencoder"]
