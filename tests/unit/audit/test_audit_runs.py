"""The audit of published runs: ours pass the checks, and a switch's effect is the paired difference that was made."""

import json
import shutil

import pandas as pd
import pytest
from ruamel.yaml import YAML
from small_project import REPOSITORY, change, error_line, run_stage
from test_audit import records

from threephase.audit import checks, one_switch, own_runs, recipe
from threephase.audit.item import read, to_text
from threephase.audit.overlap_effect import audit_runs, in_training, read_entries
from threephase.audit.printed import read_printed
from threephase.audit.published_runs import read_published
from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study.read_params import load_datasets, load_published, load_shared

BASE, CELL = "snips_l6", ("minilm_l6", "three_phase")
SWITCH = {"pooling": "cls"}
COUPLED = {"selection_split": "test", "validation_cut": False}


@pytest.fixture(scope="module")
def in_repository():
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        yield


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project with params files, the paper's numbers and one published study."""
    for folder in ("data", "encoders", "paper"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    for file in (paths.SHARED_PARAMS, paths.PARAMS):
        shutil.copyfile(REPOSITORY / file, tmp_path / file)
    shutil.copytree(REPOSITORY / paths.published(BASE), tmp_path / paths.published(BASE))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def publish_copy(root, name, protocol, changes, params=None):
    """Publish the base once more under a protocol of its own, each fold's first five wrong answers put right."""
    own = YAML(typ="safe").load(root / paths.SHARED_PARAMS)["protocols"]["described"] | changes
    change(root, str(paths.SHARED_PARAMS), {f"protocols.{protocol}": own})
    folder = paths.published(name)
    shutil.copytree(root / paths.published(BASE), root / folder)
    change(root, str(folder / "params.yaml"), {"protocol": protocol} | (params or {}))
    frame = pd.read_parquet(root / folder / "predictions.parquet")
    of_cell = (frame["encoder"] == CELL[0]) & (frame["variant"] == CELL[1]) & (frame["split"] == "test")
    wrong = frame[of_cell & (frame["label"] != frame["predicted"])]
    mended = wrong.groupby("seed").head(5).index
    frame.loc[mended, "predicted"] = frame.loc[mended, "label"]
    frame.to_parquet(root / folder / "predictions.parquet", index=False)
    return len(mended)


def published():
    return read_published(load_published())


def test_our_own_runs_pass_every_check(in_repository):
    studies = published()
    item = own_runs.audit(studies)
    assert studies and item.outcome == "passes" and item.finding.count(": 0 findings. ") == 1
    runs = sum(len(study.predictions.groupby(["encoder", "variant", "seed"])) for study in studies)
    assert sum(int(row["Runs"]) for row in records(item)) == runs > 0


def test_a_false_number_among_our_own_is_found(root):
    file = paths.published(BASE) / "runs.csv"
    runs = pd.read_csv(file, keep_default_na=False)
    first = runs[(runs["split"] == "test") & (runs["metric"] == "accuracy")].index[0]
    runs.loc[first, "value"] += 0.4
    runs.to_csv(file, index=False)
    item = own_runs.audit(published())
    assert item.outcome == "finding" and item.finding.count(": 1 findings. ") == 1


def test_the_committed_audit_is_that_of_the_repository(in_repository):
    datasets = load_datasets()
    printed = read_printed(load_shared(), datasets)
    items = checks.of_paper(printed) + checks.of_runs(printed, published(), read_entries(datasets))
    assert read(paths.PUBLISHED_AUDIT) == items, "run make audit"
    text = (REPOSITORY / paths.PUBLISHED_AUDIT.with_suffix(".md")).read_text(encoding="utf-8")
    assert text == to_text(items)


def test_without_a_switched_study_the_item_is_not_run(root):
    item = one_switch.audit(published())
    assert (item.outcome, item.rows) == ("not run", [])


@pytest.mark.parametrize("changes", [SWITCH, COUPLED])
def test_a_switch_has_the_effect_that_was_made(root, changes):
    mended = publish_copy(root, "snips_switched", "mine", changes)
    item = one_switch.audit(published())
    rows = {row["Variant"]: row for row in records(item)}
    assert set(rows) == {"three_phase", "joint", "ft"} and item.outcome == "finding"
    moved = rows["three_phase"]
    assert moved["Difference"].startswith(f"+{100 * mended / 328:.1f} [") and moved["Effect"] == "higher"
    assert moved["Intervals"] == "test rows, clustered by fold"
    assert float(moved["Switched"]) - float(moved["Described"]) == pytest.approx(100 * mended / 328, abs=0.11)
    assert {rows[name]["Effect"] for name in ("joint", "ft")} == {"none, the same answers"}
    assert moved["Switch"] == ", ".join(changes)


def test_more_switches_at_once_are_no_such_study(root):
    publish_copy(root, "snips_switched", "mine", SWITCH | COUPLED)
    assert one_switch.audit(published()).outcome == "not run"


def test_other_settings_are_not_compared(root):
    publish_copy(root, "snips_switched", "mine", SWITCH, {"hyperparameters.minilm_l6.epochs_dae": 5})
    item = one_switch.audit(published())
    (row,) = records(item)
    assert row["Effect"].startswith("not run under described") and item.outcome == "not run"


def test_two_studies_to_compare_with_are_refused(root):
    publish_copy(root, "snips_again", "described", {})
    publish_copy(root, "snips_switched", "mine", SWITCH)
    with pytest.raises(UserError, match="snips_again and reports/published/snips_l6: got two studies of the same"):
        one_switch.audit(published())


def test_both_recipes_are_compared_by_the_published_numbers(in_repository):
    item = recipe.audit(published())
    rows = {row["Study"]: row for row in records(item)}
    for name, row in rows.items():
        results = pd.read_csv(REPOSITORY / paths.published(name) / "results.csv", keep_default_na=False)
        primary = results[results["metric"] == "accuracy"].set_index("variant")["mean"].astype(float)
        assert row["FT"] == f"{primary['ft']:.1f}" and row["FT, ordinary"] == f"{primary['ft_ordinary']:.1f}"
        gain = primary["ft_ordinary"] - primary["ft"]
        assert row["Ordinary minus own settings"].startswith(f"{gain:+.1f} [")
    assert BASE in rows and item.outcome == "finding"


def test_a_test_row_overlaps_where_its_twin_was_trained_on():
    frame = pd.DataFrame(
        {
            "example_id": ["test-1", "test-2", "test-3", "train-9"],
            "split": ["test", "test", "test", "validation"],
        }
    )
    groups = [["test-1", "train-4"], ["test-2", "train-9"], ["test-3", "test-7"]]
    # The twin of the second is a validation row of this run, that of the third is in no training set.
    assert in_training(frame, groups).tolist() == [True, False, False]


def test_our_accuracies_without_overlapping_rows(in_repository):
    studies = [study for study in published() if study.name == BASE]
    entries = read_entries(load_datasets())
    item = audit_runs(studies, entries)
    (row,) = [row for row in records(item) if row["Variant"] == "tfidf_logistic"]
    frames = studies[0].of_cell(("", "tfidf_logistic"))
    twins = set(entries["snips"]["twins"][0])
    kept = right = 0
    for frame in frames.values():
        held_out = set(frame["example_id"])
        for line in frame[frame["split"] == "test"].itertuples():
            if line.example_id in twins and twins - {line.example_id} - held_out:
                continue
            kept, right = kept + 1, right + (line.label == line.predicted)
    assert (int(row["Of them in training"]), row["Without them"]) == (328 - kept, f"{100 * right / kept:.2f}")
    assert kept < 328


def test_counts_of_other_content_are_refused(root):
    (root / paths.DATA_AUDIT).write_text(json.dumps({"snips": {"content_sha256": "0"}}), encoding="utf-8")
    line = error_line(run_stage(root, "publish_audit"))
    assert line.startswith("reports/published/data_audit.json: snips: content_sha256: got 0, expected 8fc7")


def test_the_stages_write_both_forms_of_the_same_items(root):
    for stage, file in (("run_audit", paths.PAPER_AUDIT), ("publish_audit", paths.PUBLISHED_AUDIT)):
        result = run_stage(root, stage)
        assert result.returncode == 0, result.stderr
        items = json.loads((root / file).read_text(encoding="utf-8"))
        text = (root / file.with_suffix(".md")).read_text(encoding="utf-8")
        assert items and all(f"## {item['title']}" in text for item in items)
    # Without the counts the item of overlapping rows says that it was not run.
    assert {item["id"]: item["outcome"] for item in items}["overlap"] == "not run"


def test_a_missing_published_file_is_named(root):
    (root / paths.published(BASE) / "predictions.parquet").unlink()
    line = error_line(run_stage(root, "publish_audit"))
    assert line == f"reports/published/{BASE}/predictions.parquet: no such file; run: make publish STUDY={BASE}"
