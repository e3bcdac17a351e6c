"""What a killed dvc leaves does not block the next one, and what is corrupt in its cache is found and made again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from flipped import flip
from small_project import link_code
from tiny_project import environment, run

from threephase.project.turns import turn

PIPELINE = """\
stages:
  make:
    cmd: mkdir out && echo {name} > out/a && echo other > out/b
    deps: [seed]
    outs: [out]
  count:
    cmd: wc -l out/a > count
    deps: [out]
    outs: [count]
"""
DOCTOR = (sys.executable, "-m", "commands.doctor")
GONE = 2**22 + 1  # above the greatest number of a process


@pytest.fixture
def root(tmp_path) -> Path:
    """A finished default project and a finished study, which share a cache."""
    root = tmp_path / "project"
    root.mkdir()
    link_code(root)
    run(root, "git", "init", "--quiet")
    run(root, "dvc", "init", "--quiet")
    run(root, "dvc", "config", "core.check_update", "false")  # in a process of dvc's that outlives the command
    for folder in (root, root / "studies/a"):
        (folder / ".dvc").mkdir(parents=True, exist_ok=True)
        if folder != root:
            (folder / ".dvc/config").write_text("[cache]\n    dir = ../../../.dvc/cache\n")
        (folder / "seed").write_text(folder.name)
        (folder / "dvc.yaml").write_text(PIPELINE.format(name=folder.name))
        run(folder, "dvc", "repro")
    return root


def made(root: Path) -> dict[str, bytes]:
    names = ("dvc.lock", "out/a", "out/b", "count")
    return {f"{folder}{name}": (root / folder / name).read_bytes() for folder in ("", "studies/a/") for name in names}


def objects(root: Path) -> list[Path]:
    return sorted(file for file in (root / ".dvc/cache").rglob("*") if file.is_file())


def repro_both(root: Path) -> None:
    for folder in (root, root / "studies/a"):
        run(folder, "dvc", "repro")


def test_what_is_whole_stays(root):
    before = {file: file.read_bytes() for file in objects(root)}
    said = run(root, *DOCTOR)
    assert said == (
        "looking for leftovers of killed processes, then reading all of dvc's cache and all outputs\n"
        "2 projects of dvc: 0 leftovers of killed processes cleared\n"
        f".dvc/cache/files/md5: {len(before)} entries of dvc's cache read, 0 removed\n"
        "4 outputs of studies read, 0 damaged\n"
    )
    assert len(before) == 10 and {file: file.read_bytes() for file in objects(root)} == before


def list_of(**modes) -> str:
    return json.dumps({"write": {}, "read": {}} | modes)


@pytest.mark.parametrize("folder", ["", "studies/a/"])
@pytest.mark.parametrize(
    "left",
    ["", "{", '{"write": {"/x": {"pid', "[]", "\xff", list_of(write={"": {"pid": GONE, "cmd": "dvc repro"}})],
)
def test_a_list_that_a_killed_dvc_left_blocks_no_study(root, folder, left):
    place, expected = root / folder, made(root)
    (place / ".dvc/tmp/rwlock").write_bytes(left.encode("latin-1").replace(b'""', json.dumps(f"{place}/out").encode()))
    said = run(root, *DOCTOR)
    assert f"{folder}.dvc/tmp/rwlock: " in said and "1 leftovers of killed processes cleared" in said
    run(place, "dvc", "repro")
    assert made(root) == expected


def test_the_number_of_a_killed_dvc_may_be_another_programs_by_now(root):
    user = {"pid": os.getpid(), "cmd": "dvc repro"}
    (root / ".dvc/tmp/rwlock").write_text(list_of(write={f"{root}/out": user}, read={f"{root}/dvc.yaml": [user]}))
    (root / "count").unlink()
    run(root, "dvc", "repro", "--force", expected=255)
    assert ".dvc/tmp/rwlock: took out the processes that are gone\n" in run(root, *DOCTOR)
    run(root, "dvc", "repro", "--force")


@pytest.mark.parametrize("lines", [0, 5, 12, 19, 24, 27])
@pytest.mark.parametrize("more", [0, 9])
def test_a_lock_that_was_cut_off_comes_back_from_the_cache(root, lines, more):
    expected, lock = made(root), root / "dvc.lock"
    written = lock.read_bytes().splitlines(keepends=True)
    assert len(written) == 28
    lock.write_bytes(b"".join(written[:lines]) + b"".join(written[lines:])[:more])
    run(root, *DOCTOR)
    said = run(root, "dvc", "repro")
    assert "Running stage" not in said and made(root) == expected


def test_a_conflict_of_git_is_left_to_a_person(root):
    (root / "dvc.lock").write_text("<<<<<<< HEAD\nschema: '2.0'\n=======\nschema: '2.0'\n>>>>>>> other\n")
    assert "error: dvc.lock: got a conflict that git left" in run(root, *DOCTOR, expected=2)
    assert (root / "dvc.lock").is_file()


def test_any_flipped_bit_in_the_cache_is_found_and_the_same_bytes_are_made_again(root):
    draw, expected, cache = random.Random(0), made(root), objects(root)
    whole = {file: file.read_bytes() for file in cache}
    for file in cache:
        file.write_bytes(file.unlink() or whole[file])  # no hard link: outputs are damaged in a test of their own
        flip(file, draw)
    said = run(root, *DOCTOR)
    assert f"{len(cache)} entries of dvc's cache read, {len(cache)} removed" in said
    assert said.count("removed, as its content is not what its name says") == len(cache)
    assert objects(root) == []
    repro_both(root)
    # A finished run comes back with its stage; where another project has made the object, no stage must run.
    assert made(root) == expected and {file.read_bytes() for file in objects(root) if "files" in file.parts} == {
        content for file, content in whole.items() if "files" in file.parts
    }


@pytest.mark.parametrize(("folder", "output", "file"), [("", "out", "out/b"), ("studies/a/", "out", "out/a")])
def test_an_output_that_dvc_takes_for_whole_is_named_with_what_to_type(root, folder, output, file):
    expected, again = made(root), f"make repro{' STUDY=a' * bool(folder)}"
    one = {"DVC_SITE_CACHE_DIR": str(root.parent / "dvc/site")}  # where dvc notes times, else another in each study
    run(root / folder, "dvc", "status", **one)
    flip(root / folder / file, random.Random(0))
    assert "Running stage" not in run(root / folder, "dvc", "repro", **one)
    said, place = run(root, *DOCTOR), f"{folder}{output}"
    assert f"{place}: got other content than dvc noted when it was made; type: rm -r {place} && {again}\n" in said
    assert "4 outputs of studies read, 1 damaged\n" in said
    run(root, "rm", "-r", place)
    repro_both(root)
    assert made(root) == expected


def test_an_output_that_dvc_will_make_again_is_not_told(root):
    (root / "count").unlink()
    (root / "out/a").write_text("by hand")
    assert "0 damaged" in run(root, *DOCTOR)


def test_what_a_killed_dvc_had_not_finished_leaves_the_cache(root):
    cache = objects(root)
    halves = [file.with_name(".abcdef.tmp") for file in (cache[0], cache[-1])]
    for half in halves:
        half.write_bytes(b"half")
    # Somebody else may be writing it, in another clone with the same cache.
    assert "0 removed" in run(root, *DOCTOR) and all(half.is_file() for half in halves)
    for half in halves:
        os.utime(half, (time.time() - 4000,) * 2)
    assert "2 removed" in run(root, *DOCTOR) and objects(root) == cache


def test_make_repro_waits_for_doctor_and_doctor_for_nobody(root):
    with turn([root]):
        assert "error: dvc's cache: not read, as dvc works in .; " in run(root, *DOCTOR, expected=2)
    pipe = root / ".dvc/cache/files/md5/00/pipe"
    pipe.parent.mkdir(exist_ok=True)
    os.mkfifo(pipe)  # which is read until something has been written to it
    process = subprocess.Popen(DOCTOR, cwd=root, env=environment(root), stdout=subprocess.DEVNULL)
    with pipe.open("wb"), pytest.raises(BlockingIOError), turn([root], waits=False):
        pass
    assert process.wait() == 0


def test_what_a_killed_stage_had_not_finished_goes_and_nothing_else(root):
    code = """\
