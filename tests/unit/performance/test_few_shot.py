"""The comparison of our SetFit with the package: which rows both get, and what it comes to; it needs no package."""

import numpy as np
import pandas as pd
import pytest

from performance import few_shot
from performance.few_shot import compare, drawn, verdict, write
from threephase.base.errors import UserError
from threephase.study.settings import Machine

CPU = Machine("cpu", "fp32", 1)
EXAMPLES = pd.DataFrame(
    {
        "text": [f"{label} {number}" for label in "ab" for number in range(20)],
        "label": [label for label in "ab" for _ in range(20)],
        "split": ["train", "test"] * 20,
    }
)


def side(wrong: str, seen: list):
    """A side that knows all classes but that of one text."""

    def train(few):
        seen.append((few.seed, tuple(few.rows["text"])))
        return lambda texts: np.array(
            [[0.2, 0.8] if ("b" in text) != (text == wrong) else [0.8, 0.2] for text in texts]
        )

    return train


def test_rows_are_drawn_from_the_training_part_by_the_seed():
    rows = drawn(EXAMPLES, 3, 0)
    assert rows["label"].value_counts().to_dict() == {"a": 3, "b": 3} and set(rows["split"]) == {"train"}
    assert rows.equals(drawn(EXAMPLES, 3, 0)) and not rows.equals(drawn(EXAMPLES, 3, 1))
    assert set(rows["text"]) < set(drawn(EXAMPLES, 5, 0)["text"])  # fewer rows are some of more
    with pytest.raises(UserError, match=r"^--shots: got 11, expected at most 10, the training rows of [ab]$"):
        drawn(EXAMPLES, 11, 0)


def test_both_sides_train_on_the_same_rows_in_turn_after_a_training_that_is_not_counted():
    seen = {"ours": [], "setfit": []}
    sides = {"ours": side("a 1", seen["ours"]), "setfit": side("", seen["setfit"])}
    table, right = compare(EXAMPLES, sides, 2, 3, CPU)
    assert seen["ours"] == seen["setfit"] and [seed for seed, _ in seen["ours"]] == [0, 0, 1, 2]
    assert table["ours_accuracy"].tolist() == [95.0] * 3 and table["setfit_accuracy"].tolist() == [100.0] * 3
    assert (table[["ours_seconds", "setfit_seconds"]] > 0).all(axis=None)
    assert right["ours"].shape == (3, 20) and right["ours"].sum() == 3 * 19 * 100


def test_what_it_comes_to(tmp_path, capsys):
    random = np.random.default_rng(0)
    table = pd.DataFrame({"seed": range(10), "ours_seconds": 1.0, "setfit_seconds": [2.0] * 5 + [4.0] * 5})
    same = 100.0 * (random.random((10, 500)) < 0.9)
    worse = same * (random.random((10, 500)) < 0.9)
    assert verdict(table, {"ours": same, "setfit": same}) == [
        "Accuracy, ours minus the package's: +0.00 points, 90% interval [+0.00, +0.00]: within 2 points.",
        "Our time: 0.38 of the package's, the median of 10 seeds: at most 0.5.",
    ]
    accuracy, time = verdict(table.assign(ours_seconds=3.0), {"ours": worse, "setfit": same})
    assert accuracy.endswith(": not within 2 points.") and time.endswith(": more than 0.5.")
    write(table, {"ours": same, "setfit": same}, tmp_path, "snips2.")
    text = (tmp_path / "few_shot.md").read_text(encoding="utf-8")
    assert "within 2 points" in text and text.endswith("snips2.\n") and "within 2 points" in capsys.readouterr().out
    assert len(pd.read_csv(tmp_path / "few_shot.csv")) == 10


def test_too_few_seeds_are_refused_before_anything_is_read(monkeypatch):
    monkeypatch.setattr("sys.argv", ["few_shot", "--seeds", "2"])
    with pytest.raises(UserError, match=r"^--seeds: got 2, expected at least 3, for an interval over seeds$"):
        few_shot.main()
