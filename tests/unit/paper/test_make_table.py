"""A table of the paper by its command: what dvc is asked for, what is written, and what a failing study leaves."""

import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from paper_project import ALL, CLASSES, add_study, make_paper_project, reproduction, row_of, write_cell
from small_project import change, error_line, make_pipelines, run_stage

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.paper.numbers import find_study
from threephase.paper.runs import bring_up_to_date
from threephase.results.results import read_frame
from threephase.study.read_params import load_studies

DVC = """#!/bin/sh
# Stands for dvc: notes what it is asked for, and fails in the study FAILING.
echo "$@" >> "$ASKED"
if test "$2" = "studies/$FAILING"; then echo "ERROR: failed to reproduce" >&2; exit 255; fi
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_paper_project(tmp_path_factory.mktemp("original") / "project")


@pytest.fixture
def root(original, tmp_path, monkeypatch):
    shutil.copytree(original, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Where the stand-in for dvc, which comes first on the path, notes a line a call."""
    dvc, noted = tmp_path / "bin" / "dvc", tmp_path / "asked"
    dvc.parent.mkdir()
    dvc.write_text(DVC, encoding="utf-8")
    dvc.chmod(0o755)
    monkeypatch.setenv("PATH", str(dvc.parent), prepend=os.pathsep)
    monkeypatch.setenv("ASKED", str(noted))
    monkeypatch.setenv("FAILING", "none")
    return noted


def make_table(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_stage(root, "make_table", *arguments)


def test_two_studies_for_one_cell_are_refused_until_one_steps_back(root, asked):
    add_study(root, "snips_other", "snips", "described", {"minilm_l12": ALL})
    place = ("snips", "described", ("minilm_l12", "ft"))
    with pytest.raises(UserError, match=r"snips/params.yaml and .*snips_other/params.yaml: got two .*snips, described"):
        find_study(reproduction(), *place)
    assert "set reproduces_paper: false" in error_line(make_table(root, "--table", "3", "--encoder", "minilm_l12"))
    change(root, "studies/snips_other/params.yaml", {"reproduces_paper": False})
    assert find_study(reproduction(), *place).params.name == "snips"
    assert not asked.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "3"], "--encoder: got '' for table 3, expected one of: minilm_l12, minilm_l6, roberta_base"),
        (["--table", "3", "--encoder", "minilm_l12", "--protocol", "mine"], "--protocol: got 'mine' for table 3"),
        (["--table", "1", "--encoder", "minilm_l12"], "--encoder: got 'minilm_l12' for table 1, which is of data"),
        (["--table", "1", "--protocol", "described"], "--protocol: got 'described' for table 1, which is of data"),
        (["--table", "5"], "--table: got '5', expected one of: 1, 2, 3, 4, 6, 7"),
        (["--table", "three"], "--table: got 'three', expected one of: 1, 2, 3, 4, 6, 7"),
        (
            ["--table", "4", "--encoder", "minilm_l6", "--protocol", "released"],
            "table 4: no study runs a cell of it with minilm_l6 under released",
        ),
    ],
)
def test_a_table_that_does_not_exist_is_refused(root, asked, arguments, message):
    assert message in error_line(make_table(root, *arguments))
    assert not (root / "reports").exists() and not asked.exists()


def test_a_table_asks_each_study_once_for_exactly_the_cells_that_it_prints(root, asked):
    result = make_table(root, "--table", "3", "--encoder", "minilm_l12")
    assert result.returncode == 0, result.stderr
    cells = " ".join(f"summarize_cell_minilm_l12@minilm_l12-{variant}" for variant in ("three_phase", "joint", "ft"))
    studies = [name for name in CLASSES if name not in ("imdb", "ag_news_partial")]
    expected = {f"--cd studies/{name} repro": set(cells.split()) for name in studies}
    lines = [line.rpartition(" repro ") for line in asked.read_text(encoding="utf-8").splitlines()]
    assert {f"{folder} repro": set(stages.split()) for folder, _, stages in lines} == expected
    assert len(lines) == len(expected) == 5
    *typed, last = result.stdout.splitlines()
    assert typed == [f"> dvc {folder} repro {stages}" for folder, _, stages in lines]
    assert last == "reports/paper/table_3-minilm_l12.md: 15 missing, 10 quoted"


def test_another_protocol_and_a_stand_in_have_cells_and_files_of_their_own(root, asked):
    result = make_table(root, "--table", "4", "--encoder", "roberta_base", "--protocol", "released")
    assert "reports/paper/table_4-roberta_base-released.md" in result.stdout.splitlines()[-1]
    lines = asked.read_text(encoding="utf-8").splitlines()
    assert {line.split()[1] for line in lines} == {
        f"studies/{name}_released" for name in ("sst2", "sst5", "ag_news", "imdb")
    }
    assert sum(len(line.split()) - 3 for line in lines) == 28
    asked.unlink()
    assert "table_4-minilm_l6.md" in make_table(root, "--table", "4", "--encoder", "minilm_l6").stdout
    lines = asked.read_text(encoding="utf-8").splitlines()
    assert [line.split()[1] for line in lines] == ["studies/snips_l6", "studies/ag_news_partial_l6"]
    assert sum(len(line.split()) - 3 for line in lines) == 14


