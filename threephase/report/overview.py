"""The page over all studies that have results: the answer, the paper's tables, claims, audit, deviations, cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from threephase.audit import item
from threephase.audit.one_switch import is_switch_study
from threephase.base import paths
from threephase.paper.numbers import Reproduction
from threephase.report.answer import (
    BY_ORDINARY,
    BY_PAPER,
    TEXT_PROTOCOL,
    leads,
    metric_name,
    overall_answer,
    repeated,
)
from threephase.report.cells import cell_rows, details
from threephase.report.citation import citation
from threephase.report.claims import claims_context, family
from threephase.report.deviations import deviation_rows, how_run, protocol_text, shown_protocols
from threephase.report.drawing import scale_of
from threephase.report.finished import Finished, has_more_seeds
from threephase.report.layout import link, render
from threephase.report.paper_grid import grids, not_run, paper_frame
from threephase.results.costs import costs
from threephase.results.tables import METRIC_TITLES
from threephase.scores.metrics import METRICS

RECIPES = {"main settings": BY_PAPER, "ordinary recipe": BY_ORDINARY}


@dataclass(frozen=True)
class Overview:
    """All that the page and the tables beside it are made from.

    ``work`` holds all studies, or what git keeps of them, ``finished`` those with results; ``datasets``: titles by
    name.
    """

    work: Reproduction
    finished: Sequence[Finished]
    datasets: Mapping[str, str]

    @property
    def page(self) -> Path:
        return paths.PUBLISHED_STUDIES if self.work.published else paths.ALL_STUDIES

    @property
    def tables(self) -> str:
        """The name, without its ending, of the tables beside the page."""
        return "tables" if self.work.published else self.page.stem

    @property
    def claiming(self) -> Sequence[Finished]:
        """The studies whose claims are told: not those of a single switch, which the audit tells beside their base.

        Nor one that another study asks again with more seeds, as its data set would count twice.
        """
        asking = [member for member in self.finished if not is_switch_study(member.study)]
        again = [member for member in asking if not any(has_more_seeds(other.study, member.study) for other in asking)]
        return again or self.finished

    @cached_property
    def claims(self) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
        """``claims.family`` of the claiming studies."""
        return family(self.claiming)

    @cached_property
    def numbers(self) -> pd.DataFrame:
        """Every number that the paper measured beside ours."""
        return paper_frame(self.work)

    @cached_property
    def cells(self) -> list[dict[str, Any]]:
        """A row for every cell of every study, in the order of the studies and of their tables."""
        return [_with_study(member, line) for member in self.finished for line in cell_rows(member)]


def render_overview(overview: Overview) -> str:
    """The whole page as text."""
    finished, work, cells, numbers = overview.finished, overview.work, overview.cells, overview.numbers
    claims, verdicts, apart = overview.claims
    audit = item.read(paths.PUBLISHED_AUDIT if work.published else paths.PAPER_AUDIT)
    outcomes = [check.outcome for check in audit or []]
    tables = grids(work, numbers, overview.datasets)
    shown = [cell for grid in tables for row in grid["rows"] for cell in row["cells"]]
    deviations, effects = deviation_rows(work.shared, audit or [])
    answer = overall_answer(overview.claiming, claims, verdicts)
    rows = [row for member in finished for row in _study_rows(member)]
    scale = scale_of([0.0, *(value for row in rows for one in row["found"] for value in one["judged"].reach)])
    for one in (one for row in rows for one in row["found"]):
        one["drawing"] = one["judged"].drawn(scale)
    own = {member.name for member in overview.claiming}
    return render(
        "overview.html.j2",
        finished=finished,
        published=work.published,
        pages={member.name: link(member.folder / "index.html", overview.page.parent) for member in finished},
        tables=overview.tables,
        statistics=work.shared.statistics,
        verdicts=work.shared.verdicts,
        claim=next(iter(work.shared.claims.values())).text,
        answer=[*answer.items()],
        answer_verdicts=_over_all(verdicts, next(iter(work.shared.claims))),
        studies=[row for row in rows if row["study"] in own],
        switched=[row for row in rows if row["study"] not in own],
        scale=scale,
        repeated=repeated(numbers),
        grids=tables,
        not_run=not_run(work, numbers),
        filters=_filters(overview),
        metrics=METRICS,
        titles=METRIC_TITLES,
        cells=[line for line in cells if line["first"] is not None],
        addresses=_address_once([*shown, *(cell for line in cells for cell in line["shown"])]),
        details=[details(member, line) for member in finished for line in cells if line["study"] == member.name],
        claims=claims_context(overview.claiming, claims, verdicts),
        apart=apart,
        audit=audit,
        audit_counts=[(outcome, outcomes.count(outcome)) for outcome in item.OUTCOMES if outcome in outcomes],
        audit_command="make audit" if work.published else "dvc repro",
        deviations=deviations,
        effects=effects,
        measured=True,
        protocols=shown_protocols(work.shared),
        made=[{"name": member.name, "cost": costs(member.trainings)[-1]} for member in finished],
        citation=citation(),
        labels=_page_of_labels(overview),
    )


def _page_of_labels(overview: Overview) -> str | None:
    """Where the page of how many labels each method needs lies, beside that of the published studies."""
    there = overview.work.published and paths.PUBLISHED_LABELS.is_file()
    return link(paths.PUBLISHED_LABELS, overview.page.parent) if there else None


def _over_all(verdicts: pd.DataFrame, claim: str) -> list[str]:
    """The verdicts on a claim by the paper's text over several data sets, where there are any."""
    several = verdicts[verdicts["claim"] == claim]
    if len(several):
        several = several[(several["protocol"] == TEXT_PROTOCOL) & (several["n_datasets"] > 1)]
    return [*several["verdict"].unique()]


