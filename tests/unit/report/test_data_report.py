"""The look at a reader's own texts: what it says first, rows by name, and each thing that may stand against a run."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from small_project import make_project

from threephase.data import cleaning
from threephase.data.raw_rows import READ_FROM, ROW
from threephase.model.token_counts import TokenCounts
from threephase.project import new_study
from threephase.report import data_report as report
from threephase.report.estimate import Estimate
from threephase.study.read_params import load_study

TOKENS = TokenCounts(np.full(100, 20), unknown=0.0, unspaced=0.0, per_word=1.2, limit=512)
COST = Estimate(seconds=14 * 60, workers=2, trainings=36, baselines=4, memory_mb=900, disk_mb=1)


@pytest.fixture
def say(tmp_path, monkeypatch):
    """What the report says of rows (text, label) and options."""
    monkeypatch.chdir(tmp_path)
    make_project(tmp_path)
    default = load_study()
    definition = new_study.dataset_definition("mine", {"files": "a/rows.csv"}, ["text"], ["label"])
    study = new_study.study_of("mine", definition, new_study.study_params("mine", default), default.shared)

    def said(rows, tokens=TOKENS, cost=COST, splits=None, **changes):
        changed = dataclasses.replace(study, dataset=dataclasses.replace(study.dataset, **changes))
        cleaned = pd.DataFrame(rows, columns=["text", "label"]).assign(split=splits or "train")
        examples = cleaning.chosen(cleaned, changed.dataset)
        if splits is None:
            examples = cleaning.with_test_rows(examples, new_study.test_rows(examples), "rows.csv", stratified=True)
        places = pd.DataFrame({READ_FROM: "a/rows.csv", ROW: cleaned.index + 1})
        text = report.data_report(changed, places, cleaned, examples, tokens, cost)
        return re.sub(" +", " ", text)  # the columns of the table are filled up

    return said


def rows_of(**sizes: int) -> list[tuple[str, str]]:
    return [(f"{label} {number}", label) for label, size in sizes.items() for number in range(size)]


def first_of(text: str) -> list[str]:
    """What stands before everything else."""
    _, answer, *parts = text.split("\n\n")
    return parts[0].splitlines() if "first" in answer else []


def test_data_without_a_flaw_can_be_run_as_they_are(say):
    text = say(rows_of(fruit=300, metal=300))
    assert text.startswith("# The data of mine\n\n**It can be run as it is: about 14 minutes.**\n\n- Rows: 600 read, ")
    for line in (
        "- Rows: 600 read, 600 stay: 480 training, 120 test.\n",
        "- Duplicates: none.\n- Contradicting labels: none.\n",
        "half have at most 20 tokens, 95 of 100 at most 20. The limit (max_length) is 128 and cuts 0.0%.\n",
        "- Estimate: 14 minutes for 36 trainings and 4 baselines, 2 at once; 0.9 GB of memory",
        "| `fruit` | 240 | 60 | ±12 points |\n| `metal` | 240 | 60 | ±12 points |\n",
    ):
        assert line in text
    # Sentences that people read to their end.
    for sentence in re.split(r"(?<=[.:]) |\n", text):
        assert len(sentence.split()) <= 25, sentence


def test_repeated_and_contradicting_rows_are_named_by_file_and_row(say):
    rows = [*rows_of(fruit=300, metal=300), ("fruit 0", "fruit"), ("metal 1", "fruit"), ("metal 1", "fruit")]
    text = say(rows)
    assert (
        "- Duplicates: 3 rows with the text of an earlier one: rows.csv row 601, rows.csv row 602, rows.csv row "
        in text
    )
    (line,) = first_of(text)
    assert line == (
        "- Contradicting labels: 1 text with different ones; the first label of each is kept. rows.csv row 302 "
        "(`metal`), rows.csv row 602 (`fruit`), rows.csv row 603 (`fruit`). `--duplicates majority` takes what most "
        "copies have, for 1 text another than the first. `--duplicates drop` leaves out all 3 rows."
    )
    assert "600 stay" in text and "599 stay" in say(rows, contradicting_labels="drop")


def test_texts_of_both_training_and_test_are_counted(say):
    splits = ["train"] * 200 + ["test"] * 200
    rows = rows_of(fruit=100, metal=100) + rows_of(fruit=150, other=50)
    assert "- Test texts that also stand in the training rows: 100; only the test row stays." in say(
        rows, splits=splits
    )


def test_small_classes_are_named_with_what_can_be_known_of_them(say):
    text = say(rows_of(large=500, tiny=9, pair=2, single=1))
    assert first_of(text) == [
        "- Classes without a test row, so that nothing measures them: `single`.",
        "- Classes with fewer than 8 training rows besides those for validation: hardly learned: `pair`, `single`, "
        "`tiny`.",
        "- Classes with fewer than 5 test rows: hardly measured: `pair`, `tiny`.",
    ]
    assert "| `pair` | 1 | 1 | ±45 points |\n| `single` | 1 | 0 | not at all |" in text


def test_a_class_of_one_split_only_is_named(say):
    rows = rows_of(fruit=200, metal=200, old=20) + [(f"test {n}", "fruit" if n < 60 else "new") for n in range(120)]
    lines = first_of(say(rows, splits=["train"] * 420 + ["test"] * 120))
    assert "- Classes without a training row, so that nothing can learn them: `new`." in lines
    assert "- Classes without a test row, so that nothing measures them: `metal`, `old`." in lines


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lengths": np.array([20] * 85 + [200] * 15)}, "The limit (max_length) is 128 and cuts 15.0%. The enc"),
        ({"unknown": 0.3}, "- Vocabulary: 30.0% of the tokens are unknown to minilm_l6; a word is 1.2 tok"),
        ({"per_word": 2.2}, "a word is 2.2 tokens. The encoder hardly knows such words: are they of its language?"),
        ({"unspaced": 0.4}, "- Script: 40% of the texts are in one without spaces between words."),
    ],
)  # fmt: skip
def test_texts_that_the_encoder_takes_badly_come_first(say, changes, said):
    (line,) = first_of(say(rows_of(fruit=300, metal=300), dataclasses.replace(TOKENS, **changes)))
    assert said in line


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"memory_mb": 9e9}, "- Memory: about 9000000.0 GB are needed and "),
        ({"disk_mb": 9e12}, "- Disk: about 9000000000.0 GB are needed and "),
        ({"seconds": 3 * 86400}, "- It takes long: one seed in its params.yaml "),
    ],
)
def test_a_study_that_the_machine_takes_badly_says_so_first(say, changes, said):
    (line,) = first_of(say(rows_of(fruit=300, metal=300), cost=dataclasses.replace(COST, **changes)))
    assert line.startswith(said)


def test_a_sample_is_proposed_where_there_are_more_rows_than_it_has(say):
    (line,) = first_of(say(rows_of(fruit=600, metal=600), cost=dataclasses.replace(COST, seconds=3 * 86400)))
    assert line == "- It takes long: --sample 1000 makes a study of so many rows to begin with."


def test_what_could_not_be_measured_says_why_and_the_rest_stands(say):
    text = say(rows_of(fruit=300, metal=300), "no hub", "no hub")
    assert text.split("\n\n")[1] == "**It can be run as it is.**"
    assert "- Tokens: not counted: no hub\n" in text and "- Time, memory and disk: not measured: no hub\n" in text
    assert "| `metal` | 240 | 60 | ±12 points |" in text


def test_many_classes_show_the_smallest_and_odd_names_stay_in_their_cell(say):
    names = {f"class{number:02}": 30 - number // 3 for number in range(40)}
    odd = "a|b\n<script>`x`" + "y" * 300
    text = say(rows_of(**names) + [(f"odd {n}", odd) for n in range(12)])
    table = text[text.index("| class |") :].splitlines()
    assert len([line for line in table if line.startswith("| `")]) == 30 and "The 30 smallest of 41 classes." in table
    (line,) = (line for line in table if "script" in line)
    assert line.startswith("| `a\\|b <script>'x'yy") and line.endswith("...` | 10 | 2 | ±41 points |")


def test_the_interval_is_wilson_s():
    from statsmodels.stats.proportion import proportion_confint

    for rows in (2, 10, 500):
        low, high = proportion_confint(rows / 2, rows, method="wilson")
        assert report.half_width(rows) == pytest.approx(100 * (high - low) / 2, rel=1e-3)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(40, "40 seconds"), (150, "2 minutes"), (7100, "118 minutes"), (1e5, "28 hours"), (2e5, "2 days")],
)
def test_durations(seconds, said):
    assert report.duration(seconds) == said
