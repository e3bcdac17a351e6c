"""Give stages a machine that fails: python tests/chaos/faults.py disk_full|output|twice TRIALS [SEED].

disk_full: the disk fills up at a random moment of a stage, then has room again. output: all is read-only, or a file
stands where a folder is expected or the reverse, then no longer. Each must end in one line with exit status 2 and leave
nothing half-written; the stage's repetition must make the bytes of an undisturbed run. twice: two runs of one clone
begin at nearly the same moment; what they say must be clear, and one more run must find the same bytes.

It runs in a namespace of its own, in which it may mount disks; no root needed.
"""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP), str(TOP / "tests/helpers")]

from distributed_project import DISTRIBUTE, make_study  # noqa: E402
from small_project import STUDY, change, make_project, run_stage, use_encoder  # noqa: E402
from tiny_encoder import make_bert  # noqa: E402
from tiny_project import commit, environment, make_pipelines, run  # noqa: E402
from trials import outcome_of, run_trials  # noqa: E402

INSIDE = "CHAOS_INSIDE"
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")
STAGES = (
    "resolve_settings", "fetch_data", "prepare_data", "split_data --seed 0", "fetch_encoder --encoder minilm_l6",
    "train_joint --encoder minilm_l6 --variant joint --seed 0",
    "train_classifier --encoder minilm_l6 --variant joint --seed 0", "train_baselines --variant tfidf_logistic",
)  # fmt: skip
Files = dict[str, bytes]


def trials(kind: str, count: int, seed: int) -> Iterator[tuple[str, str]]:
    if kind != "twice" and INSIDE not in os.environ:
        os.environ[INSIDE] = "1"
        os.execvp(NAMESPACE[0], [*NAMESPACE, sys.executable, *sys.argv])
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        trial = KINDS[kind](Path(name))
        for _ in range(count):
            start = time.monotonic()
            told, faults = trial(draw)
            yield outcome_of(faults), f"{told}; {time.monotonic() - start:.0f} s"


class OfStages:
    """Trials of one stage each, from the state before it; the states are made once."""

    def __init__(self, folder: Path):
        self.disk, self.states = folder / "disk", []
        project = folder / "project"
        project.mkdir()
        self.disk.mkdir()
        use_encoder(make_project(project), make_bert(folder / "encoder"))
        change(project, STUDY, {"seeds": [0]})  # all that a baseline needs
        for number, stage in enumerate(STAGES):
            shutil.copytree(project, state := folder / f"before_{number}", symlinks=True)
            before = files_of(project)
            result = run_stage(project, *stage.split())
            assert result.returncode == 0, result.stderr
            after = files_of(project)
            made = {name: content for name, content in after.items() if before.get(name) != content}
            self.states.append((stage, state, before, made))

    @contextlib.contextmanager
    def on_a_disk(self, state: Path) -> Iterator[None]:
        """The state on a disk of its own, which is as large as it likes."""
        mount("-t", "tmpfs", "none", str(self.disk))
        try:
            shutil.copytree(state, self.disk, symlinks=True, dirs_exist_ok=True)
            yield
        finally:
            subprocess.run(["umount", str(self.disk)], check=True)

    def fails(self, stage: str, before: Files, made: Files, said: str) -> list[str]:
        """What is not as it should be of a run that meets a fault, or none of it as it needed less."""
        result, faults = run_stage(self.disk, *stage.split()), []
        lines = result.stderr.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        if result.returncode not in (0, 2) or "Traceback" in result.stderr:
            faults.append(f"status {result.returncode}: {result.stderr[-700:]}")
        elif result.returncode == 2 and (len(errors) != 1 or said not in lines[-1] or len(lines[-1]) > 308):
            faults.append(f"said: {result.stderr[-500:]}")
        self.status = result.returncode
        after = files_of(self.disk)
        if half := [name for name, content in after.items() if content not in (before.get(name), made.get(name))]:
            faults.append(f"half-written: {', '.join(half)}")
        return faults

    def succeeds(self, stage: str, before: Files, made: Files) -> list[str]:
        result = run_stage(self.disk, *stage.split())
        if result.returncode:
            return [f"repeated: status {result.returncode}: {result.stderr[-500:]}"]
        return difference(files_of(self.disk), before | made)


class DiskFull(OfStages):
    def __call__(self, draw: random.Random) -> tuple[str, list[str]]:
        stage, state, before, made = draw.choice(self.states)
        room = draw.randrange(1 + int(1.1 * sum(map(len, made.values()))))
        with self.on_a_disk(state):
            disk = os.statvfs(self.disk)
            mount("-o", f"remount,size={(disk.f_blocks - disk.f_bfree) * disk.f_frsize + room}", str(self.disk))
            faults = self.fails(stage, before, made, "the disk is full")
            status = self.status
            mount("-o", "remount,size=1G", str(self.disk))
            return f"{stage}, {room} bytes: {status}", faults + self.succeeds(stage, before, made)