def test_a_table_of_data_prepares_each_data_set_in_one_study(root, asked):
    result = make_table(root, "--table", "1")
    assert result.stdout.splitlines()[-1] == "reports/paper/table_1.md: 18 missing"
    expected = [f"--cd studies/{name} repro prepare_data" for name in CLASSES if name != "ag_news_partial"]
    assert sorted(asked.read_text(encoding="utf-8").splitlines()) == sorted(expected)


def test_make_tables_counts_data_that_any_study_has_prepared(root, asked):
    rows = pd.DataFrame({"text": ["a b"] * 700, "split": "test"})
    file = paths.examples(paths.STUDIES / "snips2_released")
    file.parent.mkdir(parents=True)
    pd.concat([rows.assign(split="train"), rows]).to_parquet(file)
    # The table's own command counts where it prepares: in the study of the paper's text.
    assert make_table(root, "--table", "1").stdout.splitlines()[-1].endswith(": 18 missing")
    assert "reports/paper/table_1.md: 15 missing, 2 disagrees, 1 agrees" in run_stage(root, "make_table").stdout


def test_a_study_that_fails_leaves_one_line_and_what_the_others_made(root, asked, monkeypatch):
    monkeypatch.setenv("FAILING", "snips2")
    result = make_table(root, "--table", "3", "--encoder", "minilm_l12")
    assert len(asked.read_text(encoding="utf-8").splitlines()) == 5
    assert result.returncode == 2
    of_dvc, line = result.stderr.splitlines()
    assert of_dvc == "ERROR: failed to reproduce"
    assert line.startswith("error: dvc failed in snips2, its own message stands above; up to date: ")
    assert all(name in line for name in ("snips,", "sst2", "sst5", "ag_news")) and "make tables" in line
    # The table would show what snips2 left from before as if it were up to date.
    assert not (root / "reports").exists()


def test_an_interrupted_table_waits_for_dvc_and_says_that_it_goes_on(root, monkeypatch):
    waited = []

    class Interrupted:
        def wait(self) -> int:
            waited.append(self)
            if len(waited) == 1:
                raise KeyboardInterrupt
            return 1

    monkeypatch.setattr(subprocess, "Popen", lambda command: Interrupted())
    with pytest.raises(UserError, match="the same command goes on from there"):
        bring_up_to_date(load_studies(), {"snips": ["prepare_data"], "sst2": ["prepare_data"]})
    assert len(waited) == 2


def test_a_pipeline_that_does_not_fit_its_params_is_refused_before_anything_runs(root, asked):
    change(root, "studies/sst5/params.yaml", {"variants.minilm_l12": ["ft"]})
    assert "studies/sst5/dvc.yaml: got another pipeline" in error_line(
        make_table(root, "--table", "3", "--encoder", "roberta_base")
    )
    assert not asked.exists()
    make_pipelines(root)
    assert make_table(root, "--table", "3", "--encoder", "roberta_base").returncode == 0


def test_a_table_is_written_as_csv_markdown_and_latex(root, asked):
    write_cell(root, "snips", "minilm_l12", "ft", 92.8, 92.9, 93.0)
    assert make_table(root, "--table", "3", "--encoder", "minilm_l12").returncode == 0
    file = root / "reports/paper/table_3-minilm_l12.csv"
    assert row_of(read_frame(file), "snips", "ft")["verdict"] == "agrees"
    lines = file.with_suffix(".md").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if "The snips " in line and "Fine-tuning" in line)
    assert [cell.strip() for cell in line.split("|")][3:9] == [
        "Accuracy", "92.89", "92.9 [92.8, 93.0]", "[92.4, 93.4]", "3", "100",
    ]  # fmt: skip
    assert sum("missing" in line for line in lines) == 14
    assert r"\toprule" in file.with_suffix(".tex").read_text(encoding="utf-8")


def test_make_tables_renders_whatever_exists(root, asked):
    write_cell(root, "snips_l6", "minilm_l6", "ft", 92.8, 92.9, 93.0)
    result = run_stage(root, "make_table")
    assert result.returncode == 0, result.stderr
    *lines, last = result.stdout.splitlines()
    assert last == "reports/published/tables.md: the same of the published runs"
    assert "reports/paper/table_3-minilm_l6.md: 17 missing, 1 not comparable, 10 quoted" in lines
    assert len(lines) == 2 + 4 * 3 * 2
    assert {line.partition(":")[0] for line in lines} == {
        str(file.relative_to(root)) for file in (root / "reports/paper").glob("*.md")
    }
    assert not asked.exists()