def _study_rows(finished: Finished) -> list[dict[str, Any]]:
    """A row of the table of studies for each encoder: what was asked, and the leads that answer it."""
    study = finished.study
    return [
        {
            "study": finished.name,
            "dataset": study.dataset.title,
            "encoder": study.shared.encoders[encoder].title,
            "how_run": how_run(study),
            "metric": metric_name(study.params.primary_metric),
            "found": [
                {"how": how, "judged": found}
                for how, pair in RECIPES.items()
                for found in leads({finished.name: (finished, encoder)}, *pair).values()
            ],
        }
        for encoder in study.params.encoders
    ]


def _with_study(finished: Finished, line: dict[str, Any]) -> dict[str, Any]:
    """A line of the table of all cells; a metric that the study lacks is None."""
    numbers = dict(zip(line["metrics"], line["numbers"], strict=True))
    study = finished.study
    return {
        **line,
        "study": finished.name,
        "dataset": study.params.dataset,
        "dataset_title": study.dataset.title,
        "encoder_name": line["row"].encoder,
        "protocol": study.params.protocol,
        "how": protocol_text(study.params.protocol),
        "shown": [numbers.get(metric) for metric in METRICS],
    }


def _address_once(cells: Sequence[dict[str, Any] | None]) -> set[str]:
    """Mark the first place of every number, where a link to it leads, as an address may stand once; all addresses."""
    seen: set[str] = set()
    for cell in cells:
        if cell is not None and "anchor" in cell:
            cell["addressed"] = cell["anchor"] not in seen
            seen.add(cell["anchor"])
    return seen


def _filters(overview: Overview) -> list[dict[str, Any]]:
    """The choices of each filter: key, title, and values with their titles."""
    params, numbers = [member.study.params for member in overview.finished], overview.numbers
    datasets = dict.fromkeys([*(of_study.dataset for of_study in params), *numbers["dataset"]])
    encoders = dict.fromkeys([*(name for of_study in params for name in of_study.encoders), *numbers["encoder"]])
    protocols = dict.fromkeys([*(of_study.protocol for of_study in params), *numbers["protocol"]])
    known = overview.work.shared.encoders
    titles = {
        "Data set": {name: overview.datasets.get(name, name) for name in datasets},
        "Encoder": {name: known[name].title for name in encoders},
        "Protocol": {name: protocol_text(name) for name in protocols},
    }
    keys = ("dataset", "encoder", "protocol")
    return [{"key": key, "title": title, "values": titles[title]} for key, title in zip(keys, titles, strict=True)]