import os
from pathlib import Path
from threephase.base.files import new_file, new_folder
with new_folder(Path("runs/encoder")) as folder, new_file(Path("reports/table.csv")) as file:
    (folder / "weights").touch()
    file.touch()
    os.kill(os.getpid(), 9)
"""
    study = root / "studies/a"
    subprocess.run([sys.executable, "-c", code], cwd=study, env=environment(root) | {"PYTHONPATH": str(root)})
    left = [file for top in ("runs", "reports") for file in (study / top).iterdir()]
    kept = [study / f"runs/.encoder.{os.getpid()}.tmp", study / "runs/.mine.tmp", study / "seed"]
    for file in kept:
        file.touch()
    for file in (*left, *kept):
        os.utime(file, (time.time() - 4000,) * 2)
    # Perhaps of a process on another machine that shares the folder.
    kept.append(study / "runs/.encoder.4194305.tmp")
    kept[-1].touch()
    said = run(root, *DOCTOR)
    assert len(left) == 2 and "2 leftovers of killed processes cleared" in said
    for file in left:
        assert f"{file.relative_to(root)}: removed, as the process that wrote it is gone\n" in said
    assert not any(file.exists() for file in left) and all(file.exists() for file in kept)


def test_a_lock_by_links_outlives_a_kill_and_goes(root):
    run(root, "dvc", "config", "core.hardlink_lock", "true")
    (root / "dvc.yaml").write_text("stages:\n  wait:\n    cmd: sleep 60\n    outs: [never]\n")
    process = subprocess.Popen(["dvc", "repro"], cwd=root, env=environment(root))
    lock = root / ".dvc/tmp/lock"
    while not lock.exists() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert lock.exists()
    run(root, "dvc", "status", expected=255)
    assert f"{lock.relative_to(root)}: removed, as no dvc of this machine runs here\n" in run(root, *DOCTOR)
    run(root, "dvc", "status")


def test_the_cache_is_not_touched_while_dvc_works(root):
    (root / "dvc.yaml").write_text("stages:\n  wait:\n    cmd: sleep 60\n    outs: [never]\n")
    process = subprocess.Popen(["dvc", "repro"], cwd=root, env=environment(root), stdout=subprocess.PIPE, text=True)
    try:
        while "> sleep" not in process.stdout.readline():
            assert process.poll() is None
        before = objects(root)
        before[0].chmod(0o644)
        before[0].write_bytes(b"corrupt")
        said = run(root, *DOCTOR, expected=2)
        assert "error: dvc's cache: not read, as dvc works in .; run make doctor when it has ended" in said
        assert objects(root) == before
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("seed", range(3))
def test_after_a_kill_at_a_random_moment_the_next_dvc_goes_on(root, seed):
    draw, expected = random.Random(seed), made(root)
    for _ in range(2):
        process = subprocess.Popen(["dvc", "repro", "--force"], cwd=root, env=environment(root))
        time.sleep(draw.uniform(0.3, 2.0))
        process.send_signal(signal.SIGKILL)
        process.wait()
        run(root, *DOCTOR)
        run(root, "dvc", "repro")
        assert made(root) == expected
