"""A pilot's rows: none of them is a test row of the study that it plans."""

import pandas as pd
import pytest

from threephase.base.errors import UserError
from threephase.data.cleaning import with_test_rows

ROWS = pd.DataFrame({"text": [f"text {number}" for number in range(20)], "label": "a", "split": "train"})


def test_a_pilot_has_no_test_row_of_its_study_and_as_many_of_its_own():
    study = with_test_rows(ROWS, 5, "rows.csv")
    pilot = with_test_rows(ROWS, 4, "rows.csv", withheld_rows=5)
    reported = set(study.loc[study["split"] == "test", "text"])
    assert set(pilot["text"]) == set(ROWS["text"]) - reported
    assert (pilot["split"] == "test").sum() == 4 and pilot.index.tolist() == list(range(15))


def test_rows_must_be_left_for_training():
    with pytest.raises(
        UserError, match=r"got 20 training rows, expected more than withheld_rows and test_rows \(15 and 5"
    ):
        with_test_rows(ROWS, 5, "rows.csv", withheld_rows=15)
