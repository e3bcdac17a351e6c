"""Figures of a made-up study: everything is drawn, in one order and colour, and always as the same bytes."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure
from synthetic_study import make_study

from stages import render_figures
from threephase.base import paths
from threephase.report import figure_style, figures
from threephase.report.curves import CURVES, MOST_POINTS_A_LINE, curves_figure, curves_of, read_histories
from threephase.report.rows import BASELINE_COLOUR, rows_of, rows_of_stages, variant_colours
from threephase.results.results import read_results
from threephase.study.read_params import load_study


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return make_study(tmp_path)


def tables(study):
    source = paths.results(study.folder)
    return {name: read_results(source.with_name(f"{name}.csv")) for name in ("results", "runs", "claims")}


def render(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["render_figures"])
    render_figures.main()
    folder = figures.figures_folder(load_study())
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_stage_writes_the_mistakes_and_the_same_bytes_again(study, monkeypatch):
    render(monkeypatch)
    first = {file.name: file.read_bytes() for file in paths.mistakes(Path()).iterdir()}
    assert sorted(first) == ["confusion.csv", "confusion.png", "confusion.svg", "disagreements.csv"]
    render(monkeypatch)
    assert {file.name: file.read_bytes() for file in paths.mistakes(Path()).iterdir()} == first


def row_names(axes):
    return [" ".join(label.get_text().split()) for label in axes.get_yticklabels()]


def drawn_texts(axes):
    return [text.get_text() for text in axes.texts]


def test_stage_writes_every_figure_and_the_same_bytes_again(study, monkeypatch):
    first = render(monkeypatch)
    names = {"variants", "claims", *(curves.name for curves in curves_of(study))}
    assert set(first) == {f"{name}.{suffix}" for name in names for suffix in ("svg", "png")}
    assert len(names) == 7
    assert render(monkeypatch) == first
    assert all(b"<dc:date>" not in content for name, content in first.items() if name.endswith(".svg"))


def test_variants_are_all_there_in_table_order_with_seeds_means_and_intervals(study):
    frames = tables(study)
    axes = figures.variants_figure(study, frames["results"], frames["runs"]).axes[0]
    assert row_names(axes) == [row.label for row in rows_of(study)]
    results = frames["results"].query("metric == 'macro_f1'").set_index("variant")
    seeds = frames["runs"].query("metric == 'macro_f1' and split == 'test' and variant == 'ft'")["value"].tolist()
    lines = [list(line.get_xdata()) for line in axes.lines]
    cell = results.loc["ft"]
    for expected in ([cell["ci_low"], cell["ci_high"]], [cell["mean"]], seeds):
        assert expected in lines
    assert any("off the scale" in text for text in drawn_texts(axes))
    assert axes.get_xlim()[0] > results.loc["majority", "ci_high"]
    assert axes.get_xlim()[0] < results.loc["tfidf_logistic", "ci_low"]


def test_key_says_what_each_kind_of_interval_covers(study):
    frames = tables(study)
    frames["results"].loc[frames["results"]["variant"] == "ft", "ci_kind"] = "seeds and test rows"
    figure = figures.variants_figure(study, frames["results"], frames["runs"])
    key = [text.get_text() for text in figure.legends[0].get_texts()]
    assert key == ["mean", "one seed", "95% interval: test rows only", "95% interval: seeds and test rows"]


def test_missing_cell_shows_as_missing_and_moves_no_other(study):
    frames = tables(study)
    results = frames["results"].query("variant != 'joint'")
    axes = figures.variants_figure(study, results, frames["runs"]).axes[0]
    assert drawn_texts(axes).count("missing") == 1
    assert row_names(axes) == [row.label for row in rows_of(study)]


def test_no_results_at_all_still_make_a_figure(study):
    frames = tables(study)
    axes = figures.variants_figure(study, frames["results"].iloc[:0], frames["runs"].iloc[:0]).axes[0]
    assert drawn_texts(axes).count("missing") == len(rows_of(study))


def test_claims_are_drawn_with_zero_line_margin_interval_and_verdict(study):
    claims = tables(study)["claims"]
    axes = figures.claims_figure(study, claims).axes[0]
    texts = drawn_texts(axes)
    for text, group in claims.groupby("text"):
        assert text in texts
        assert sum(name.startswith("Three phases −") for name in row_names(axes)) == len(claims)
        assert all(any(shown.endswith(verdict) for shown in texts) for verdict in group["verdict"])
    lines = [list(line.get_xdata()) for line in axes.lines]
    assert lines[:2] == [[0, 0], [1.0, 1.0]]
    assert all([claim.ci_low, claim.ci_high] in lines for claim in claims.itertuples())


def test_claim_that_was_not_run_is_named(study):
    claims = tables(study)["claims"]
    claims.loc[0, ["difference", "ci_low", "ci_high"]] = float("nan")
    claims.loc[0, ["ci_kind", "verdict"]] = ["", "not run"]
    assert "not run" in drawn_texts(figures.claims_figure(study, claims).axes[0])


@pytest.mark.parametrize("curves", CURVES, ids=lambda curves: curves.name)
def test_curves_have_a_panel_a_variant_with_a_line_a_seed_in_its_colour(study, curves):
    rows = rows_of_stages(study, curves.stages)
    figure = curves_figure(study, curves, read_histories(study, curves))
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [" ".join(axes.get_title(loc="left").split()) for axes in panels] == [row.label for row in rows]
    for axes, row in zip(panels, rows, strict=True):
        own = [line for line in axes.lines if line.get_color() == row.colour]
        assert len(own) == len(study.params.seeds)
        assert len({line.get_linestyle() for line in own}) == len(own)
        points = 6 if curves.x == "epoch" else 42
        assert [len(line.get_xdata()) for line in own] == [points] * len(own)


def test_missing_histories_are_named_and_others_drawn(study):
    for seed in study.params.seeds:
        paths.history(Path(), "minilm_l6", "cl_ft", seed, "encoder").unlink()
    curves = next(curves for curves in CURVES if curves.name == "learning_curves_contrastive")
    figure = curves_figure(study, curves, read_histories(study, curves))
    assert [axes.get_title(loc="left") for axes in figure.axes if "not recorded" in drawn_texts(axes)] == ["CL + FT"]


def test_old_seeds_are_not_drawn(study, tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text(params.read_text().replace("seeds: [0, 1]", "seeds: [1]"))
    histories = read_histories(load_study(), CURVES[0])
    assert set(histories["seed"]) == {1}


def test_long_line_is_thinned_to_means_of_consecutive_points(study):
    curves = CURVES[0]
    steps = pd.Series(range(1, 1001))
    history = pd.DataFrame({"encoder": "minilm_l6", "variant": "dae", "seed": 0, "step": steps, "loss": 2.0 * steps})
    line = curves_figure(study, curves, history).axes[0].lines[-1]
    assert len(line.get_xdata()) == MOST_POINTS_A_LINE
    assert list(line.get_xdata()[:2]) == [5.5, 15.5]
    assert list(line.get_ydata()[:2]) == [11.0, 31.0]


def test_variants_have_distinct_colours_that_no_result_changes(study):
    colours = variant_colours(study)
    trained = [colours[variant] for variant in study.shared.variants]
    assert len(set(trained)) == len(trained)
    assert {colours[variant] for variant in study.shared.baselines} == {BASELINE_COLOUR}


def test_a_hostile_text_is_drawn_as_text_in_few_lines():
    assert figure_style.wrapped("one $\\nonsense{$ two", 30) == r"one \$\nonsense{\$ two"
    axes = Figure().add_subplot()
    axes.set_title(figure_style.wrapped("$\\nonsense{$", 30))
    axes.figure.canvas.draw()
    long = figure_style.wrapped("word " * 1000 + "x" * 5000, 24).splitlines()
    assert len(long) == figure_style.MOST_LINES and max(map(len, long)) <= 24 and long[-1].endswith("…")
