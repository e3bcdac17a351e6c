"""``make chaos``: every script of its table takes its command line, and a short version of it runs and goes on."""

import re
import subprocess
import sys

import pytest
from tiny_project import REPOSITORY

from tests.chaos import run

SCRIPTS = sorted(file.name for file in (REPOSITORY / "tests/chaos").glob("*.py") if file.name != "run.py")
SHORT = ("params", "data")  # those whose trials take milliseconds


def kinds_of(script: str) -> list[str]:
    """The kinds that a script takes as its first word."""
    told = subprocess.run(
        (sys.executable, f"tests/chaos/{script}", "--help"), cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return re.search(r"\{(.*?)\} trials \[seed\]", told.stdout)[1].split(",")


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_kind_of_a_script_is_in_the_table(script):
    assert sorted(kinds_of(script)) == sorted(trials.kind for trials in run.TABLE if trials.script == script)


def test_blocks_are_all_trials_and_no_two_are_the_same():
    blocks = [block for trials in run.TABLE for block in run.blocks_of(trials, 1.0, 0)]
    for trials in run.TABLE:
        assert sum(block.count for block in blocks if block.trials == trials) == trials.asked
    assert len({(block.trials.name, block.seed) for block in blocks}) == len(blocks)


def test_a_short_version_runs_and_a_second_call_repeats_nothing_of_the_same_code(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run, "FOLDER", tmp_path)
    monkeypatch.setattr(run, "TABLE", [trials for trials in run.TABLE if trials.name in SHORT])
    monkeypatch.setattr(sys, "argv", ["run.py", "--share", "0.01"])
    for code, repeated in (([], False), (["a"], False), (["a"], True)):
        monkeypatch.setattr(run, "committed_code", lambda code=code: code)
        with pytest.raises(SystemExit) as ended:
            run.main()
        said = capsys.readouterr().out
        assert ended.value.code == 0 and "2 of 2 kinds of trials reached what is asked, on " in said, said
        assert ("params-0-100: 100 of 100 in " in said) == ("data-0-20: 20 of 20 in " in said) == (not repeated)


def test_code_with_changes_has_no_name(monkeypatch):
    monkeypatch.setattr(run, "git", lambda *words: " M threephase/a.py\n" if words[0] == "status" else "1\n2\n")
    assert run.committed_code() == []
    monkeypatch.setattr(run, "git", lambda *words: "" if words[0] == "status" else "1\n2\n")
    assert run.committed_code() == ["1", "2"]


def test_a_block_that_fails_counts_what_was_good_and_is_run_again(tmp_path, monkeypatch, capsys):
    script = tmp_path / "fails.py"
    script.write_text("print('x: 3 of 5 trials as expected')\nraise SystemExit(1)\n")
    monkeypatch.setattr(run, "HERE", tmp_path)
    monkeypatch.setattr(run, "committed_code", list)
    monkeypatch.setattr(run, "TOP", tmp_path)
    monkeypatch.setattr(run, "FOLDER", tmp_path / "kept")
    monkeypatch.setattr(
        run, "TABLE", [run.Trials("fails", script.name, "x", 5, 5), run.Trials("absent", "absent.py", "x", 1, 1)]
    )
    monkeypatch.setattr(sys, "argv", ["run.py"])
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            run.main()
        said = capsys.readouterr().out
        assert ended.value.code == 1 and "fails-0-5: 3 of 5 in 0 s; see kept/fails-0-5.txt\n" in said
        assert re.search(r"fails +5 +3\nabsent +1 +0  tests/chaos/absent.py is missing\n0 of 2 kinds", said)
