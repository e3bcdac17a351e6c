"""A data set made of parts of others, for studies under shift: its rows, where they come from, and each refusal."""

import json
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML
from small_project import DATASET, STUDY, change, make_pipelines, make_project, run_stages

from threephase.base.errors import UserError
from threephase.data import cleaning
from threephase.data.raw_rows import READ_FROM, ROW
from threephase.data.sources import read_source
from threephase.study.read_params import load_dataset
from threephase.study.source_params import Sources

SOURCES = Sources(["folder", "hub", "python_package"], None, None)
BOTH = Path("data/both.yaml")
REST = {
    "title": "x", "text_columns": ["text"], "label_columns": ["label"], "deduplicate": True, "test_rows": None
}  # fmt: skip
CLASSES, OTHER_CLASSES = {"fruit": "food", "metal": "ore"}, {"F": "food", "M": "ore"}
NEAR = {"dataset": "near", "splits": {"train": "train", "validation": "test"}, "classes": CLASSES}
FAR = {"dataset": "far", "splits": {"test": "test"}, "classes": OTHER_CLASSES, "sample_rows": 6}
FAR_TOO = {"dataset": "far", "splits": {"train": "train"}, "classes": OTHER_CLASSES, "sample_rows": 4}


def define(name: str, **content) -> None:
    YAML().dump(REST | content, Path(f"data/{name}.yaml"))


def table(name: str, labels: list[str], each: int) -> str:
    """A file with so many rows of each label, and the first of them twice."""
    rows = [(f"{name}  {label} {number}", label) for number in range(each) for label in labels]
    pd.DataFrame([rows[0], *rows], columns=["text", "label"]).to_csv(f"{name}.csv", index=False)
    return f"{name}.csv"


@pytest.fixture(autouse=True)
def data_sets(tmp_path, monkeypatch):
    """``near`` has three classes and draws its test rows, ``far`` has two files."""
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    define("near", source={"files": table("near", ["fruit", "metal", "tree"], 10)}, test_rows=9)
    far = {"train": table("far", ["F", "M", "T"], 8), "test": table("far_test", ["F", "M", "T"], 8)}
    define("far", source={"files": far})


def read() -> tuple[pd.DataFrame, dict]:
    return read_source(load_dataset("both"), SOURCES, BOTH)


def counts(rows: pd.DataFrame) -> dict:
    return rows.groupby(["split", "label"]).size().to_dict()


def test_rows_are_those_that_the_other_definitions_prepare_under_the_common_names():
    define("both", source={"parts": [NEAR, FAR]})
    rows, used = read()
    origin = "near (own files near.csv) and far (own files far.csv, far_test.csv)"
    assert used == {"kind": "parts", "origin": origin, "passed_over": {}}
    near = load_dataset("near")
    read_near, used_near = read_source(near, SOURCES, Path("data/near.yaml"))
    prepared = cleaning.prepared(cleaning.clean(read_near, near), near, used_near)
    prepared = prepared[prepared["label"] != "tree"]
    for ours, theirs in NEAR["splits"].items():
        got, expected = rows[rows["split"] == ours], prepared[prepared["split"] == theirs]
        assert got["text"].tolist() == expected["text"].tolist()
        assert got["label"].tolist() == expected["label"].map(CLASSES).tolist()
    test = rows[rows["split"] == "test"]
    assert counts(test) == {("test", "food"): 3, ("test", "ore"): 3} and test["text"].str.startswith("far_test").all()
    # Each stands where the other data set has read it.
    for _, row in rows.iterrows():
        source = pd.read_csv(row[READ_FROM].partition(",")[0])
        assert " ".join(source["text"].iloc[row[ROW] - 1].split()) == row["text"]


def test_a_sample_of_the_other_data_set_trains_too_and_changes_no_other_row():
    define("both", source={"parts": [NEAR, FAR]})
    without, _ = read()
    define("both", source={"parts": [NEAR, FAR, FAR_TOO]})
    rows, used = read()
    assert used["origin"].count("far (") == 1
    pd.testing.assert_frame_equal(rows.iloc[: len(without)].astype(object), without.astype(object))
    added = rows.iloc[len(without) :]
    assert counts(added) == {("train", "food"): 2, ("train", "ore"): 2} and added["text"].str.startswith("far ").all()


