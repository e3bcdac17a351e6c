"""Numbers, and the same frame as Markdown, LaTeX and plain text, whatever characters the data hold."""

import dataclasses
import re

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from threephase.results import tables
from threephase.results.cells import cells
from threephase.results.results import CLAIM_COLUMNS
from threephase.study.read_params import load_study

NASTY = r"50% of A&B_c | *all* <b> [x](y) $n$ #1 {z} ~ ^ \ `q`"


@pytest.fixture(scope="module")
def study():
    return load_study()


def results_of(study, mean=87.34):
    rows = [
        {"encoder": encoder, "variant": variant, "metric": metric, "mean": mean, "std": 2.04, "n_test": 500, "note": ""}
        | {"ci_low": 84.94, "ci_high": 89.55, "ci_kind": "test rows only"}
        for encoder, variant in cells(study)
        for metric in tables.METRICS
    ]
    return pd.DataFrame(rows)


def claims_of(study, **values):
    row = {"claim": "c", "text": "Phases help.", "variant": "three_phase", "other": "ft", "verdict": "supported"}
    row |= {"encoder": study.params.encoders[0], "ci_kind": "seeds and test rows"}
    row |= {"difference": 3.06, "by_seed": "+1.0, +5.2", "ci_low": 0.42, "ci_high": 5.78}
    return pd.DataFrame([row | values], columns=CLAIM_COLUMNS)


def renamed(study, title):
    shared = study.shared
    variants = shared.variants | {"three_phase": dataclasses.replace(shared.variants["three_phase"], title=title)}
    return dataclasses.replace(study, shared=dataclasses.replace(shared, variants=variants))


def test_numbers():
    assert tables.format_number(87.26) == "87.3"
    assert tables.format_number(-0.04) == "0.0"
    assert tables.format_number(100.0) == "100.0"
    assert tables.format_signed(3.06) == "+3.1"
    assert tables.format_signed(-3.06) == "-3.1"
    assert tables.format_interval(84.94, 89.55) == "[84.9, 89.5]"


def test_results_table_has_every_cell_in_order(study):
    table = tables.results_table(study, results_of(study))
    assert list(table) == ["Variant", "Accuracy", "Macro precision", "Macro recall", "Macro F1", "SD"]
    assert set(table["SD"]) == {"2.0"}
    assert list(table["Variant"]) == [study.title(variant) for _, variant in cells(study)]
    assert set(table["Macro F1"]) == {"87.3 [84.9, 89.5]"}


def test_a_cell_without_results_shows_as_missing(study):
    results = results_of(study)
    table = tables.results_table(study, results[results["variant"] != "ft"], ["macro_f1"])
    missing = table[table["Macro F1"] == "missing"]
    assert list(missing["Variant"]) == [study.title("ft")]
    assert len(table) == len(cells(study))


def test_several_encoders_get_a_column(study):
    encoders = {"one": study.shared.encoders["minilm_l6"], "two": study.shared.encoders["minilm_l6"]}
    both = dataclasses.replace(
        study,
        shared=dataclasses.replace(study.shared, encoders=encoders),
        params=dataclasses.replace(study.params, encoders=["one", "two"]),
    )
    table = tables.results_table(both, results_of(both), ["macro_f1", "accuracy"])
    assert list(table) == ["Variant", "Encoder", "Macro F1", "Accuracy", "SD"]
    assert list(table["Encoder"])[-1] == "none"
    assert max(map(len, tables.to_plain_text(table).splitlines())) <= 100


def test_caption_says_what_the_numbers_are(study):
    caption = tables.caption(study, results_of(study))
    assert f"{study.dataset.title} (long-tailed training part, 8 to 1), all-MiniLM-L6-v2, protocol described" in caption
    assert "on 500 test rows in percent, with 95% intervals (test rows only)" in caption


def test_markdown_escapes_data(study):
    lines = tables.to_markdown(tables.results_table(renamed(study, NASTY), results_of(study))).splitlines()
    assert lines[0].startswith("| Variant")
    escaped = r"50% of A\&B\_c \| \*all\* \<b\> [x]\(y) \$n\$ \#1 {z} \~ ^ \\ \`q\`"
    assert lines[2].startswith(f"| {escaped} ")
    assert all("87.3 [84.9, 89.5]" in line for line in lines[2:])


