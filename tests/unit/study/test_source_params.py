"""The parameters of data sets, encoders and their sources: every refusal names file, key and value."""

import pytest
from small_project import DATASET, ENCODER, SHARED, change, make_project

from threephase.base.errors import UserError
from threephase.study.read_params import load_dataset, load_study

# What is changed in which file, and what the refusal says after the file's name.
REFUSED = [
    (DATASET, {"source": {}}, "source: got none, expected one of: hub, folder, python_package, files"),
    (DATASET, {"source": {"hug": "x"}}, "source.hug: unknown key (did you mean 'hub'?), expected one of: hub, folder"),
    (DATASET, {"source": {"files": ""}}, "source.files: got '', expected something that is not empty"),
    (
        DATASET,
        {"source": {"files": "a\n  x:\n    cmd:\n    - touch b"}},
        "source.files: got 'a\\n x:\\n cmd:\\n - touch",
    ),
    (
        DATASET,
        {"source": {"files": {"train": "${x}"}}},
        "source.files: got {'train': '${x}'}, expected something that ",
    ),
    (DATASET, {"source": {"files": "a.csv", "folder": "b"}}, "source.folder: got it besides source.files, expected yo"),
    (DATASET, {"source": {"files": {"dev": "a.csv"}}}, "source.files: got 'dev', expected one of: train, validation, "),
    (
        DATASET,
        {"source": {"files": {"train": "a.csv"}, "split_column": "part"}},
        "source.split_column: expected it only where source.files is one file or folder",
    ),
    (
        DATASET,
        {"source": {"folder": "b"}},
        "source.splits: the key is missing, expected the source's split or file by ours",
    ),
    (
        DATASET,
        {"source": {"folder": "b", "splits": {"dev": "b"}}},
        "source.splits: got 'dev', expected one of: train, validation, test, unlabelled",
    ),
    (
        DATASET,
        {"source": {"hub": {"id": "a/b"}, "splits": {"train": "train"}}},
        "source.hub.revision: the key is missing, expected a text",
    ),
    (
        DATASET,
        {"source": {"hub": {"id": "a/b", "revision": "main"}}},
        "source.splits: the key is missing, expected the ",
    ),
    (
        DATASET,
        {"source": {"hub": {"id": "a/b", "revision": "c", "splits": {"train": "d"}, "columns": {"txt": "e"}}}},
        "source.hub.columns: got 'txt', expected one of: text, label",
    ),
    (
        DATASET,
        {"source": {"python_package": {"package": "p", "version": "1"}}},
        "source.python_package.folder: the key is missing, expected a text",
    ),
    (DATASET, {"folds": 1}, "folds: got 1, expected a number at least 2"),
    (DATASET, {"folds": 5}, "folds: got 5 besides a test set, expected one of the two"),
    (
        DATASET,
        {"class_names": {0: "good", 1: "bad"}, "positive_class": "nice"},
        "positive_class: got 'nice', expected one of: good, bad",
    ),
    (DATASET, {"text_lengths": ["tiny"]}, "text_lengths: got ['tiny'], expected a list, none of them twice, of: short"),
    (ENCODER, {"package": ...}, "package: the key is missing, expected a text for source 'python_package'"),
    (ENCODER, {"sha256": None}, "sha256: the key is missing, expected a text for source 'python_package'"),
    ("encoders/minilm_l12.yaml", {"revision": ...}, "revision: the key is missing, expected a text for source 'hub'"),
    (SHARED, {"sources.order": ["hug"]}, "sources.order: got ['hug'], expected a list, none of them twice, of: folder"),
]


@pytest.mark.parametrize(("file", "values", "said"), REFUSED)
def test_refused_before_anything_is_fetched(tmp_path, monkeypatch, file, values, said):
    monkeypatch.chdir(tmp_path)
    change(make_project(tmp_path), file, values)
    with pytest.raises(UserError) as refusal:
        load_study()
    assert str(refusal.value).startswith(f"{file}: {said}")


def test_folds_and_a_test_split_exclude_each_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_project(tmp_path)
    files = {"train": "a.csv", "test": "b.csv"}
    change(tmp_path, DATASET, {"test_rows": None, "folds": 5, "source": {"files": files}})
    with pytest.raises(UserError, match="folds: got 5 besides a test set, expected one of the two"):
        load_dataset("small")
    change(tmp_path, DATASET, {"source": {"files": "a.csv"}})
    assert load_dataset("small").folds == 5
