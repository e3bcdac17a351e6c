"""Your own texts: one command makes two folders on which the study runs as they stand, or says why not."""

from pathlib import Path

import pandas as pd
import pytest
import tiny_project
from ruamel.yaml import YAML
from small_project import change, contents, error_line, make_project, run_stage, run_stages

from stages.common.config import load_dataset, load_study

CLASSES = {"fruit": "apple", "metal": "iron", "tree": "oak"}
GIVEN = {"--file": "reviews.csv", "--text-column": "review", "--label-column": "topic"}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with the default study, as in a clone, and a messy table of 30 rows."""
    monkeypatch.chdir(tmp_path)
    make_project(tmp_path)
    (tmp_path / "benchmarks/small").rename(tmp_path / "benchmarks/bbc")
    change(tmp_path, "benchmarks/bbc/params.yaml", {"name": "bbc"})
    messy_rows().to_csv(tmp_path / "reviews.csv", index=False, encoding="utf-8-sig")
    return tmp_path


def test_what_was_read_is_told_and_labels_that_differ_in_case_or_spaces_are_named(project):
    rows = messy_rows()
    rows.loc[0, "topic"] = "Fruit"
    rows.to_csv(project / "reviews.csv", index=False)
    result = add(project, split_column="part")
    assert result.stderr == (
        "warning: labels 'Fruit' and 'fruit' differ in case or spaces alone and count as different classes\n"
    )
    assert result.stdout.startswith("30 rows; labels: Fruit 1, fruit 9, metal 10, tree 10\n")


def messy_rows() -> pd.DataFrame:
    rows = [
        (f'the  "{word}",\nnumber {i} \N{DECIDUOUS TREE}', topic) for topic, word in CLASSES.items() for i in range(10)
    ]
    frame = pd.DataFrame(rows, columns=["review", "topic"])
    return frame.assign(part=["test" if i % 5 == 0 else "train" for i in range(len(frame))], stars=3)


def add(root: Path, name: str = "my_data", **changes: str | None):
    options = GIVEN | {f"--{key.replace('_', '-')}": value for key, value in changes.items()}
    words = [word for option, value in options.items() if value is not None for word in (option, value)]
    return run_stage(root, "add_benchmark", name, *words)


def test_two_folders_are_written_that_every_check_accepts(project):
    result = add(project)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "30 rows, 6 of them for the test; labels: fruit 10, metal 10, tree 10\n"
        "data/my_data and benchmarks/my_data are written; the study on them:\ndvc repro benchmarks/my_data/dvc.yaml\n"
    )
    run_stages(project, "fetch_data --dataset my_data", "prepare_data --dataset my_data")
    examples = pd.read_parquet(project / "data/my_data/examples.parquet")
    assert examples["split"].value_counts().to_dict() == {"train": 24, "test": 6}
    assert examples["text"][0] == 'the "apple", number 0 \N{DECIDUOUS TREE}'
    study, default = load_study("my_data"), load_study("bbc")
    assert study.benchmark.protocol == "described" and study.benchmark.seeds == [0, 1, 2]
    assert study.benchmark.run_encoders == study.benchmark.run_representations == ["minilm_l6"]
    assert study.benchmark.primary_metric == "macro_f1"
    cells, control = default.benchmark.run_variants.summarize_cell, "no_imbalance_equal_updates"
    assert control in cells
    assert study.benchmark.run_variants.summarize_cell == [cell for cell in cells if cell != control]
    for root in ("data", "benchmarks"):
        assert (project / root / "my_data/dvc.yaml").read_bytes() == (project / root / "pipeline.yaml").read_bytes()
    assert "not chosen on your data" in " ".join((project / "benchmarks/my_data/params.yaml").read_text().split())
    assert YAML(typ="safe").load(project / "data/my_data/params.yaml")["source"] == {"files": "reviews.csv"}


def test_splits_of_a_column_or_of_files_are_kept(project):
    assert add(project, "by_column", split_column="part").returncode == 0
    by_column = load_dataset("by_column")
    assert by_column.test_rows is None and by_column.source.split_column == "part"
    for part, rows in messy_rows().groupby("part"):
        rows.to_json(project / f"{part}.jsonl", orient="records", lines=True)
    words = ["--file", "train=train.jsonl", "--file", "test=test.jsonl", "--text-column", "review"]
    words += ["--label-column", "stars", "--label-column", "topic"]
    assert run_stage(project, "add_benchmark", "by_file", *words).returncode == 0
    by_file = load_dataset("by_file")
    assert by_file.source.files == {"train": "train.jsonl", "test": "test.jsonl"}
    assert by_file.test_rows is None and by_file.label_columns == ["stars", "topic"]


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("bbc", {}, "name: got 'bbc', for which benchmarks/bbc exists; expected another name"),
        ("small", {}, "name: got 'small', for which data/small exists; expected another name"),
        ("../mine", {}, "name: got '../mine', expected a letter, then letters, digits or _"),
        ("mine", {"text_column": "text"}, "reviews.csv: got columns review, topic, part, stars, expected 'text' among"),
        ("mine", {"label_column": "label"}, "reviews.csv: got columns review, topic, part, stars, expected 'label' am"),
        ("mine", {"split_column": "fold"}, "reviews.csv: got columns review, topic, part, stars, expected 'fold' amon"),
        ("mine", {"split_column": "topic"}, "reviews.csv: row 1: split: got 'fruit', expected one of: train, validat"),
        ("mine", {"label_column": "stars"}, "own files reviews.csv: got one class only (3), expected at least two"),
        (
            "mine",
            {"label_column": "review"},
            "--label-column: got review with 30 labels in 30 rows, expected 5 rows a ",
        ),
        ("mine", {"file": "no.csv"}, "--file: no.csv: no such file"),
        ("mine", {"file": "reviews.xlsx"}, "--file: reviews.xlsx: got '.xlsx', expected a file that ends in .csv, .js"),
        ("mine", {"file": "train=reviews.csv"}, "--file: reviews.csv: no such file"),
        ("mine", {"file": "empty.csv"}, "empty.csv: got 0 rows, expected at least two classes of them"),
    ],
)
def test_what_cannot_become_a_study_is_refused_before_anything_is_written(project, name, changes, said):
    (project / "empty.csv").write_text("review,topic\n", encoding="utf-8")
    if changes.get("file") == "train=reviews.csv":
        (project / "reviews.csv").unlink()
    before = contents(project)
    assert error_line(add(project, name, **changes)).startswith(said)
    assert contents(project) == before


def test_files_that_do_not_name_one_split_each_are_refused(project):
    for files, said in (
        (
            ["reviews.csv", "more.csv"],
            "--file: got reviews.csv, more.csv, expected one file or folder, or one file a sp",
        ),
        (["train=a.csv", "train=b.csv"], "--file: got train=a.csv, train=b.csv, expected each split once"),
        (
            ["train=reviews.csv", "test=reviews.csv"],
            "reviews.csv: got the same content as reviews.csv for split 'test'",
        ),
    ):
        words = [word for file in files for word in ("--file", file)]
        result = run_stage(
            project, "add_benchmark", "mine", *words, "--text-column", "review", "--label-column", "topic"
        )
        assert error_line(result).startswith(said)


def test_dvc_runs_the_study_on_your_own_texts(tmp_path):
    root = tiny_project.make_tiny_project(tmp_path / "project")
    messy_rows().to_csv(root / "reviews.csv", index=False)
    assert add(root).returncode == 0
    values = {"seeds": [0], "hyperparameters.minilm_l6.max_epochs_classifier": 2}
    change(root, "benchmarks/my_data/params.yaml", values)
    tiny_project.run(root, "dvc", "repro", "benchmarks/my_data/dvc.yaml:summarize_cell@minilm_l6-ft")
    assert (root / "reports/my_data/metrics/minilm_l6-ft.json").is_file()
