"""The paper's claims on a page: every comparison with its effect, interval, tests and verdict, claim by claim."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from threephase.report.finished import Finished
from threephase.report.forest import HEIGHT, WIDTH, drawing, scale_of
from threephase.results.families import overall, with_holm, with_names
from threephase.results.tables import format_interval, format_number, format_signed
from threephase.scores.statistics import UNDECIDED

# The tests of a comparison, with their headings; one that no comparison has is not shown.
TESTS = {"p_value": "p", "p_holm": "p, Holm", "mcnemar_p": "p, McNemar"}
LEAST_P = 0.001
NO_VERDICTS = pd.DataFrame(columns=["claim", "verdict"])  # of one study alone, which is no family


def family(finished: Sequence[Finished]) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """The claims of several studies below each other, the overall verdicts, and who is left out of these.

    The frames are ``families.with_holm``'s and ``families.overall``'s. A study that repeats the comparisons of
    another (one on all training rows goes before one on some of them), and one without p-values is no part of a family:
    its claims are there, without ``p_holm``.
    """
    inside: dict[tuple, Finished] = {}
    for one in sorted(finished, key=lambda one: one.study.params.train_rows is not None):
        params = one.study.params
        keys = [(params.dataset, params.protocol, encoder) for encoder in params.encoders]
        if "p_value" in one.claims and not inside.keys() & set(keys):
            inside |= dict.fromkeys(keys, one)
    members = [one for one in finished if any(one is member for member in inside.values())]
    apart = [one for one in finished if not any(one is member for member in members)]
    frames = [with_names(one.study, one.claims) for one in apart]
    if not members:
        return pd.concat(frames, ignore_index=True), NO_VERDICTS, []
    adjusted = with_holm([(one.study, one.claims) for one in members])
    verdicts = overall(adjusted, members[0].study.shared.statistics)
    frames = [frame.reindex(columns=adjusted.columns) for frame in frames]
    return pd.concat([adjusted, *frames], ignore_index=True), verdicts, [one.name for one in apart]


def claims_context(studies: Sequence[Finished], claims: pd.DataFrame, verdicts: pd.DataFrame) -> dict[str, Any]:
    """What the section of claims shows.

    ``claims``: as ``with_names`` gives it, for one study or several below each other; ``verdicts``: those over all
    comparisons of a family, as ``families.overall`` gives them, without a row where none are stated.
    """
    by_name = {finished.name: finished.study for finished in studies}
    margin = next(iter(by_name.values())).shared.verdicts.claim_margin
    known = claims.dropna(subset=["difference", "ci_low", "ci_high"])
    scale = scale_of(list(zip(known["ci_low"], known["ci_high"], strict=True)), margin)
    tests = {name: title for name, title in TESTS.items() if name in claims and claims[name].notna().any()}
    groups = []
    for name, compared in claims.groupby("claim", sort=False):
        rows = []
        for _, line in compared.iterrows():
            study, run = by_name[line["study"]], not pd.isna(line["difference"])
            places = (line["ci_low"], line["difference"], line["ci_high"])
            rows.append(
                {
                    "pair": f"{study.title(line['variant'])} minus {study.title(line['other'])}",
                    "study": line["study"],
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
        counts = list(compared["verdict"].value_counts(sort=False).items())
        text = compared["text"].iloc[0]
        kinds = [kind for kind in compared["ci_kind"].unique() if kind]
        over_all = [_over_all(studies[0], line) for _, line in verdicts[verdicts["claim"] == name].iterrows()]
        said = {"name": name, "text": text, "overall": over_all}
        groups.append(said | {"rows": rows, "counts": counts, "kinds": kinds})
    return {"groups": groups, "scale": scale, "margin": margin, "tests": list(tests.values()), "size": (WIDTH, HEIGHT)}


def _over_all(finished: Finished, line: pd.Series) -> dict[str, str]:
    """The verdict on a claim over one family, and which family that is."""
    encoders = finished.study.shared.encoders
    names = [
        encoders[line[key]].title if key == "encoder" else line[key] for key in ("protocol", "encoder") if key in line
    ]
    count = line["n_datasets"]
    return {"verdict": line["verdict"], "family": f"{', '.join(names)}, {count} data set{'s' if count != 1 else ''}"}


def format_p(p: float) -> str:
    """A p value with three decimals; empty where there is none."""
    if pd.isna(p):
        return ""
    return f"< {LEAST_P}" if p < LEAST_P else f"{p:.3f}"


def _smallest(line: pd.Series) -> str:
    """What an undecided comparison could have found, where that was computed."""
    if line["verdict"] != UNDECIDED:
        return ""
    detectable = line.get("detectable")
    if detectable is None or pd.isna(detectable):
        return "no difference found"
    return f"no difference found; smallest detectable: {format_number(detectable)} points"
