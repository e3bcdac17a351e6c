"""What ``make`` says where something is missing, with stand-ins for the programs that it starts."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_project import DATASET, REPOSITORY, SHARED, STUDY, change, contents, make_pipelines, make_project
from stand_ins import GOOD_PYTHON, bare_project, error_of_make, executable, make, stand_ins

# Asked for its version in code it answers as if it were the last Python before the oldest that will do.
OLD_PYTHON = f"""
case "$1" in
  -c) exec {sys.executable} -c "import sys; sys.version_info = (3, 10, 14); $2";;
  --version) echo Python 3.10.14;;
  *) touch python-was-used;;
esac"""


@pytest.fixture
def project(tmp_path):
    return bare_project(tmp_path)


@pytest.mark.parametrize("target", ["repro", "test", "lint"])
def test_git_is_missing(project, target):
    (project.parent / "bin/git").unlink()
    before = contents(project)
    assert error_of_make(make(project, target)) == "git is missing; install it and run again"
    assert contents(project) == before


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


def test_a_folder_that_is_no_repository_is_refused_before_anything_is_installed(project):
    (project.parent / "bin/git").unlink()
    (project.parent / "bin/git").symlink_to(shutil.which("git"))
    before, remedy = contents(project), "type: git init && git add . && git commit -m start"
    said = error_of_make(make(project, "repro"))
    assert said.startswith(f"{project}: got no git repository of its own (fatal: not a git repository")
    assert said.endswith(f"), which dvc needs; {remedy}") and contents(project) == before
    # A ZIP unpacked below another repository: dvc and the stages would take that one.
    git(project.parent, "init", "--quiet")
    expected = f"{project}: got no git repository of its own ({project.parent}), which dvc needs; {remedy}"
    assert error_of_make(make(project, "repro")) == expected
    git(project, "init", "--quiet")
    assert make(project, ".venv/installed").returncode == 0


@pytest.mark.parametrize("place", ["a worktree", "a link", "Dateien für später, 1 (neu)"])
def test_a_repository_is_one_wherever_it_lies(project, place):
    (project.parent / "bin/git").unlink()
    (project.parent / "bin/git").symlink_to(shutil.which("git"))
    git(project, "init", "--quiet")
    other = project.parent / place
    if place == "a worktree":
        git(project, "add", "--all")
        git(project, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "start")
        git(project, "worktree", "add", "--quiet", "--detach", str(other))
    elif place == "a link":
        other.symlink_to(project)
    else:
        project.rename(other)
    result = make(other, ".venv/installed")
    assert result.returncode == 0 and (other / ".venv/installed").exists()
    assert ("warning" in result.stderr) == (not str(other).isascii())


def test_a_clone_has_the_same_bytes_whatever_git_converts_on_a_machine(tmp_path):
    origin = tmp_path / "origin"
    origin.mkdir()
    for name in (".gitattributes", "Makefile"):
        shutil.copy(REPOSITORY / name, origin / name)
    (origin / "mine.csv").write_bytes(b"text,label\r\na,b\r\n")
    git(origin, "init", "--quiet")
    git(origin, "-c", "core.autocrlf=true", "add", "--all")
    git(origin, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "start")
    git(tmp_path, "-c", "core.autocrlf=true", "clone", "--quiet", "origin", "clone")
    for name in ("Makefile", "mine.csv"):
        assert (tmp_path / "clone" / name).read_bytes() == (origin / name).read_bytes()


def test_python_is_missing(project):
    expected = "python3 is missing; expected Python 3.11 or newer (make PYTHON=python3.11 ...)"
    (project.parent / "bin/python3").unlink()
    before = contents(project)
    assert error_of_make(make(project, "repro")) == expected
    assert error_of_make(make(project, "repro", "PYTHON=python3.99")) == expected.replace("python3 is", "python3.99 is")
    assert contents(project) == before


def test_python_is_too_old(project):
    executable(project.parent / "bin/python3", OLD_PYTHON)
    before = contents(project)
    expected = "got Python 3.10.14, expected Python 3.11 or newer (make PYTHON=python3.11 ...)"
    assert error_of_make(make(project, "repro")) == expected
    assert contents(project) == before


def test_the_python_that_is_asked_for_is_the_one_that_is_tried(project):
    executable(project.parent / "bin/python3", OLD_PYTHON)
    executable(project.parent / "bin/python3.11", GOOD_PYTHON)
    make(project, ".venv/installed", "PYTHON=python3.11")
    assert (project / ".venv/installed").exists()


def test_the_oldest_python_that_will_do(project):
    oldest = OLD_PYTHON.replace("(3, 10, 14)", "(3, 11, 0)").replace("touch python-was-used", ":")
    executable(project.parent / "bin/python3", f'[ "$1" = -m ] || {{ {oldest}\n}}\n{GOOD_PYTHON}')
    make(project, ".venv/installed")
    assert (project / ".venv/installed").exists()


def test_no_network_at_the_first_install(project):
    pip = "echo 'ERROR: Could not find a version that satisfies the requirement' >&2; exit 1"
    expected = "the packages could not be installed; the first run needs the network (pip's message stands above)"
    for _ in range(2):
        # An installation that failed counts as none, so the next make tries again.
        assert error_of_make(make(project, "repro", pip=pip)) == expected
        assert not (project / ".venv/installed").exists()
    make(project, ".venv/installed")
    assert (project / ".venv/installed").exists()


@pytest.mark.parametrize(
    ("file", "values", "said"),
    [
        (STUDY, {"dataset": "smal"}, "dataset: got 'smal', expected one of: small"),
        (STUDY, {"sedes": [0]}, "sedes: unknown key (did you mean 'seeds'?), expected one of: name, dataset"),
        (STUDY, {"seeds": []}, "seeds: got [], expected a list of at least one entry, none of them twice"),
        (DATASET, {"test_rows": 0}, "test_rows: got 0, expected a number at least 2"),
        (
            SHARED,
            {"training.head_dropout": 1},
            "training.head_dropout: got 1, expected a number at least 0 and below 1",
        ),
    ],
)
def test_bad_params_end_make_repro_before_dvc_starts(project, file, values, said):
    change(make_project(project), file, values)
    stand_ins(project)
    before = contents(project)
    assert error_of_make(make(project, "repro")).startswith(f"{file}: {said}")
    assert contents(project) == before


def test_make_repro_runs_the_default_study_where_params_are_good(project):
    make_project(project)
    stand_ins(project)
    (project / "reports").mkdir()
    (project / "reports/summary.txt").write_text("the table\n")
    result = make(project, "repro")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.endswith("the table\n-m commands.render_costs\n-m commands.render_index\n")
    assert "-m commands.distribute\n" in result.stdout
    for name in ("small", "cut"):
        folder = project if name == "small" else project / "studies/cut"
        (folder / "reports").mkdir(parents=True, exist_ok=True)
        (folder / "reports/summary.txt").write_text(f"the table of {name}\n")
        if name == "cut":
            (folder / "params.yaml").write_text("base: small\nprotocol: clip_gradient\nseeds: [0]\n")
            make_pipelines(project)
        result = make(project, "repro", f"STUDY={name}")
        assert (result.returncode, result.stderr) == (0, "")
        said = f"the table of {name}\n-m commands.render_costs --study {name}\n-m commands.render_index\n"
        assert result.stdout.endswith(said)
        assert f"-m commands.distribute --study {name}\n" in result.stdout


def test_an_unknown_study_or_one_without_its_files_ends_make_before_dvc_starts(project):
    make_project(project)
    stand_ins(project)
    said = error_of_make(make(project, "repro", "STUDY=smal"))
    assert said.startswith("STUDY= (--study): got 'smal' (did you mean small?), expected a study's name; make studies")
    (project / "studies/cut").mkdir(parents=True)
    (project / "studies/cut/params.yaml").write_text("base: small\nprotocol: clip_gradient\nseeds: [0]\n")
    assert error_of_make(make(project, "repro", "STUDY=cut")).endswith("run: make pipelines")
    make_pipelines(project)
    (project / "studies/cut/.dvc/config").unlink()
    expected = "studies/cut/.dvc/config: no such file, expected it in a study's folder; run: make pipelines"
    assert error_of_make(make(project, "repro", "STUDY=cut")) == expected
    assert not (project / "dvc-was-started").exists()
    # Another study is not stopped by it.
    (project / "reports").mkdir()
    (project / "reports/summary.txt").touch()
    result = make(project, "repro")
    assert result.returncode == 0 and f"warning: another study is broken: {expected}" in result.stderr
    assert "-m commands.distribute\n" in result.stdout


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["studies"], "commands.list_studies"),
        (["preview"], "commands.preview_run"),
        (["preview", "STUDY=snips"], "commands.preview_run --study snips"),
        (["gc"], "commands.clean_cache"),
        (["gc", "DRY=1"], "commands.clean_cache --dry"),
        (["pipelines"], "commands.write_pipelines"),
        (["doctor"], "commands.doctor"),
        (["compare"], "commands.compare_revisions --first HEAD --second workspace"),
        (["compare", "B=HEAD~2", "STUDY=cut"], "commands.compare_revisions --first HEAD --second HEAD~2 --study cut"),
        (["predict", "FILE=new.csv"], "commands.predict -- new.csv"),
        (
            ["predict", "STUDY=mine", "FILE=-", "OUTPUT=my labels.csv", "OPTIONS=--encoding 'cp 1'"],
            "commands.predict --study mine --output=my labels.csv --encoding cp 1 -- -",
        ),
    ],
)
def test_every_verb_is_one_command(project, words, command):
    stand_ins(project)
    result = make(project, *words)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", f"-m {command}\n")


@pytest.mark.parametrize("word", ['";touch pwned;"', "$(touch pwned)", "$(shell touch pwned)", "`touch pwned`", "a'b"])
def test_no_word_of_a_reader_is_run(project, word):
    stand_ins(project)
    for command, names in {
        "preview": ["STUDY"],
        "table": ["TABLE", "ENCODER", "PROTOCOL"],
        "compare": ["A", "B"],
        "predict": ["FILE", "OUTPUT"],
        "remote": ["URL"],
    }.items():
        result = make(project, command, *(f"{name}={word}" for name in names))
        assert word in result.stdout
        assert not (project / "pwned").exists()


def test_a_remote_without_an_address_is_refused(project):
    stand_ins(project)
    expected = "URL: got nothing, expected a folder or an address, as in: make remote URL=/mnt/cache"
    assert error_of_make(make(project, "remote")) == expected
