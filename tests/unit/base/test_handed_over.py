"""What a stage reads is what dvc noted of the stage that made it; else one line says which file, and what to type."""

import hashlib
import json
import random
import re

import pytest
from flipped import flip
from ruamel.yaml import YAML
from small_project import REPOSITORY
from tiny_project import run

from threephase.base import handed_over
from threephase.base.errors import UserError
from threephase.base.handed_over import NOTED, Path, md5_of, md5_of_folder, verify

NAMES = ("b", "a/é", "a/Z", "a-b", "B")  # in an order that is not dvc's
MAKES = (
    f"mkdir -p out/a; for n in {' '.join(NAMES)}; do printf $n > out/$n; done; printf 1 > one; printf 2 > number.json"
)
PIPELINE = f"""\
stages:
  make:
    cmd: {json.dumps(MAKES)}
    outs: [out, one]
    metrics: [number.json: {{cache: false}}]
"""
OTHER = "got other content than dvc noted when it was made; type: "


@pytest.fixture(autouse=True)
def forget():
    for known in (handed_over._noted, handed_over._from_worker, handed_over._listed, md5_of, md5_of_folder):
        known.cache_clear()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A project in which dvc has run a stage that writes a folder, a file and a file outside of dvc's cache."""
    root = tmp_path_factory.mktemp("made") / "project"
    root.mkdir()
    (root / "dvc.yaml").write_text(PIPELINE)
    run(root, "git", "init", "--quiet")
    run(root, "dvc", "init", "--quiet")
    run(root, "dvc", "repro")
    return root


@pytest.fixture
def root(made, tmp_path, monkeypatch) -> Path:
    """A copy of it, in which another stage runs under dvc."""
    run(made, "cp", "-r", str(made), str(tmp_path / "project"))
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setenv("DVC_STAGE", "read")
    monkeypatch.delenv(NOTED, raising=False)
    return Path()


def refusal(file: Path) -> str:
    with pytest.raises(UserError) as refused:
        verify(file)
    return str(refused.value)


def test_checksums_are_those_of_dvc(root):
    files = {"out": md5_of_folder(Path("out")), "one": md5_of(Path("one")), "number.json": md5_of(Path("number.json"))}
    assert handed_over._noted(Path()) == files
    assert handed_over._listed(files["out"]) == {name: hashlib.md5(name.encode()).hexdigest() for name in NAMES}


def test_a_lock_is_read_as_a_parser_of_yaml_reads_it(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    stages = YAML(typ="safe").load(Path("dvc.lock"))["stages"]
    assert len(stages) > 50
    for own in ("fetch_data", "split_data@0", "read"):
        monkeypatch.setenv("DVC_STAGE", f"../dvc.yaml:{own}")
        handed_over._noted.cache_clear()
        outs = [out for name, entry in stages.items() if name != own for out in entry["outs"]]
        assert handed_over._noted(Path()) == {out["path"]: out["md5"] for out in outs}


def test_what_is_as_it_was_made_passes(root):
    for file in ("out/b", "out/a/é", "one", "number.json", "dvc.yaml", "none"):
        verify(root / file)
    verify(Path("dvc.yaml").absolute())


@pytest.mark.parametrize("file", ["one", "number.json", "out/a/é", "out/b"])
def test_a_flipped_bit_is_named(root, file):
    flip(root / file, random.Random(0))
    output = file.partition("/")[0]
    assert refusal(root / file) == f"{file}: {OTHER}rm -r {output} && make doctor && make repro"


def test_a_whole_folder_is_verified(root):
    verify(Path("out"))
    md5_of_folder.cache_clear(), md5_of.cache_clear()
    flip(root / "out/b", random.Random(0))
    assert refusal(Path("out")) == f"out: {OTHER}rm -r out && make doctor && make repro"


def test_of_an_output_that_a_stage_of_earlier_left_in_the_lock_nothing_is_known(root):
    lock = Path("dvc.lock").read_text()
    entry = lock[lock.index("  make:\n") :].partition("\n  read:")[0]
    older = entry.replace("  make:", "  no_more:").replace(md5_of(Path("one")), "0" * 32)
    Path("dvc.lock").write_text(f"{lock.rstrip()}\n{older}\n")
    assert "one" not in handed_over._noted(Path()) and "number.json" in handed_over._noted(Path())
    verify(root / "one")


def test_only_the_file_that_is_read_must_be_whole(root):
    flip(root / "out/b", random.Random(0))
    verify(root / "out/a-b")


@pytest.mark.parametrize("cache", ["none", "flipped"])
def test_without_dvcs_list_of_a_folder_the_folder_is_named(root, cache):
    listed = next(Path(".dvc/cache").rglob("*.dir"))
    listed.unlink() if cache == "none" else flip(listed, random.Random(0))
    (root / "out/.DS_Store").write_text("")
    verify(root / "out/a-b")
    md5_of_folder.cache_clear(), md5_of.cache_clear()
    flip(root / "out/b", random.Random(0))
    assert refusal(root / "out/a-b") == f"out: {OTHER}rm -r out && make doctor && make repro"


def test_by_hand_and_of_the_stage_itself_nothing_is_verified(root, monkeypatch):
    flip(root / "one", random.Random(0))
    monkeypatch.setenv("DVC_STAGE", "make")
    verify(root / "one")
    monkeypatch.delenv("DVC_STAGE")
    verify(root / "one")


def test_a_study_is_named(root):
    study = Path("studies/a")
    study.mkdir(parents=True)
    for name in ("dvc.lock", "one"):
        Path(name).rename(study / name)
    verify(study / "one")
    md5_of.cache_clear()
    flip(study / "one", random.Random(0))
    assert refusal(study / "one") == f"{study}/one: {OTHER}rm -r {study}/one && make doctor && make repro STUDY=a"


def test_what_a_worker_was_told_once_stands_over_the_lock(root, monkeypatch, tmp_path):
    (tmp_path / "told").write_text(json.dumps({"one": md5_of(Path("number.json"))}))
    monkeypatch.setenv(NOTED, str(tmp_path / "told"))
    verify(Path("studies/a/params.yaml"))
    (tmp_path / "told").unlink()  # some systems give a standard input only once
    verify(root / "out/b")
    assert refusal(root / "one").startswith("one: ")


@pytest.mark.parametrize("line", ["md5: ", "- path: ", "outs:"])
def test_a_lock_that_another_dvc_is_writing_refuses_nothing(root, line):
    lock = Path("dvc.lock").read_text()
    Path("dvc.lock").write_text(lock[: re.search(line, lock).end() + 5])
    for file in ("out/b", "one", "number.json"):
        verify(root / file)
