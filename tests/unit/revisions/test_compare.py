"""Two revisions of the default study compared, with real dvc: settings, paired differences, what is refused."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from compared_project import BASELINE, CELL, OTHER, RATE, TEST_ROWS, commit_as, dvc
from small_project import SHARED, STUDY, change
from tiny_project import commit, run

from threephase.base import paths
from threephase.base.files import write_table
from threephase.revisions.comparison import POINTS_ONLY, SAME
from threephase.revisions.published import all_predictions, params_text
from threephase.scores import statistics
from threephase.study.read_params import load_study

pytest_plugins = ["comparing"]
SEEDS = (0, 1)


def predictions(root: Path, cell: str) -> list[pd.DataFrame]:
    """The test rows of each seed as the working tree has them."""
    frames = [pd.read_parquet(root / f"runs/predictions/{cell}/{seed}.parquet") for seed in SEEDS]
    return [frame[frame["split"] == "test"] for frame in frames]


def test_what_a_learning_rate_did(project, compare):
    rows, printed, folder = compare("before", "after")
    by_dvc = json.loads(run(project, "dvc", "params", "diff", "before", "after", "--json"))
    # The file that a reader edits and the one that a run writes.
    changed = {RATE: {"old": 1e-3, "new": 3e-3, "diff": pytest.approx(2e-3)}}
    assert by_dvc == {STUDY: changed, "resolved.yaml": changed}
    assert f"1 parameter differs. {RATE}: 0.001 -> 0.003" in printed
    after = predictions(project, CELL)
    run(project, "git", "checkout", "--quiet", "before")
    run(project, "dvc", "checkout", "--force")
    before = predictions(project, CELL)
    hits = [np.stack([100.0 * (frame["label"] == frame["predicted"]) for frame in side]) for side in (before, after)]
    expected = statistics.mean_interval(hits[1] - hits[0], 0.95, 3)
    row = rows.loc[(CELL, "accuracy")]
    assert (row["a"], row["b"]) == pytest.approx((hits[0].mean(), hits[1].mean()))
    values = row[["difference", "ci_low", "ci_high"]].astype(float)
    assert values.tolist() == pytest.approx([expected.mean, expected.low, expected.high])
    assert expected.mean > 0 and row["seeds"] == "0, 1" and int(row["n_test"]) == TEST_ROWS
    alike = np.mean(
        [
            first["predicted"].to_numpy() == second["predicted"].to_numpy()
            for first, second in zip(before, after, strict=True)
        ]
    )
    assert float(row["alike"]) == pytest.approx(100 * alike) and alike < 1
    # What the change does not touch has the same predictions.
    assert set(rows.loc[OTHER, "note"]) == set(rows.loc[BASELINE, "note"]) == {SAME}
    assert set(rows["from_a"]) == set(rows["from_b"]) == {"cache"}
    assert len(rows) == 6 and folder == Path("reports/compare/before-after")


def test_values_are_those_of_dvc_metrics(project, compare):
    rows, _, _ = compare("before", "after")
    by_dvc = json.loads(run(project, "dvc", "metrics", "diff", "before", "after", "--all", "--json"))
    assert len(by_dvc) == 3
    for file, metrics in by_dvc.items():
        for metric, values in metrics.items():
            row = rows.loc[(Path(file).stem, metric)]
            assert (row["a"], row["b"]) == pytest.approx((values["old"], values["new"]), abs=1e-4)


@pytest.mark.parametrize("revision", ["before", "HEAD", "one_seed", "workspace"])
def test_a_revision_is_the_same_as_itself(compare, revision):
    rows, printed, _ = compare(revision, revision)
    assert (rows[["difference", "ci_low", "ci_high"]].astype(float) == 0).all(axis=None)
    assert set(rows["note"]) == {SAME} and "No parameter differs." in printed


def test_names_of_revisions(project, compare):
    commit_of = run(project, "git", "rev-parse", "before").strip()
    expected, _, _ = compare("before", "HEAD")
    for first in (commit_of, commit_of[:8], "HEAD~1"):
        other, printed, folder = compare(first, "after")
        assert other.equals(expected) and f"A: {first} ({commit_of[:7]})" in printed
        assert folder.name == f"{first}-after" and (folder / "index.html").is_file()


def test_the_working_tree_is_compared_as_it_lies(project, compare):
    change(project, STUDY, {RATE: 2e-3})
    rows, printed, _ = compare("after")
    assert set(rows["note"]) == {SAME} and set(rows["from_b"]) == {"working tree"}
    # The parameter was changed and nothing trained since.
    assert f"workspace: its files say other values than the last run had of {RATE}; dvc repro" in printed
    dvc(project, "repro", "resolve_settings")
    _, printed, _ = compare("after")
    assert "its files say other values" not in printed and f"{RATE}: 0.003 -> 0.002" in printed
    stages = "train_classifier@three_phase-0, train_classifier@three_phase-1"
    assert f"workspace: not run again since settings or code changed: {stages}; dvc repro" in printed
    dvc(project, "repro")
    rows, printed, _ = compare("after")
    assert "its files say other values" not in printed and "not run again" not in printed
    assert not rows.loc[(CELL, "accuracy"), "note"] and float(rows.loc[(CELL, "accuracy"), "alike"]) < 100


def test_what_is_written_otherwise_is_no_other_value(project, compare):
    text = (project / STUDY).read_text(encoding="utf-8")
    (project / STUDY).write_text(text.replace("0.003", "3.0e-3   # tried") + "\n# A note.\n", encoding="utf-8")
    rows, printed, _ = compare("after")
    assert text != (project / STUDY).read_text(encoding="utf-8")
    assert set(rows["note"]) == {SAME} and "other values" not in printed and "No parameter differs." in printed


def test_a_revision_whose_files_were_edited_after_its_run_says_so(project, compare):
    change(project, STUDY, {RATE: 2e-3})
    commit_as(project, "edited")
    rows, printed, _ = compare("after", "edited")
    assert set(rows["note"]) == {SAME} and "No parameter differs." in printed
    assert f"edited: its files say other values than the last run had of {RATE}; dvc repro" in printed


def test_only_the_seeds_that_both_have_are_compared(compare):
    rows, printed, _ = compare("before", "one_seed")
    assert set(rows["seeds"].astype(str)) == {"0"}
    assert rows.loc[(CELL, "accuracy"), "note"] == "seed 1 only in A"
    assert rows.loc[(OTHER, "accuracy"), "note"] == f"{SAME}; seed 1 only in A"
    assert "seeds: [0, 1] -> [0]" in printed and set(rows["ci_kind"]) == {"test rows only"}


def test_other_test_rows_are_said(project, compare):
    for seed in SEEDS:
        file = project / f"runs/predictions/{OTHER}/{seed}.parquet"
        frame = pd.read_parquet(file).iloc[2:]
        file.unlink()
        frame.to_parquet(file, index=False)
    file = project / f"runs/predictions/{CELL}/1.parquet"
    frame = pd.read_parquet(file)
    file.unlink()
    frame.assign(label=frame["label"].to_numpy()[::-1]).to_parquet(file, index=False)
    rows, printed, _ = compare("after")
    assert rows.loc[(OTHER, "accuracy"), "note"] == "4 test rows only in A"
    assert int(rows.loc[(OTHER, "accuracy"), "n_test"]) == TEST_ROWS - 2
    assert (rows.loc[OTHER, "difference"].astype(float) == 0).all()
    assert rows.loc[(CELL, "accuracy"), "note"].startswith("not paired: test rows: got label 'metal' in A and ")
    assert rows["ci_low"].isna().sum() == 2


def test_without_the_cache_published_predictions_serve_else_point_values(project, compare):
    table = all_predictions(load_study("small"))
    write_table(paths.published("small") / "predictions.parquet", table[table["variant"] != "ft"])
    (paths.published("small") / "params.yaml").write_text(params_text(load_study("small")), encoding="utf-8")
    commit_as(project, "published")
    change(project, str(paths.published("small") / "params.yaml"), {"seeds": [0, 1, 2]})
    commit_as(project, "published_otherwise")
    whole, _, _ = compare("before", "published")
    commit_of = run(project, "git", "rev-parse", "before")
    dvc(project, "remote", "add", "--default", "store", str(project.parent / "store"))
    run(project, "git", "checkout", "--quiet", "before")
    dvc(project, "push")
    run(project, "git", "checkout", "--quiet", "-")
    shutil.rmtree(project / ".dvc/cache")
    rows, printed, _ = compare("published", "workspace")
    assert rows.loc[(CELL, "accuracy"), ["from_a", "note"]].tolist() == ["published", SAME]
    # The lock alone says nothing of files that lie in the working tree.
    assert rows.loc[(OTHER, "accuracy"), ["from_a", "note"]].tolist() == ["", POINTS_ONLY]
    said = "published_otherwise: reports/published/small was made with other values of seeds"
    assert said in compare("before", "published_otherwise")[1]
    rows, printed, _ = compare("before", "published")
    assert set(rows.loc[CELL, "note"]) == {POINTS_ONLY} and rows.loc[CELL, "ci_low"].isna().all()
    values = rows.loc[CELL, ["a", "b", "difference"]].astype(float)
    assert np.allclose(values, whole.loc[CELL, ["a", "b", "difference"]].astype(float), atol=1e-4)
    assert "the predictions of before are not in the cache (1 of 3 cells), so that only point values" in printed
    assert "No predictions are here: compared is what git keeps" in printed
    how = f"git checkout {commit_of[:7]}; dvc fetch (from a remote) or dvc repro; git checkout -"
    assert how in printed
    # The checksums of the two locks tell that nothing has changed, though no file is there to show it.
    assert set(rows.loc[OTHER, "note"]) == set(rows.loc[BASELINE, "note"]) == {SAME}
    assert (rows.loc[OTHER, "difference"].astype(float) == 0).all()
    # What is said to do brings them back.
    run(project, "git", "checkout", "--quiet", commit_of[:7])
    dvc(project, "fetch")
    run(project, "git", "checkout", "--quiet", "-")
    again, _, _ = compare("before", "published")
    compared = [column for column in whole if column not in ("from_a", "from_b")]
    pd.testing.assert_frame_equal(again[compared], whole[compared])
    assert again.loc[(CELL, "accuracy"), ["from_a", "from_b"]].tolist() == ["cache", "published"]


def test_what_can_not_be_compared_is_refused_in_one_line(project, refusal):
    error = refusal("nonsense", "HEAD")
    assert error.startswith("error: revision: got 'nonsense', expected a commit, branch or tag")
    error = refusal("empty", "HEAD")
    assert f"cells: empty has none and HEAD has {CELL}, {OTHER}, {BASELINE}, expected one in common" in error
    run(project, "git", "mv", STUDY, "other.yaml")
    assert refusal("HEAD", "workspace").startswith(f"error: {STUDY}: no such file")
    run(project, "git", "mv", "other.yaml", STUDY)
    change(project, STUDY, {"seeds": 3})
    commit_as(project, "broken")
    change(project, STUDY, {"seeds": [0, 1]})
    assert not (project / "reports/compare").exists()
    error = refusal("broken", "workspace")
    assert error.startswith("error: dvc.yaml in broken: dvc can't fill it in (")
    file = next((project / "runs/predictions" / CELL).glob("*.parquet"))
    run(project, "git", "checkout", "--quiet", "--force", "after")
    frame = pd.read_parquet(file).drop(columns="predicted")
    file.unlink()
    frame.to_parquet(file, index=False)
    assert f"{file.relative_to(project)}: predicted: the column is missing" in refusal("HEAD", "workspace")
    stray = project / "runs/predictions" / BASELINE / "mine.parquet"
    frame.to_parquet(stray, index=False)
    assert f"{stray.name}: got a file not named by a seed" in refusal("HEAD", "workspace")
    shutil.rmtree(project / ".git")
    assert refusal("HEAD", "workspace").endswith("is not a git repository\n")


def test_names_and_values_are_text_on_the_page(project, compare):
    shared = (project / SHARED).read_text(encoding="utf-8")
    (project / SHARED).write_text(shared.replace("title: Three phases,", 'title: "<script>|*x*",', 1), encoding="utf-8")
    dvc(project, "repro", "--force", "resolve_settings")
    run(project, "git", "checkout", "--quiet", "-b", "a<b>/c")
    commit(project)
    _, _, folder = compare("after", "a<b>/c")
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert "<script>" not in page and "&lt;script&gt;|*x*" in page and "a&lt;b&gt;/c" in page
    assert folder == Path("reports/compare/after-a_b__c")
    assert not re.search(r"@import|url\(|https?://|src=", page) and len(page.encode()) < 60_000
    text = (folder / "comparison.md").read_text(encoding="utf-8")
    assert r"\<script\>\|\*x\*" in text and "the same predictions" in text
    assert sorted(file.name for file in folder.iterdir()) == ["comparison.csv", "comparison.md", "index.html"]
    assert "??" not in run(project, "git", "status", "--porcelain")