class Output(OfStages):
    def __call__(self, draw: random.Random) -> tuple[str, list[str]]:
        stage, state, before, made = draw.choice(self.states)
        output = self.disk / draw.choice(sorted(made))
        kind = draw.choice(["read-only", "a file for a folder", "a folder for a file"])
        with self.on_a_disk(state):
            if kind == "read-only":
                mount("-o", "remount,ro", str(self.disk))
                said, undo = "read-only file system", lambda: mount("-o", "remount,rw", str(self.disk))
            elif kind == "a folder for a file":
                output.unlink(missing_ok=True)
                output.mkdir(parents=True)
                # A stage may have replaced the whole folder around it.
                said, undo = "got a folder, expected a file", lambda: output.is_dir() and output.rmdir()
            else:
                blocked = next(
                    (part for part in reversed(output.parents) if part.is_relative_to(self.disk) and not part.exists()),
                    None,
                )
                if blocked is None:  # all folders exist already, for instance that of the settings
                    return f"{stage}: no folder to stand in the way of", []
                blocked.write_text("in the way")
                said, undo = "got a file, expected a folder", blocked.unlink
            faults = self.fails(stage, files_of(self.disk), made, said)
            status = self.status
            undo()
            place = output.relative_to(self.disk)
            return f"{stage}, {kind}, {place}: {status}", faults + self.succeeds(stage, before, made)


class Twice:
    """Two runs at once, each of a target that is quickly made."""

    TARGETS = ("prepare_data", "fetch_encoder@minilm_l6")
    BOTH = (*DISTRIBUTE, "--workers", "1", "--study", "bbc", "--study", "other", *TARGETS)

    def __init__(self, folder: Path):
        self.folder, self.number = folder, 0
        self.new = make_study(folder / "new" / "project")
        other = self.new / "studies/other"
        other.mkdir(parents=True)
        (other / "params.yaml").write_text("base: bbc\nseeds: [0]\nvariants: [ft]\nbaselines: []\n")
        make_pipelines(self.new)
        commit(self.new)
        done = self.copy()
        run(done, *self.BOTH)
        self.expected = files_of(done)

    def copy(self) -> Path:
        self.number += 1
        return Path(shutil.copytree(self.new, self.folder / str(self.number) / "project", symlinks=True))

    def __call__(self, draw: random.Random) -> tuple[str, list[str]]:
        root, faults, runs, said = self.copy(), [], [], []
        kind = draw.choice(["make", "make", "dvc", "make and dvc"])
        studies = draw.choice([("bbc", "bbc"), ("bbc", "bbc"), ("bbc", "other")])
        same = draw.random() < 0.5
        targets = [draw.choice(self.TARGETS)] * 2 if same else draw.sample(self.TARGETS, 2)
        for number, (study, target) in enumerate(zip(studies, targets, strict=True)):
            by_dvc = kind == "dvc" or (kind == "make and dvc" and number == 0)
            where = ("--cd", "studies/other") if study == "other" else ()
            by_make = (*DISTRIBUTE, "--workers", "1", "--study", study, target)
            words = ("dvc", *where, "repro", target) if by_dvc else by_make
            options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            runs.append((by_dvc, subprocess.Popen(words, cwd=root, env=environment(root), **options)))
            time.sleep(draw.uniform(0, 3))
        for by_dvc, process in runs:
            output = process.communicate(timeout=300)[0]
            said.append(f"{process.returncode}{', waited' if 'waiting: ' in output else ''}")
            refused = "lock" in output or "busy" in output
            # dvc's own words may be several lines; it never waits.
            alone = kind == "make" or studies[0] != studies[1]
            if "Traceback" in output or (process.returncode and (alone or not refused)):
                faults.append(f"{'dvc' if by_dvc else 'make'}: {process.returncode}: {output[-600:]}")
        run(root, *self.BOTH)
        faults += difference(files_of(root), self.expected)
        shutil.rmtree(root)
        return f"{kind}, {' and '.join(studies)}, {' and '.join(targets)}: {' and '.join(said)}", faults


def files_of(root: Path) -> Files:
    """What stages make, but for the run reports, which hold times."""
    tops = [root / "runs", root / "reports", root / "studies/other/runs"]
    files = [file for top in tops if top.is_dir() for file in top.rglob("*") if file.is_file()]
    files = [file for file in [*files, root / "resolved.yaml"] if file.is_file() and "runs/reports" not in str(file)]
    found = {str(file.relative_to(root)): file.read_bytes() for file in files}
    if (lock := root / "dvc.lock").is_file():
        # dvc draws the order of the stages that lead to several targets.
        found[lock.name] = b"\n".join(sorted(lock.read_bytes().splitlines()))
    return found


def difference(found: Files, expected: Files) -> list[str]:
    names = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    return [f"other bytes: {' '.join(names)}"] if names else []


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


KINDS = {"disk_full": DiskFull, "output": Output, "twice": Twice}


if __name__ == "__main__":
    run_trials(__doc__, list(KINDS), trials)
