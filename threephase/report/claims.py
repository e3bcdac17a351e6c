"""The paper's claims on a page: every comparison with its drawing, difference, verdict and tests, claim by claim."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from threephase.report.deviations import protocol_text
from threephase.report.drawing import scale_of
from threephase.report.finished import Finished
from threephase.report.judged import judged
from threephase.results.families import overall, with_holm, with_names
from threephase.scores.statistics import NOT_RUN

# The tests of a comparison, each with its name and what it is; one that no comparison has is not shown.
TESTS = {
    "p_value": ("p", "two-sided, of no difference"),
    "p_holm": ("p by Holm", "the same, corrected for all claims and data sets of a family"),
    "mcnemar_p": ("p by McNemar", "of as many right answers, by these very trainings; no verdict uses it"),
}
LEAST_P = 0.001
NO_VERDICTS = pd.DataFrame(columns=["claim", "verdict"])  # of one study alone, which is no family


def family(finished: Sequence[Finished]) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """The claims of several studies below each other, the overall verdicts, and who is left out of these.

    The frames are ``families.with_holm``'s and ``families.overall``'s. A study that repeats the comparisons of
    another, or has no p-values, is no part of a family: its claims are there, without ``p_holm``. A study on all
    training rows goes before one on some of them.
    """
    inside: dict[tuple, Finished] = {}
    for member in sorted(finished, key=lambda member: member.study.params.train_rows is not None):
        params = member.study.params
        keys = [(params.dataset, params.protocol, encoder) for encoder in params.encoders]
        if "p_value" in member.claims and not inside.keys() & set(keys):
            inside |= dict.fromkeys(keys, member)
    names = {member.name for member in inside.values()}
    members = [member for member in finished if member.name in names]
    apart = [member for member in finished if member.name not in names]
    frames = [with_names(member.study, member.claims) for member in apart]
    if not members:
        return pd.concat(frames, ignore_index=True), NO_VERDICTS, []
    adjusted = with_holm([(member.study, member.claims) for member in members])
    verdicts = overall(adjusted, members[0].study.shared.statistics)
    frames = [frame.reindex(columns=adjusted.columns) for frame in frames]
    return pd.concat([adjusted, *frames], ignore_index=True), verdicts, [member.name for member in apart]


def claims_context(studies: Sequence[Finished], claims: pd.DataFrame, verdicts: pd.DataFrame) -> dict[str, Any]:
    """What the section of claims shows; what was not run is named apart from the rows.

    ``claims``: as ``with_names`` gives it, for one study or several below each other. ``verdicts``: those over all
    comparisons of a family, as ``families.overall`` gives them; it may be empty.
    """
    by_name = {finished.name: finished.study for finished in studies}
    tests = {name: test for name, test in TESTS.items() if name in claims and claims[name].notna().any()}
    groups, reach = [], [0.0, next(iter(by_name.values())).shared.verdicts.claim_margin]
    for name, compared in claims.groupby("claim", sort=False):
        rows = []
        for line in compared[compared["verdict"] != NOT_RUN].to_dict("records"):
            study = by_name[line["study"]]
            found = judged(study, line)
            reach += found.reach
            about = {key: line[key] for key in ("study", "dataset", "protocol", "encoder", "ci_kind")}
            about |= {"encoder_title": study.shared.encoders[line["encoder"]].title, "judged": found}
            told = [(title, format_p(line[test])) for test, (title, _) in tests.items()]
            rows.append(about | {"how": protocol_text(line["protocol"]), "tests": told})
        over_all = [_over_all(studies[0], line) for _, line in verdicts[verdicts["claim"] == name].iterrows()]
        counts = list(compared["verdict"].value_counts(sort=False).items())
        groups.append({"text": compared["text"].iloc[0], "overall": over_all, "rows": rows, "counts": counts})
    scale = scale_of(reach)
    for row in (row for group in groups for row in group["rows"]):
        row["drawing"] = row["judged"].drawn(scale)
    not_run = [
        by_name[line["study"]].title(line[side])
        for line in claims[claims["verdict"] == NOT_RUN].to_dict("records")
        for side in ("variant", "other")
        if line[side] not in by_name[line["study"]].params.variants_of(line["encoder"])
    ]
    return {
        "groups": groups,
        "tests": [*tests.values()],
        "scale": scale,
        "not_run": list(dict.fromkeys(not_run)),
        "kinds": [kind for kind in claims["ci_kind"].unique() if kind],
        "several_encoders": claims["encoder"].nunique() > 1,
    }


def _over_all(finished: Finished, line: pd.Series) -> dict[str, str]:
    """The verdict on a claim over one family, and which family that is."""
    encoders = finished.study.shared.encoders
    texts = {"protocol": protocol_text, "encoder": lambda name: encoders[name].title}
    names = [text(line[key]) for key, text in texts.items() if key in line]
    count = line["n_datasets"]
    return {"verdict": line["verdict"], "family": f"{', '.join(names)}, {count} data set{'s' if count != 1 else ''}"}


def format_p(p: float) -> str:
    """A p value with three decimals; empty where there is none."""
    if pd.isna(p):
        return ""
    return f"< {LEAST_P}" if p < LEAST_P else f"{p:.3f}"
