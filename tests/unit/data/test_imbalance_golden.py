"""What the imbalance correction does to the paper's data sets, against figures worked out by hand.

``imbalance.csv``: f(x) = ln(M / x) max_ratio / ln(M) by pocket calculator, rounded where it reaches min_ratio.
"""

import csv
from pathlib import Path

import pytest
from small_project import REPOSITORY

from threephase.data.imbalance import class_ratios
from threephase.study.read_params import load_dataset, load_shared

GOLDEN = Path(__file__).with_name("imbalance.csv")
LINES = list(csv.DictReader(GOLDEN.open(encoding="utf-8")))


@pytest.fixture(autouse=True)
def in_repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split()]


@pytest.mark.parametrize("line", LINES, ids=lambda line: f"{line['dataset']}-{line['part']}-{line['setting']}")
def test_ratios_are_those_worked_out_by_hand(line):
    sizes = dict(enumerate(numbers(line["class_sizes"])))
    ratios = class_ratios(sizes, load_shared().imbalance[line["setting"]])
    assert list(ratios.values()) == numbers(line["ratios"])


def test_the_sizes_are_those_of_the_data():
    for line in LINES:
        sizes, expected = numbers(line["class_sizes"]), load_dataset(line["dataset"]).expected
        if line["part"] == "all rows":
            assert sorted(sizes) == sorted(expected.labels.values())
        elif line["part"] == "training set":
            assert sum(sizes) == expected.rows_by_split["train"]
        else:
            # A fold's training part is what its test fifth and the validation fifth of the rest leave.
            assert sum(sizes) in (209, 210, 211)


def test_the_normal_setting_enlarges_at_most_the_smallest_class_of_one_data_set():
    """Why extra_imbalance and no_imbalance mostly are three_phase once more."""
    enlarged = {
        (line["dataset"], line["setting"]) for line in LINES if any(ratio > 1 for ratio in numbers(line["ratios"]))
    }
    assert {dataset for dataset, setting in enlarged if setting == "normal"} <= {"snips"}
    assert {dataset for dataset, setting in enlarged if setting == "extra"} == {"snips", "sst5"}


def test_the_table_of_the_docs_says_the_same():
    table = (REPOSITORY / "docs/paper.md").read_text(encoding="utf-8").replace("**", "")
    rows = [[cell.strip() for cell in line.split("|")[2:6]] for line in table.splitlines() if line.startswith("| ")]
    stated = {(part, sizes, after) for part, sizes, *both in rows for after in both}
    for line in LINES:
        sizes, ratios = numbers(line["class_sizes"]), numbers(line["ratios"])
        after = " ".join(str(size * ratio) for size, ratio in zip(sizes, ratios, strict=True))
        expected = after if max(ratios) > 1 else "as before"
        assert (line["part"], line["class_sizes"], expected) in stated
