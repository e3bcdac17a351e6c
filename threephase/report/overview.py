"""The page over all studies that have results: the answer, the paper's tables, claims, audit, deviations, cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from threephase.audit.one_switch import is_switch_study
from threephase.base import paths
from threephase.paper import numbers
from threephase.report import audit, claims, overview_answer, paper_grid
from threephase.report.cells import cell_rows, details
from threephase.report.citation import citation
from threephase.report.deviations import deviation_rows, shown_protocols
from threephase.report.finished import Finished
from threephase.report.layout import link, render
from threephase.results.costs import costs, environment, inputs
from threephase.results.tables import METRIC_TITLES
from threephase.scores.metrics import METRICS


@dataclass(frozen=True)
class Overview:
    """All that the page and the tables beside it are made from.

    ``work`` holds all studies, ``finished`` those with results; ``datasets``: titles by name; ``audit_file``: where
    the audit of the paper lies, if it was made, and ``audit_command``: what makes it.
    """

    work: numbers.Reproduction
    finished: Sequence[Finished]
    datasets: Mapping[str, str]
    audit_file: Path
    audit_command: str

    @property
    def page(self) -> Path:
        return paths.PUBLISHED_STUDIES if self.work.published else paths.ALL_STUDIES

    @property
    def tables(self) -> str:
        """The name, without its ending, of the tables beside the page."""
        return "tables" if self.work.published else self.page.stem

    @property
    def claiming(self) -> Sequence[Finished]:
        """The studies whose claims are told; what a single switch does is told in the audit, beside its base."""
        return [one for one in self.finished if not is_switch_study(one.study)] or self.finished


def overview_of(work: numbers.Reproduction, finished: Sequence[Finished], datasets: Mapping[str, str]) -> Overview:
    """The overview of what was run here, or of what git keeps, as ``work`` says."""
    file, command = (paths.PUBLISHED_AUDIT, "make audit") if work.published else (paths.PAPER_AUDIT, "dvc repro")
    return Overview(work, finished, datasets, file, command)


def render_overview(overview: Overview) -> str:
    """The whole page as text."""
    finished, work = overview.finished, overview.work
    numbers = paper_grid.paper_frame(work)
    claiming = overview.claiming
    all_claims, verdicts, apart = claims.family(claiming)
    items, cells = audit.read_audit(overview.audit_file), all_cells(overview)
    behind = {one.name: [line for line in cells if line["study"] == one.name] for one in finished}
    grids = paper_grid.grids(work, numbers, overview.datasets)
    shown = [cell for grid in grids for row in grid["rows"] for cell in row["cells"]]
    addresses = _address_once([*shown, *(cell for line in cells for cell in line["shown"])])
    return render(
        "overview.html.j2",
        finished=finished,
        published=work.published,
        pages={one.name: link(one.folder / "index.html", overview.page.parent) for one in finished},
        tables=overview.tables,
        statistics=work.shared.statistics,
        verdicts=work.shared.verdicts,
        answer=overview_answer.overview_answer(claiming, all_claims, verdicts, numbers),
        grids=grids,
        filters=_filters(overview, numbers),
        metrics=METRICS,
        titles=METRIC_TITLES,
        cells=cells,
        addresses=addresses,
        details=[
            *(one for each in finished for one in details(each, behind[each.name])),
            *paper_grid.missing_details(work, numbers, overview.datasets, behind),
        ],
        claims=claims.claims_context(claiming, all_claims, verdicts),
        switches=[one.name for one in finished if one not in claiming],
        apart=apart,
        audit=items,
        audit_counts=audit.counts(items or []),
        audit_command=overview.audit_command,
        deviations=deviation_rows(work.shared, audit.effects(items or [])),
        measured=True,
        protocols=shown_protocols(work.shared),
        made=[_made(one) for one in finished],
        citation=citation(),
    )


def all_cells(overview: Overview) -> list[dict[str, Any]]:
    """A row for every cell of every study, in the order of the studies and of their tables."""
    return [_with_study(one, line) for one in overview.finished for line in cell_rows(one)]


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


def _filters(overview: Overview, numbers: pd.DataFrame) -> list[dict[str, Any]]:
    """The choices of each filter: key, title, and values with their titles."""
    studies = [one.study for one in overview.finished]
    all_params = [study.params for study in studies]
    datasets = dict.fromkeys([*(one.dataset for one in all_params), *numbers["dataset"]])
    encoders = dict.fromkeys([*(name for one in all_params for name in one.encoders), *numbers["encoder"]])
    protocols = dict.fromkeys([*(one.protocol for one in all_params), *numbers["protocol"]])
    shared = overview.work.shared
    return [
        {
            "key": "dataset",
            "title": "Data set",
            "values": {name: overview.datasets.get(name, name) for name in datasets},
        },
        {"key": "encoder", "title": "Encoder", "values": {name: shared.encoders[name].title for name in encoders}},
        {"key": "protocol", "title": "Protocol", "values": {name: name for name in protocols}},
    ]


def _made(finished: Finished) -> dict[str, Any]:
    """What one study cost, where it ran and what it started from."""
    return {
        "name": finished.name,
        "title": finished.study.dataset.title,
        "cost": costs(finished.trainings)[-1],
        "environment": environment(finished.trainings),
        "inputs": inputs(finished.trainings),
    }