@settings(deadline=None)
@given(st.text(min_size=1, max_size=30))
@example("\x01")
def test_a_markdown_row_keeps_its_columns_and_its_text(text):
    lines = tables.to_markdown(pd.DataFrame({"one": [text], "two": ["end"]})).splitlines()
    assert len(lines) == 3
    cells_of_row = re.split(r"(?<!\\)(?:\\\\)*\|", lines[2])
    assert len(cells_of_row) == 4
    unescaped = re.sub(r"\\([\\`*_<>|~&$#(\[])", r"\1", lines[2])
    assert unescaped.split() == ["|", *re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split(), "|", "end", "|"]


def test_latex_escapes_data_and_caption(study):
    table = tables.results_table(renamed(study, NASTY), results_of(study), ["macro_f1"])
    text = tables.to_latex(table, "100% of A_b")
    assert r"50\% of A\&B\_c | *all* \ensuremath{<}b\ensuremath{>} [x](y) \$n\$ \#1 \{z\}" in text
    assert r"\textasciitilde{} \^{} \textbackslash{} `q`" in text
    assert r"\caption{100\% of A\_b}" in text
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert text.count("&  87.3") + text.count("& 87.3") == len(table)


@pytest.mark.parametrize(("title", "opening"), [("[new] way", "{[}new] way"), ("*best", "{*}best")])
def test_a_latex_row_never_opens_with_what_its_line_break_would_take(title, opening):
    text = tables.to_latex(pd.DataFrame({"Variant": ["first", title], "F1": ["[1.0, 2.0]", "3.0"]}), "c")
    assert f" {opening} " in text
    assert "& [1.0, 2.0]" in text


def test_plain_text_fits_the_terminal(study):
    table = tables.results_table(renamed(study, "A long title of a variant " * 4), results_of(study, 100.0))
    text = tables.to_plain_text(table[["Variant", "Macro F1", "Accuracy"]])
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("100.0 [84.9, 89.5]") == 2 * len(table)


def test_claims_as_text(study):
    text = tables.claims_as_text(study, claims_of(study))
    lines = text.splitlines()
    assert lines[0] == "Claims (Macro F1, paired differences in percentage points, 95% intervals: seeds and test rows)"
    assert lines[2:] == [
        "Phases help.",
        "  supported      +3.1 [0.4, 5.8]      Three phases minus Fine-tuning (by seed +1.0, +5.2)",
    ]


def test_a_claim_with_too_few_seeds_has_no_interval(study):
    claims = claims_of(study, ci_kind="test rows only", verdict="too few seeds")
    assert tables.claims_table(study, claims).iloc[0]["Difference"] == "+3.1"
    text = tables.claims_as_text(study, claims)
    assert "intervals: none)" in text and "  too few seeds  +3.1 " in text and "[" not in text


def test_a_claim_that_was_not_run_has_no_numbers(study):
    nothing = {"difference": None, "by_seed": "", "ci_low": None, "ci_high": None, "ci_kind": "", "verdict": "not run"}
    claims = claims_of(study, **nothing)
    row = tables.claims_table(study, claims).iloc[0]
    assert (row["Difference"], row["Verdict"]) == ("", "not run")
    assert "intervals: none)" in tables.claims_as_text(study, claims)


def test_a_study_without_claims(study):
    claims = pd.DataFrame(columns=CLAIM_COLUMNS)
    assert list(tables.claims_table(study, claims)) == ["Claim", "Compared", "Difference", "By seed", "Verdict"]
    assert "none" in tables.claims_as_text(study, claims)


def test_a_setting_as_text():
    assert tables.format_setting(["protocol", True, 0.5, None]) == "protocol, yes, 0.5, none"
    assert tables.format_setting({"min_ratio": 1.5, "names": ["a", "b"]}) == "min_ratio 1.5, names a, b"
