"""Two revisions of a study or two studies: which settings differ, and what that did to every cell, paired by row."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.results.paired import Paired, means, pair
from threephase.revisions.side import CACHE, WORKING_TREE, Side
from threephase.revisions.study_files import MACHINE, changed
from threephase.study.params import Study
from threephase.study.topology import cells

COLUMNS = [
    "cell", "metric", "seeds", "n_test", "a", "b", "difference", "by_seed",
    "ci_low", "ci_high", "ci_kind", "alike", "from_a", "from_b", "note",
]  # fmt: skip
PARAM_COLUMNS = ["key", "a", "b"]
SAME, POINTS_ONLY = "the same predictions", "point values only"
NOTHING_HERE = "No predictions are here: compared is what git keeps, published predictions, metrics and dvc's checksums"
NAMES = ("A", "B")
DEFINITIONS = ("variant_definitions", "baseline_definitions", "encoder_definitions")
Sides = tuple[Side, Side]


@dataclass(frozen=True)
class Comparison:
    """Two sides, the settings that differ (``PARAM_COLUMNS``), and a row a cell and metric (``COLUMNS``).

    ``params``: None where those of one side are not known; ``rows``: numbers in percent and percentage points, B minus
    A, missing where there is none; ``notes``: one line for everything that a reader of the rows must know besides.
    """

    sides: Sides
    params: pd.DataFrame | None
    rows: pd.DataFrame
    notes: list[str]

    @property
    def study(self) -> Study:
        """The study whose primary metric and statistical rules hold."""
        return self.sides[0].study

    @property
    def name(self) -> str:
        """What is compared, in a few words."""
        return "two studies" if self.sides[0].is_study else f"{self.study.params.name} in two revisions"


def compare(first: Side, second: Side) -> Comparison:
    """Compare the cells of two sides, of two studies those with the same encoder and variant."""
    sides = (first, second)
    _refuse_nothing_in_common(sides)
    rows = [row for cell in _in_order(sides) for row in _rows(cell, sides)]
    points = list(dict.fromkeys(row["cell"] for row in rows if row["note"] == POINTS_ONLY))
    notes = [note for side in sides for note in side.notes]
    if not any(side.source(cell) in (CACHE, WORKING_TREE) for side in sides for cell in side.cells()):
        notes += [f"{NOTHING_HERE}; {first.study.in_folder} repro makes or restores predictions"]
    notes += [f"{side.name}: its settings are not known" for side in sides if side.params is None]
    notes += [note for side in sides for note in _how_to_get(side, points)]
    return Comparison(
        sides,
        _changed_params(sides),
        pd.DataFrame(rows, columns=COLUMNS).astype({"n_test": "Int64"}),
        list(dict.fromkeys(notes)),
    )


def _refuse_nothing_in_common(sides: Sides) -> None:
    datasets = [side.study.params.dataset for side in sides]
    if datasets[0] != datasets[1]:
        both = " and ".join(f"{side.name} of {name}" for side, name in zip(sides, datasets, strict=True))
        raise UserError(f"studies: got {both}, expected two of one data set")
    held = [set(side.cells()) for side in sides]
    if not held[0] & held[1]:
        first, has = sides[0].study, [f"{side.name} has {', '.join(side.cells()) or 'none'}" for side in sides]
        raise UserError(
            f"cells: {' and '.join(has)}, expected one in common; they come from {first.folder / paths.LOCK}, "
            f"{paths.PUBLISHED} and {paths.reports(first.folder)}/metrics; run: {first.in_folder} repro"
        )


def _changed_params(sides: Sides) -> pd.DataFrame | None:
    params = [side.params for side in sides]
    if None in params:
        return None
    # A study's name is no setting; params files alone do not say on what machine.
    left_out = {"name"} | ({MACHINE} if any(MACHINE not in settings for settings in params) else set())
    first, second = ({key: value for key, value in settings.items() if key not in left_out} for settings in params)
    if sides[0].is_study:
        # Which variants a study has, its list of them says.
        for key in DEFINITIONS:
            common = first[key].keys() & second[key].keys()
            first[key], second[key] = ({name: side[key][name] for name in common} for side in (first, second))
    return pd.DataFrame(changed(first, second), columns=PARAM_COLUMNS, dtype=object)


def _in_order(sides: Sides) -> list[str]:
    """The cells of either side: in the order of the studies' tables, then those that they no longer run."""
    known = dict.fromkeys(paths.cell_name(*cell) for side in sides for cell in cells(side.study))
    held = dict.fromkeys(cell for side in sides for cell in side.cells())
    return [cell for cell in known if cell in held] + [cell for cell in held if cell not in known]


