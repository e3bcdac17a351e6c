"""Two studies compared, revisions of another study than the default one, and names that may be either."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from compared_project import RATE, SECOND, commit_as, dvc, repro
from small_project import change
from tiny_project import run

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import write_table
from threephase.revisions.comparison import SAME
from threephase.revisions.published import all_predictions, params_text
from threephase.study.read_params import load_study

pytest_plugins = ["comparing"]


def test_two_studies_are_paired_cell_by_cell(project, compare, refusal):
    whole, _, _ = compare("before", "after")
    run(project, "git", "checkout", "--quiet", "before")
    dvc(project, "checkout", "--force")
    rows, printed, folder = compare("small", SECOND)
    compared = [column for column in whole if column not in ("from_a", "from_b")]
    pd.testing.assert_frame_equal(rows[compared], whole[compared])
    assert set(rows["from_a"]) == set(rows["from_b"]) == {"working tree"}
    assert f"1 parameter differs. {RATE}: 0.001 -> 0.003" in printed
    assert folder == Path(f"reports/compare/small-{SECOND}")
    assert f"A: small (study of small, protocol described) B: {SECOND} (study of small" in printed
    change(project, f"studies/{SECOND}/params.yaml", {"protocol": "released", "variants": ["ft"]})
    rows, printed, _ = compare("small", SECOND)
    assert f"{SECOND}: its files say other values than the last run had of protocol, protocol_switches" in printed
    shutil.copyfile("data/small.yaml", "data/copy.yaml")
    change(project, f"studies/{SECOND}/params.yaml", {"dataset": "copy"})
    error = refusal("small", SECOND)
    assert error == f"error: studies: got small of small and {SECOND} of copy, expected two of one data set\n"


def test_a_study_that_was_never_run_is_compared_by_its_params_files(project, compare):
    table = all_predictions(load_study(SECOND))
    write_table(paths.published("third") / "predictions.parquet", table)
    folder = project / "studies/third"
    folder.mkdir()
    (folder / "params.yaml").write_text(f"base: {SECOND}\nseeds: [0, 1]\nvalidation_share: 0.25\n", encoding="utf-8")
    (paths.published("third") / "params.yaml").write_text(params_text(load_study("third")), encoding="utf-8")
    rows, printed, _ = compare(SECOND, "third")
    assert set(rows["note"]) == {SAME} and set(rows["from_b"]) == {"published"}
    assert "1 parameter differs. validation_share: 0.125 -> 0.25" in printed and "other values" not in printed


def test_revisions_of_another_study(project, compare):
    change(project, f"studies/{SECOND}/params.yaml", {RATE: 1e-3})
    repro(project)
    commit_as(project, "slower")
    expected, _, _ = compare("after", "before")
    rows, printed, folder = compare("after", "slower", "--study", SECOND)
    pd.testing.assert_frame_equal(rows, expected)
    assert f"1 parameter differs. {RATE}: 0.003 -> 0.001" in printed and folder.name == f"{SECOND}-after-slower"
    assert f"dvc --cd studies/{SECOND} params diff after slower" in printed
    # An experiment of that study, which has its lock.
    dvc(project, "--cd", f"studies/{SECOND}", "exp", "run", "--name", "alone", "-S", "seeds=[1]")
    rows, printed, _ = compare("slower", "alone", "--study", SECOND)
    assert set(rows["from_b"]) == {"cache"} and set(rows["note"]) == {f"{SAME}; seed 0 only in A"}
    assert "1 parameter differs. seeds: [0, 1] -> [1]" in printed
    # Before that study was there.
    with pytest.raises(UserError, match=f"studies/{SECOND}/params.yaml in empty: .* does not contain a DVC repo"):
        compare("empty", "slower", "--study", SECOND)


def test_names_that_are_studies_and_revisions_are_refused(project, compare, refusal):
    error = refusal("small", "after")
    assert error.startswith("error: A and B: got 'small' and 'after', one of them a study, expected two studies or two")
    assert error.endswith("STUDY=small\n")
    run(project, "git", "tag", SECOND)
    error = refusal("small", SECOND)
    assert error.startswith(f"error: A and B: got {SECOND!r}, a study and also a branch, tag or experiment, ")
    # Said to be revisions of a study, the name is that of the tag.
    rows, printed, _ = compare(SECOND, "after", "--study", "small")
    assert set(rows["note"]) == {SAME} and f"A: {SECOND} (" in printed