def refused(call) -> str:
    with pytest.raises(UserError) as error:
        call()
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) <= 300
    return str(error.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            {"parts": [NEAR | {"dataset": "neer"}]},
            "source.parts[0].dataset: got 'neer', expected one of: both, far, ne",
        ),
        (
            {"parts": [NEAR, FAR | {"dataset": "both"}]},
            "source.parts[1].dataset: got 'both', which has parts too, expec",
        ),
        (
            {"parts": [NEAR | {"splits": {"dev": "train"}}]},
            "source.parts[0].splits: got 'dev', expected one of: train, ",
        ),
        (
            {"parts": [NEAR | {"splits": {"train": "test", "test": "test"}}]},
            "source.parts[0].splits: got {'train': 'te",
        ),
        ({"parts": [NEAR | {"classes": {}}]}, "source.parts[0].classes: got {}, expected something that is not empty"),
        (
            {"parts": [NEAR, FAR | {"classes": {"F": "food", "T": "tree"}}]},
            "source.parts: got the class 'tree' in no part with the split 'train', expected one",
        ),
        ({"parts": [NEAR], "folder": "x"}, "source.folder: got it besides source.parts, expected parts alone"),
        ({"parts": [NEAR], "files": "x"}, "source.parts: got it besides source.files, expected your own files alone"),
        ({"parts": []}, "source: got none, expected one of: hub, folder, python_package, files, parts"),
    ],
)
def test_what_no_source_is_made_of_is_refused_before_anything_is_read(source, said):
    define("both", source=source)
    assert refused(lambda: load_dataset("both")).startswith(f"{BOTH}: {said}")


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"classes": {"F": "food", "X": "ore"}}, "'X', expected one of: F, M, T"),
        ({"splits": {"test": "validation"}}, "'F', expected one of: (none)"),
    ],
)
def test_a_class_that_the_other_split_lacks_is_refused(other, said):
    define("both", source={"parts": [NEAR, FAR | other]})
    assert refused(read) == f"{BOTH}: source.parts[1].classes: got {said}"


def test_folds_and_a_part_for_the_test_exclude_each_other():
    define("both", source={"parts": [NEAR, FAR]}, folds=5)
    assert "folds: got 5 besides a test set" in refused(lambda: load_dataset("both"))


def test_a_study_depends_on_the_definitions_and_files_of_its_parts(tmp_path):
    root = make_project(tmp_path / "project")
    other = {"dataset": "other", "splits": {"test": "train"}, "classes": {"fruit": "fruit", "tree": "tree"}}
    own = {"dataset": "small", "splits": {"train": "train"}, "classes": {"fruit": "fruit", "tree": "tree"}}
    content = (root / DATASET).read_bytes()
    for name in ("other", "both"):
        (root / f"data/{name}.yaml").write_bytes(content)
    change(root, "data/other.yaml", {"test_rows": None})
    change(root, "data/both.yaml", {"source": {"parts": [own, other]}, "test_rows": None, "deduplicate": False})
    change(root, STUDY, {"dataset": "both"})
    make_pipelines(root)
    run_stages(root, "resolve_settings", "fetch_data", "prepare_data")
    pipeline = (root / "dvc.yaml").read_text(encoding="utf-8")
    outside = pipeline[: pipeline.index("  fetch_data:\n")]
    for file in ("data/both.yaml", DATASET, "data/other.yaml", "data/small/rows.csv"):
        assert outside.count(f"      - {file}\n") == 1, file
    settings = json.loads((root / "runs/settings/fetch_data.json").read_text(encoding="utf-8"))
    assert "data/small/rows.csv" in settings["files"]
    manifest = json.loads((root / "runs/data/manifest.json").read_text(encoding="utf-8"))
    # Both read the same file here: each of small's training texts is tested on, and counted.
    train = manifest["rows_by_split"]["train"]
    assert manifest["rows_by_split"] == {"test": 40, "train": train}
    assert 0 < manifest["texts_also_in_train"]["test"] == train < 40
    assert manifest["source"]["origin"] == "small (own files rows.csv) and other (own files rows.csv)"