def _rows(cell: str, sides: Sides) -> list[dict[str, Any]]:
    """The rows of one cell."""
    study = sides[0].study
    metrics = list(dict.fromkeys([study.params.primary_metric, "accuracy"]))
    predictions = [side.predictions(cell) for side in sides]
    about = {"cell": cell, "from_a": sides[0].source(cell), "from_b": sides[1].source(cell)}
    if all(predictions):
        try:
            paired = pair(study, *predictions, metrics, NAMES)
        except UserError as error:
            about["note"] = f"not paired: {error}"
        else:
            note = "; ".join([SAME] * paired.same + paired.other_seeds + paired.other_rows)
            return [about | paired_columns(paired, metric, ("a", "b")) | {"note": note} for metric in metrics]
    points = [
        means(study, by_seed, metrics) if by_seed else side.points.get(cell, {})
        for side, by_seed in zip(sides, predictions, strict=True)
    ]
    if "note" not in about:
        about["note"] = _why_no_pair(cell, sides)
    return [about | _point_columns(metric, points, about["note"] == SAME) for metric in metrics]


def _why_no_pair(cell: str, sides: Sides) -> str:
    present = [cell in side.cells() for side in sides]
    if not all(present):
        return f"only in {NAMES[present.index(True)]}"
    first, second = (side.checksums(cell) for side in sides)
    # The checksums tell what the files, which are not here, would.
    return SAME if first and first == second else POINTS_ONLY


def paired_columns(paired: Paired, metric: str, sides: tuple[str, str]) -> dict[str, Any]:
    """The columns of a row that a paired comparison fills; ``sides``: those of the two values."""
    values = paired.differences[metric]
    return {
        "metric": metric,
        "seeds": ", ".join(map(str, paired.seeds)),
        "n_test": paired.n_test,
        sides[0]: values.first,
        sides[1]: values.second,
        "difference": values.interval.mean,
        "by_seed": ", ".join(f"{difference:+z.1f}" for difference in values.by_seed),
        "ci_low": values.interval.low,
        "ci_high": values.interval.high,
        "ci_kind": values.interval.kind,
        "alike": paired.alike,
    }


def _point_columns(metric: str, points: list[dict[str, float]], same: bool) -> dict[str, Any]:
    """What two point values say: a difference without an interval, none where one of them is missing."""
    first, second = (side.get(metric, math.nan) for side in points)
    return {"metric": metric, "a": first, "b": second, "difference": 0.0 if same else second - first}


def _how_to_get(side: Side, cells_without_pair: list[str]) -> list[str]:
    """How to get the predictions that a side was made with and that are not here."""
    lacking = [cell for cell in cells_without_pair if not side.source(cell)]
    if not lacking:
        return []
    how = f"{side.study.in_folder} repro"
    if not side.lies:
        # By the commit, because git does not know the names of experiments; dvc fetches for what is checked out only:
        # with --all-commits it takes one version of each path.
        fetch = f"{side.study.in_folder} fetch (from a remote) or " if any(map(side.checksums, lacking)) else ""
        how = f"git checkout {side.commit[:7]}; {fetch}{how}; git checkout -"
    return [
        f"the predictions of {side.name} are not in the cache ({len(lacking)} of {len(side.cells())} cells), so that "
        f"only point values can be compared; {how}"
    ]
