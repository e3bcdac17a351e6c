"""Single files of a reader, the whole way: what add_study says of them, and what the stages behind it make of them."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import psutil
import pytest
from small_project import REPOSITORY, make_project, run_stage, run_stages, use_encoder
from tiny_encoder import TEXTS, make_bert

from threephase.study.read_params import load_dataset, load_study

OPTIONS = ("--file", "a.csv", "--text-column", "text", "--label-column", "label")
DATA_STAGES = ("resolve_settings", "fetch_data", "prepare_data", "split_data --seed 0")
MEASURES = 150e6  # bytes of a process that has imported torch


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_project(tmp_path)


def write(rows: list[tuple[str, str]]) -> None:
    pd.DataFrame(rows, columns=["text", "label"]).to_csv("a.csv", index=False)


def added(project: Path, *options: str) -> str:
    """What add_study prints."""
    result = run_stage(project, "add_study", "mine", *OPTIONS, "--no-estimate", *options)
    assert result.returncode == 0, result.stderr
    return result.stdout


def examples_of(project: Path) -> pd.DataFrame:
    """What the stages make of the study's file, with the part of each row for the first seed."""
    run_stages(project, *(f"{stage} --study mine" for stage in DATA_STAGES))
    return pd.read_parquet(project / "studies/mine/runs/data/examples.parquet")


def test_a_class_of_one_row_is_named_and_the_study_of_it_runs(project):
    write([(f"{word} {n}", word) for word in ("oak", "elm", "ash", "fir") for n in range(50)] + [("yew 0", "yew")])
    said = added(project)
    assert "- Classes without a test row, so that nothing measures them: `yew`.\n" in said
    assert "- Classes with fewer than 8 training rows besides those for validation: hardly learned: `yew`.\n" in said
    assert "| `oak` | 40 | 10 | ±26 points |\n| `yew` | 1 | 0 | not at all |\n" in re.sub(" +", " ", said)
    examples = examples_of(project)
    assert examples[examples["label"] == "yew"]["split"].tolist() == ["train"]
    assert (examples[examples["split"] == "test"]["label"].value_counts() == 10).all()
    counts = pd.read_csv(project / "studies/mine/runs/splits/0/class_counts.csv").set_index("label")
    assert counts.loc["yew", ["train", "validation", "test"]].tolist() == [1, 0, 0]


@pytest.mark.parametrize(("long", "limit", "cut"), [(100, 64, "100.0%"), (4, 8, "4.0%")])
def test_the_limit_for_texts_of_300_words_and_the_share_that_it_cuts_are_said(project, long, limit, cut):
    """On a tiny encoder, which takes 64 tokens: a word is one, and two stand around a text."""
    use_encoder(project, make_bert(project / "encoder"))
    write([(f"{'red ' * (299 if n < long else 5)}{n}", "xy"[n % 2]) for n in range(100)])
    said = added(project)
    assert f"The limit (max_length) is {limit} and cuts {cut}." in said
    assert (f"cuts {cut}. The encoder takes at most 64." in said) == (long == 100)
    assert load_study("mine").params.hyperparameters["minilm_l6"].max_length == limit
    assert (examples_of(project)["text"].str.split().str.len() == 300).sum() == long


SAME = {"first": ["x"], "majority": ["y"], "drop": []}


@pytest.mark.parametrize("duplicates", SAME)
def test_rows_of_one_text_with_different_labels_are_named_and_settled_as_asked(project, duplicates):
    others = [(f"{label} {n}", label) for label in "xy" for n in range(20)]
    write([*others, ("same", "x"), ("same", "y"), ("same", "y")])
    said = added(project, "--duplicates", duplicates)
    assert "Contradicting labels: 1 text with different ones; " in said
    assert "a.csv row 41 (`x`), a.csv row 42 (`y`), a.csv row 43 (`y`). " in said
    examples = examples_of(project)
    assert examples.loc[examples["text"] == "same", "label"].tolist() == SAME[duplicates]
    assert len(examples) == len(others) + len(SAME[duplicates])


def test_files_that_the_study_reads_are_named_for_git(project):
    Path("texts").mkdir()
    for split in ("train", "test"):
        Path(f"texts/{split}.txt").write_text("".join(f"{split} {label} {n}\n" for label in "xy" for n in range(20)))
        Path(f"{split} labels.txt").write_text(("x\n" * 20) + "y\n" * 20)
    encoder = make_bert(project / "my encoder")
    words = [f"--{option}={split}={file}" for split in ("train", "test") for option, file in
             (("file", f"texts/{split}.txt"), ("labels", f"{split} labels.txt"))]  # fmt: skip
    words += ["--encoder", encoder.name, "--no-estimate"]
    result = run_stage(project, "add_study", "mine", *words)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith(
        "\ngit add data/mine.yaml encoders/my_encoder.yaml studies/mine texts/train.txt texts/test.txt "
        "'train labels.txt' 'test labels.txt' 'my encoder'\n"
    )


def test_a_file_outside_of_the_folder_is_read_where_it_lies(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "a.csv"
    write([(f"{label} {n}", label) for label in "xy" for n in range(20)])
    Path("a.csv").rename(elsewhere)
    words = ("--file", os.path.relpath(elsewhere), *OPTIONS[2:], "--no-estimate")
    assert run_stage(project, "add_study", "mine", *words).stdout.endswith("\ngit add data/mine.yaml studies/mine\n")
    assert load_dataset("mine").source.files == str(elsewhere)


def test_a_killed_command_leaves_no_process_behind(project):
    use_encoder(project, make_bert(project / "encoder"))
    write([(f"{text} {n}", "xy"[n % 2]) for n, text in enumerate(TEXTS * 10)])
    command = subprocess.Popen(
        [sys.executable, "-m", "commands.add_study", "mine", *OPTIONS],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
    )
    started = []
    try:
        until = time.monotonic() + 100
        while not any(process.memory_info().rss > MEASURES for process in started):
            assert command.poll() is None and time.monotonic() < until
            time.sleep(0.1)
            started = psutil.Process(command.pid).children(recursive=True)
        command.kill()
        command.wait()
        _, alive = psutil.wait_procs(started, timeout=3)
        assert not alive
    finally:
        for process in started:
            if process.is_running():
                process.kill()
