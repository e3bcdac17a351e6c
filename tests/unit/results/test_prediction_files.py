"""Two files of predictions, made here or elsewhere: numbers as by hand, and one line for what does not pair."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score
from small_project import REPOSITORY, error_line, run_stage

from threephase.base.errors import UserError
from threephase.results.prediction_files import compare, read_predictions
from threephase.scores.predictions import predictions_table
from threephase.study.params import Statistics
from threephase.study.read_params import load_shared

CLASSES = ("apple", "iron", "oak")


@pytest.fixture(scope="module")
def rule() -> Statistics:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        return load_shared().statistics


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(right: float, seed: int, rows: int = 200) -> pd.DataFrame:
    """Rows of which about a share ``right`` is predicted right; the labels are the same for every seed."""
    labels = np.random.default_rng(0).choice(CLASSES, rows)
    draw = np.random.default_rng(seed)
    predicted = np.where(draw.random(rows) < right, labels, draw.choice(CLASSES, rows))
    ids = [f"row {number}" for number in range(rows)]
    return pd.DataFrame(
        {"id": ids, "label": labels, "prediction": predicted, "probability": draw.random(rows).round(3)}
    )


def write(file: str, frame: pd.DataFrame) -> Path:
    frame.to_csv(file, index=False)
    return Path(file)


def compared(rule, first: Path, second: Path):
    return compare(read_predictions(first), read_predictions(second), [str(first), str(second)], rule)


def test_the_numbers_are_those_by_hand(folder, rule):
    first, second = table(0.6, 1), table(0.8, 2)
    result = compared(rule, write("a.csv", first), write("b.csv", second.sample(frac=1, random_state=0)))
    hits = [(side["label"] == side["prediction"]).to_numpy() for side in (first, second)]
    accuracy, f1 = result.differences["accuracy"], result.differences["macro_f1"]
    for side, mine, others in zip(
        (first, second), (accuracy.first, accuracy.second), (f1.first, f1.second), strict=True
    ):
        assert mine == pytest.approx(100 * accuracy_score(side["label"], side["prediction"]))
        assert others == pytest.approx(100 * f1_score(side["label"], side["prediction"], average="macro"))
    # The paired t interval over the rows.
    moved = 100.0 * (hits[1].astype(int) - hits[0].astype(int))
    low, high = stats.t.interval(0.95, len(moved) - 1, moved.mean(), stats.sem(moved))
    assert (accuracy.interval.mean, accuracy.interval.low, accuracy.interval.high) == pytest.approx(
        (moved.mean(), low, high)
    )
    smallest = stats.sem(moved) * (stats.t.ppf(0.975, 199) + stats.t.ppf(0.8, 199))
    assert result.detectable["accuracy"] == pytest.approx(smallest)
    only = [(hits[0] & ~hits[1]).sum(), (hits[1] & ~hits[0]).sum()]
    assert list(result.alone) == only and result.p == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue)
    assert result.alike == pytest.approx(100 * (first["prediction"] == second["prediction"]).mean())
    assert result.sure == pytest.approx([100 * side["probability"].mean() for side in (first, second)])
    assert (result.rows, result.classes, result.by_id) == (200, list(CLASSES), True)


def test_files_without_ids_are_paired_in_their_order(folder, rule):
    first, second = (table(0.6, seed).drop(columns=["id", "probability"]) for seed in (1, 2))
    by_order = compared(rule, write("a.csv", first), write("b.csv", second))
    by_id = compared(rule, write("a.csv", table(0.6, 1)), write("b.csv", table(0.6, 2)))
    assert by_order.differences == by_id.differences and not by_order.by_id
    assert by_order.sure == [None, None]


def test_a_table_that_a_training_here_left_is_read_by_its_test_rows(folder, rule):
    rows = table(0.7, 1, 30).rename(columns={"id": "example_id"})
    draw = np.random.default_rng(0).dirichlet(np.ones(3), 30)
    parts = {"validation": rows.head(4), "test": rows}
    ours = predictions_table(parts, {"validation": draw[:4], "test": draw}, list(CLASSES))
    ours.to_parquet("ours.parquet")
    theirs = pd.DataFrame({"id": rows["example_id"], "label": rows["label"]})
    theirs["prediction"] = [CLASSES[i] for i in draw.argmax(axis=1)]
    result = compared(rule, Path("ours.parquet"), write("theirs.csv", theirs))
    assert (result.rows, result.alike, result.p) == (30, 100, 1)
    assert result.differences["macro_f1"].interval.mean == 0 and result.detectable == dict.fromkeys(result.detectable)
    assert result.sure[0] == pytest.approx(100 * draw.max(axis=1).mean()) and result.sure[1] is None


def test_probabilities_of_a_csv_are_numbers(folder, rule):
    rows = pd.DataFrame({"label": ["a", "b"], "prediction": ["a", "b"], "probability_a": ["9.9e-05", "0.2"]})
    file = write("a.csv", rows.assign(probability_b=["0.9999", "0.8"]))
    assert read_predictions(file)["probability"].tolist() == [0.9999, 0.8]
    with pytest.raises(UserError, match="a.csv: row 2: probability: got nan, expected that of the predicted class"):
        read_predictions(write("a.csv", rows.assign(probability_b=["0.9999", "80%"])))


def test_labels_have_one_spelling_as_in_a_study(folder, rule):
    """1, 1.0 and `` 1 ``, and accents composed or not: else each right row of one file would be wrong in the other."""
    spelt = pd.DataFrame({"label": ["1", "0", "\u00e9", "1"], "prediction": ["1", "0", "\u00e9", "0"]})
    others = pd.DataFrame(
        {"label": ["1.0", " 0 ", "e\u0301", "\uff11"], "prediction": ["1.0", "0.0", "e\u0301", "0\u200b"]}
    )
    result = compared(rule, write("a.csv", spelt), write("b.csv", others))
    assert (result.classes, result.alike) == (["0", "1", "\u00e9"], 100)
    pd.DataFrame({"label": [1.0, 0.0], "prediction": [1, 1]}).to_parquet("numbers.parquet")
    numbers = read_predictions(Path("numbers.parquet"))[["label", "prediction"]]
    assert numbers.to_numpy().tolist() == [["1", "1"], ["0", "1"]]
    with pytest.raises(UserError, match="c.csv: row 2: label: got nothing"):
        read_predictions(write("c.csv", pd.DataFrame({"label": ["1", "\u200b"], "prediction": "1"})))


def changed(frame: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    frame = frame.astype(str)
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (table(0.8, 2).head(7), "b.csv: got 7 rows, expected the 200 of a.csv"),
        (
            changed(table(0.8, 2), 3, "id", "row 999"),
            "b.csv: id: got 1 that a.csv lacks, 'row 999' for one, expected the same ids",
        ),
        (
            changed(table(0.8, 2), 3, "label", "iron " * 90),
            f"b.csv: id 'row 3': label: got {repr('iron ' * 90)[:57]}..., expected {str(table(0.8, 2)['label'][3])!r} "
            "as in a.csv (1 such rows)",
        ),
        (
            table(0.8, 2).drop(columns="id"),
            "b.csv: id: the column is missing, expected it as a.csv has it, or in neither file",
        ),
        (
            changed(table(0.8, 2), 3, "id", "row 4"),
            "b.csv: row 5: id: got 'row 4' a second time; mend or remove the row",
        ),
        (
            changed(table(0.8, 2), 3, "prediction", " "),
            "b.csv: row 4: prediction: got nothing, expected a value in every row; mend or remove the row",
        ),
        (
            changed(table(0.8, 2), 3, "probability", "81%"),
            "b.csv: row 4: probability: got '81%', expected that of the predicted class, from 0 to 1; mend or "
            "remove the row",
        ),
        (
            table(0.8, 2).drop(columns="prediction"),
            "b.csv: got columns id, label, probability, expected 'prediction' among them (label, prediction; optional: "
            "id, probability)",
        ),
        (table(0.8, 2).assign(split="train"), "b.csv: split: got no test rows, expected some"),
    ],
)
def test_files_that_do_not_pair_are_refused(folder, rule, second, said):
    with pytest.raises(UserError) as error:
        compared(rule, write("a.csv", table(0.6, 1)), write("b.csv", second))
    assert str(error.value) == said


def test_the_command_tells_difference_interval_test_and_what_could_be_found(folder):
    first, second = write(str(folder / "a.csv"), table(0.6, 1)), write(str(folder / "b.csv"), table(0.8, 2))
    result = run_stage(REPOSITORY, "compare_predictions", str(first), str(second))
    assert (result.returncode, result.stderr) == (0, "")
    for said in (
        f"A: {first}\nB: {second}\n200 rows, paired by id, of 3 classes. A and B predict the same class in ",
        "Metric ",
        "Accuracy ",
        "Macro F1 ",
        "95% intervals. They cover the chance of the rows",
        "Detectable: a true difference of this size would be found in 80% of such files.",
        "McNemar's exact test: p ",
        "Mean probability of the predicted class: A ",
    ):
        assert " ".join(said.split()) in " ".join(result.stdout.split()), said
    assert max(map(len, result.stdout.splitlines()[2:])) <= 100
    assert (
        error_line(run_stage(REPOSITORY, "compare_predictions", str(first), "nothing.csv"))
        == "nothing.csv: no such file"
    )
