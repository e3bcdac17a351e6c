"""The paper's claims on a page: every comparison with its effect, interval, tests and verdict, claim by claim."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from stages.common.analysis.statistics import UNDECIDED
from stages.common.analysis.tables import format_interval, format_number, format_signed
from stages.common.pages.finished import Finished
from stages.common.pages.forest import HEIGHT, WIDTH, drawing, scale_of

NO_DIFFERENCE = "no difference"
# Columns that a table of claims may have besides those that it always has, with their headings.
TESTS = {"p_value": "p", "p_holm": "p, Holm", "mcnemar_p": "p, McNemar"}
LEAST_P = 0.001


def with_names(finished: Finished) -> pd.DataFrame:
    """The claims of a benchmark with the columns benchmark, dataset and protocol before them."""
    benchmark = finished.study.benchmark
    names = {"benchmark": benchmark.name, "dataset": benchmark.dataset, "protocol": benchmark.protocol}
    claims = finished.claims.assign(**names)
    return claims[[*names, *finished.claims.columns]]


def claims_context(studies: Sequence[Finished], claims: pd.DataFrame, overall: dict[str, str]) -> dict[str, Any]:
    """What the section of claims shows.

    ``claims``: as ``with_names`` gives it, for one benchmark or several below each other; ``overall``: the verdict on
    a claim over all its comparisons, by its name, as far as one is stated.
    """
    by_name = {finished.name: finished.study for finished in studies}
    margin = next(iter(by_name.values())).shared.verdicts.claim_margin
    known = claims.dropna(subset=["difference", "ci_low", "ci_high"])
    scale = scale_of(list(zip(known["ci_low"], known["ci_high"], strict=True)), margin)
    tests = {name: title for name, title in TESTS.items() if name in claims}
    groups = []
    for name, compared in claims.groupby("claim", sort=False):
        rows = []
        for _, line in compared.iterrows():
            study, run = by_name[line["benchmark"]], not pd.isna(line["difference"])
            places = (line["ci_low"], line["difference"], line["ci_high"])
            rows.append(
                {
                    "pair": f"{study.title(line['variant'])} minus {study.title(line['other'])}",
                    "benchmark": line["benchmark"],
                    "dataset": line["dataset"],
                    "dataset_title": study.dataset.title,
                    "protocol": line["protocol"],
                    "encoder": line["encoder"],
                    "encoder_title": study.shared.encoders[line["encoder"]].title,
                    "drawing": drawing(scale, margin, *places) if run else None,
                    "difference": format_signed(line["difference"]) if run else "",
                    "sort": float(line["difference"]) if run else -1000.0,
                    "interval": format_interval(line["ci_low"], line["ci_high"]) if run else "",
                    "by_seed": line["by_seed"],
                    "ci_kind": line["ci_kind"],
                    "tests": [format_p(line[test]) for test in tests],
                    "verdict": line["verdict"],
                    "small": _smallest(line),
                }
            )
        verdicts = [row["verdict"] for row in rows]
        counts = [(verdict, verdicts.count(verdict)) for verdict in dict.fromkeys(verdicts)]
        text = compared["text"].iloc[0]
        kinds = [kind for kind in compared["ci_kind"].unique() if kind]
        said = {"name": name, "text": text, "overall": overall.get(name, "")}
        groups.append(said | {"rows": rows, "counts": counts, "kinds": kinds})
    return {"groups": groups, "scale": scale, "margin": margin, "tests": list(tests.values()), "size": (WIDTH, HEIGHT)}


def format_p(p: float) -> str:
    """A p value with three decimals; empty where there is none."""
    if pd.isna(p):
        return ""
    return f"< {LEAST_P}" if p < LEAST_P else f"{p:.3f}"


def _smallest(line: pd.Series) -> str:
    """What an undecided comparison could have found, where that was computed."""
    if line["verdict"] not in (UNDECIDED, NO_DIFFERENCE):
        return ""
    detectable = line.get("detectable")
    if detectable is None or pd.isna(detectable):
        return "no difference found"
    return f"no difference found; smallest detectable: {format_number(detectable)} points"
