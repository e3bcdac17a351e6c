"""The simulated studies have the truth that they claim, and the kept coverage is that of the present intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from small_project import REPOSITORY

from simulations.coverage import FILE, LEAST, PAGE, with_table
from simulations.designs import (
    DIFFERENCE,
    FOLDS,
    FOLDS_OF,
    LEAD,
    MISREAD,
    RATIOS,
    STUDIES,
    TWO_SEEDS,
    Design,
    designs,
    draw,
    simulate,
)
from simulations.latent import ROW_SHARE, classifier, row_effects
from threephase.base.errors import UserError


@pytest.fixture(scope="module")
def coverage():
    return pd.read_csv(REPOSITORY / FILE)


@pytest.mark.parametrize(("accuracy", "rows", "ratio"), [(0.6, 700, 0.1), (0.9, 65, 10.0), (0.75, 65, 1.0)])
def test_the_variance_between_seeds_is_what_was_asked_for(accuracy, rows, ratio):
    found = classifier(accuracy, rows, ratio)

    def moment(spread: float, within: float, power: int) -> float:
        def term(x: float) -> float:
            return norm.pdf(x) * norm.cdf((found.mean + spread * x) / np.sqrt(within)) ** power

        return quad(term, -9, 9, epsabs=1e-12)[0]

    of_seeds, of_rows = np.sqrt(found.seed_variance), np.sqrt(ROW_SHARE)
    assert moment(of_seeds, 1, 1) == pytest.approx(accuracy, abs=1e-8)
    between_seeds = moment(of_seeds, 1, 2) - accuracy**2
    between_rows = moment(of_rows, 1 - ROW_SHARE + found.seed_variance, 2) - accuracy**2
    assert between_seeds == pytest.approx(ratio * between_rows / rows, rel=1e-5)


def test_simulated_answers_have_the_truth_and_the_structure():
    random, kind = np.random.default_rng(0), classifier(0.75, 65, 10)
    effects, rows = kind.seed_effects((4000, 2, 1), random), row_effects((4000, 1, 65), random)
    values = kind.values(effects, rows, random)
    assert set(np.unique(values)) == {0, 100}
    by_seed = values.mean(axis=2)
    assert by_seed.mean() == pytest.approx(75, abs=0.7)
    # Over new rows a training's accuracy is what its effect says; rows are shared, so that seeds agree on many.
    assert np.mean(by_seed - 100 * kind.accuracy_of(effects)[..., 0]) == pytest.approx(0, abs=0.2)
    agree = (values[:, 0] == values[:, 1]).mean()
    share = by_seed.mean() / 100
    assert agree > share**2 + (1 - share) ** 2 + 0.1


@pytest.mark.parametrize(
    ("kind", "seeds", "shape"),
    [(DIFFERENCE, 3, (2000, 3, 65)), (TWO_SEEDS, 2, (2000, 2, 65)), (FOLDS, FOLDS_OF, (2000, 65))],
)
def test_what_each_design_takes_for_the_truth(kind, seeds, shape):
    design = Design(kind, seeds, 65, 0.75, "equal")
    values, truth, folds = draw(design, classifier(0.75, 65, 1), 2000, np.random.default_rng(0))
    assert values.shape == shape
    assert np.mean(values) == pytest.approx(np.mean(truth), abs=0.6)
    if kind == DIFFERENCE:
        assert truth == pytest.approx(100 * LEAD)
    if kind == TWO_SEEDS:
        # Of these two seeds: it moves from study to study, and the studies' means follow it.
        assert np.corrcoef(truth, values.mean(axis=(1, 2)))[0, 1] > 0.4
    if kind == FOLDS:
        assert np.bincount(folds).tolist() == [13] * FOLDS_OF


def test_the_kept_coverage_has_every_design_and_is_as_good_as_promised(coverage):
    columns = ["kind", "seeds", "rows", "accuracy", "ratio"]
    found = list(coverage[columns].itertuples(index=False, name=None))
    assert found == [(one.kind, one.seeds, one.rows, one.accuracy, one.ratio) for one in designs()]
    assert (
        coverage["studies"].tolist() == [STUDIES[rows] for rows in coverage["rows"]] and min(STUDIES.values()) >= 2000
    )
    promised = coverage[coverage["kind"] != MISREAD]
    assert promised["coverage"].min() >= LEAST
    assert promised.groupby("kind")["coverage"].mean().between(92, 97).all()
    assert set(coverage["ratio"]) == set(RATIOS)
    # What the label of a two-seed interval leaves out is no small thing.
    assert coverage.loc[(coverage["kind"] == MISREAD) & (coverage["ratio"] == "dominant"), "coverage"].max() < 75


@pytest.mark.parametrize("kind", ["a cell", TWO_SEEDS, FOLDS, DIFFERENCE])
def test_the_kept_coverage_is_that_of_the_present_intervals(coverage, kind):
    design = next(one for one in designs() if (one.kind, one.rows, one.ratio) == (kind, 65, "dominant"))
    (kept,) = coverage[
        (coverage["kind"] == kind) & (coverage["seeds"] == design.seeds) & (coverage["rows"] == 65)
        & (coverage["accuracy"] == design.accuracy) & (coverage["ratio"] == design.ratio)
    ].itertuples()  # fmt: skip
    found = simulate(design, STUDIES[65])
    # The same draws: another processor may round the last digit of a few of them.
    assert found["coverage"] == pytest.approx(kept.coverage, abs=0.05)
    assert found["mean_width"] == pytest.approx(kept.mean_width, rel=1e-3)


def test_the_page_shows_the_kept_coverage(coverage):
    page = (REPOSITORY / PAGE).read_text(encoding="utf-8")
    assert with_table(page, coverage) == page


def test_a_page_without_a_place_for_the_table_is_refused(coverage):
    with pytest.raises(UserError, match="docs/statistics.md: got no place for what is written there, expected"):
        with_table("# Statistics\n", coverage)
