"""Bad data as a user meets it: the stage's one line and exit status 2 with nothing written, or a warning and a run."""

import json
from pathlib import Path

import pandas as pd
import pytest
from small_project import (
    DATASET,
    ROWS,
    change,
    contents,
    error_line,
    make_pipelines,
    make_project,
    run_stage,
    run_stages,
)

RESOLVE, FETCH, PREPARE = "resolve_settings", "fetch_data", "prepare_data"
SPLIT_ROWS = "text,label,part\na,0,train\nb,1,train\nc,-1,test\nd,-1,test\n"
TEST_SPLIT = {"test_rows": None, "source.split_column": "part"}


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


@pytest.mark.parametrize(
    ("content", "values", "said"),
    [
        ("text,topic\na,x\n", {}, f"{ROWS}: got columns text, topic, expected 'label' among them"),
        ("text,label\n", {}, f"{ROWS}: got 0 rows, expected some"),
        (
            "text,label\na,x\n",
            {"source.files": {"train": ROWS, "test": ROWS}},
            f"{ROWS}: got the same content as {ROWS} for split 'test' and 'train', expected different rows",
        ),
        (
            "text,label\na,x\n",
            {"source": {"hub": {"id": "no such id", "revision": "main"}, "splits": {"train": "train"}}},
            "hub dataset no such id at revision main: the hub has no such repository, or you may not read it; see",
        ),
    ],
    ids=["column", "empty", "same", "id"],
)
def test_what_cannot_be_fetched(project, content, values, said):
    (project / ROWS).write_text(content, encoding="utf-8")
    change(project, DATASET, values)
    make_pipelines(project)
    run_stages(project, RESOLVE)
    before = contents(project)
    assert error_line(run_stage(project, *FETCH.split())).startswith(said)
    assert contents(project) == before


@pytest.mark.parametrize(
    ("content", "values", "said"),
    [
        (
            None,
            {"expected.rows": 61},
            f"own files {Path(ROWS).name}: got 60 rows, expected 61; mend it, or correct 'expected' in ",
        ),
        (None, {"expected.sha256": "0" * 64}, f"own files {Path(ROWS).name}: got content with sha256 "),
        (
            None,
            {"class_names": {"fruit": "Fruit", "metal": "Metal"}},
            f"{ROWS}: row 41: label: got label 'tree', expected one of: fruit (Fruit), metal (Metal); mend or remove ",
        ),
        (
            SPLIT_ROWS,
            TEST_SPLIT,
            f"{ROWS}: row 3: label: every label of the split 'test' is hidden (-1), expected labels",
        ),
        (
            "text,top,leaf\na,animal,cat\nb,plant,\n",
            {"label_columns": ["top", "leaf"]},
            f"{ROWS}: row 2: leaf: got 1 levels of labels (plant), expected 2 in every row; mend or remove the row",
        ),
        (
            SPLIT_ROWS.replace("-1", "1"),
            {"test_rows": None, "folds": 5, "source.split_column": "part"},
            f"own files {Path(ROWS).name}: got test rows besides folds (5), expected one of the two",
        ),
        (
            SPLIT_ROWS.replace("-1", "1").replace("train", "validation"),
            TEST_SPLIT,
            f"own files {Path(ROWS).name}: got no training rows, expected a split 'train'",
        ),
    ],
    ids=["rows", "sha256", "undeclared", "hidden", "depth", "folds", "train"],
)
def test_what_cannot_be_prepared(project, content, values, said):
    if content is not None:
        (project / ROWS).write_text(content, encoding="utf-8")
    change(project, DATASET, values)
    run_stages(project, RESOLVE, FETCH)
    before = contents(project)
    assert error_line(run_stage(project, *PREPARE.split())).startswith(said)
    assert contents(project) == before


def test_test_texts_that_also_stand_in_training_are_counted_and_warned_of(project):
    (project / ROWS).write_text(SPLIT_ROWS.replace("-1", "1").replace("d,", "a,"), encoding="utf-8")
    change(project, DATASET, TEST_SPLIT | {"deduplicate": False})
    run_stages(project, RESOLVE, FETCH)
    result = run_stage(project, *PREPARE.split())
    said = f"warning: own files {Path(ROWS).name}: 1 test rows have a text that also stands in the training rows\n"
    assert (result.returncode, result.stderr) == (0, said)
    manifest = json.loads((project / "runs/data/manifest.json").read_text(encoding="utf-8"))
    assert manifest["texts_also_in_train"] == {"validation": 0, "test": 1}


def test_odd_files_are_prepared(project):
    rows = [
        ("word " * 20_000, "long"),
        ('line one\nline two, "quoted"', "lines"),
        ("café", "short"),
        ("naïve", "lines"),
    ]
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(project / ROWS, index=False, encoding="utf-8-sig")
    change(project, DATASET, {"test_rows": 2})
    run_stages(project, RESOLVE, FETCH, PREPARE)
    examples = pd.read_parquet(project / "runs/data/examples.parquet")
    assert examples["text"].tolist() == [" ".join(text.split()) for text, _ in rows]
