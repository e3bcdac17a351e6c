"""The audit of the paper's printed numbers: what each check finds on the real tables."""

import pytest
from small_project import REPOSITORY

from threephase.audit import (
    balanced_recall,
    checks,
    confusion,
    granularity,
    imbalance_columns,
    macro_f1,
    references,
    same_cell,
    search_space,
)
from threephase.audit.printed import read_printed
from threephase.study.read_params import load_datasets, load_shared


@pytest.fixture(scope="module")
def printed():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        return read_printed(load_shared(), load_datasets())


def records(item):
    return [dict(zip(item.columns, row, strict=True)) for row in item.rows]


def by(item, column, value):
    return [row for row in records(item) if row[column] == value]


def test_every_item_is_complete(printed):
    items = checks.of_paper(printed)
    assert len({item.id for item in items}) == len(items) == 8
    for item in items:
        assert item.rows and item.finding.endswith(".") and (REPOSITORY / item.code).is_file()
        assert all(getattr(item, text) for text in ("title", "question", "method", "falsify", "data"))


def test_nineteen_accuracies_are_no_number_of_right_answers(printed):
    item = granularity.audit(printed)
    assert item.outcome == "finding"
    assert item.finding.startswith("Of 58 distinct accuracies of 57 cells, 19 are no k / n rounded to two decimals")
    assert item.finding.endswith("18 are neither rounded nor truncated ones.")
    counts = {row["Data set"]: (int(row["No fraction, rounded"]), int(row["Nor truncated"])) for row in records(item)}
    assert counts == {
        "snips": (9, 9), "snips2": (1, 0), "sst2": (4, 4), "sst5": (5, 5), "ag_news": (0, 0), "imdb": (0, 0)
    }  # fmt: skip
    (snips,) = by(item, "Data set", "snips")
    assert int(snips["Accuracies"]) == 10 and "100.00" not in snips["They are"]
    # 99.92 alone needs more than a thousand rows.
    assert int(snips["Fewest rows that give all"]) > 1000


def test_no_matrix_gives_the_numbers_of_a_two_class_run(printed):
    item = confusion.audit(printed)
    assert item.outcome == "finding" and item.finding.endswith(
        "One matrix gives all four numbers of 0 of 9 runs (0 where truncated numbers may pass too)."
    )
    sst2, imdb = by(item, "Data set", "sst2"), by(item, "Data set", "imdb")
    assert len(sst2) == 6 and {row["Matrices"] for row in sst2} == {"0"}
    positive = {row["Variant"]: row for row in imdb if row["Averaging"] == "positive"}
    accuracies = {name: (row["Accuracy they give"], row["Printed accuracy"]) for name, row in positive.items()}
    assert accuracies == {
        "three_phase": ("99.02", "99.00"), "joint": ("96.12", "95.07"), "ft": ("91.46 to 91.47", "91.00")
    }  # fmt: skip
    assert positive["joint"]["F1 they give"] == "96.14 to 96.15" and positive["joint"]["Printed f1"] == "95.10"
    assert {row["All four"] for row in records(item)} == {"no"}


def test_the_f1_of_sst5_is_the_harmonic_mean_of_two_averages(printed):
    item = macro_f1.audit(printed)
    near = {name: [row["Within 0.02"] for row in by(item, "Data set", name)] for name in ("snips", "snips2", "sst5")}
    assert item.outcome == "finding" and near["sst5"] == ["yes"] * 6
    assert "no" in near["snips"] and "no" in near["snips2"]
    assert "in every run of sst5;" in item.finding and "ag_news cannot tell" in item.finding


def test_macro_recall_of_ag_news_is_its_accuracy(printed):
    item = balanced_recall.audit(printed)
    assert item.outcome == "passes" and item.finding.startswith("ag_news: equal in 6 of 6 runs; imdb: different in 3")
    assert {row["Equal"] for row in by(item, "Data set", "ag_news")} == {"yes"}
    assert {row["Data set"] for row in records(item)} == {"ag_news", "imdb"}


def test_one_cell_has_two_numbers(printed):
    item = same_cell.audit(printed)
    assert item.rows == [["imdb", "roberta_base", "ft", "91.00", "91.10", "+0.10"]]


def test_columns_that_differ_by_chance_alone(printed):
    item = imbalance_columns.audit(printed)
    rows = {row["Data set"]: row for row in records(item)}
    same = {name: row["Same training"] for name, row in rows.items()}
    all_three = "three_phase, extra_imbalance, no_imbalance"
    assert same == dict.fromkeys(("snips2", "sst2", "ag_news", "imdb"), all_three) | {
        "sst5": "three_phase, no_imbalance", "snips": "none for certain"
    }  # fmt: skip
    assert rows["imdb"]["Spread"] == "4.24" and rows["imdb"]["In test rows"] == "1060"
    # The smallest class of snips has 12 or 13 rows: the one is doubled, the other is not.
    assert rows["snips"]["Classes enlarged by normal"] == "0 to 1"
    assert item.outcome == "finding" and "probability 0.006" in item.finding


def test_two_settings_are_outside_the_search_space(printed):
    item = search_space.audit(printed)
    assert [row[:4] for row in item.rows] == [
        ["roberta_base", "ag_news", "lr_contrastive", "2e-05"],
        ["minilm_l12", "snips", "lr_classifier", "5e-05"],
    ]


def test_published_figures(printed):
    item = references.audit(printed)
    (plain,) = [row for row in records(item) if row["Paper"] == "ft, roberta_base"]
    assert (plain["Data set"], plain["Printed"], plain["Published"]) == ("sst2", "90.28", "94.80")
    (imdb,) = by(item, "Data set", "imdb")
    assert (imdb["Printed"], imdb["Published"], imdb["Difference"]) == ("99.00", "97.10", "+1.90")
    assert all(row["Source"] for row in records(item))
