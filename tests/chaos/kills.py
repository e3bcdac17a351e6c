"""Kill trainings at random moments: python tests/chaos/kills.py tiny|minilm TRIALS [SEED].

A trial runs a random training of a small study, which saves itself behind each update, kills it three times and lets it
end. It says from which updates it went on, and whether the outputs are the bytes of an undisturbed run. With the tiny
encoder every kind of training and each method takes part; all-MiniLM-L6-v2 has the paper's phases.
"""

import contextlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

TOP = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOP), str(TOP / "tests/helpers")]

import networkx  # noqa: E402
from added_methods import add_method  # noqa: E402
from dvc.repo import Repo  # noqa: E402
from small_project import change  # noqa: E402
from tiny_project import DEFINITION, STUDY, environment, make_pipelines, make_tiny_project, run_recorded  # noqa: E402
from trials import outcome_of, run_trials  # noqa: E402

from threephase.study.schema import read_yaml  # noqa: E402

KILLS = 3
SEVERAL_TRAININGS = ["lora_three_phase", "lora_sum", "fisher_merge", "mean_merge"]
SEED = 0
TRAINS = r"(.* (train_\w+) .*--encoder (\S+) --variant (\S+) --seed 0)"
NOT_NEEDED = r"/stages\" (train_baselines|fit_classifier|summarize|collect|render|run_audit)"


def trials(encoder: str, count: int, seed: int) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as name:
        root = make_study(Path(name) / "project", encoder)
        commands = commands_of(root)
        run_recorded(root, [command for command in commands if not re.search(NOT_NEEDED, command)])
        stages = [
            (words[1], outputs_of(*words.groups()[1:]))
            for words in map(re.compile(TRAINS).fullmatch, commands)
            if words
        ]
        draw = Random(seed)
        yield from killed(root, [draw.choice(stages) for _ in range(count)], seed)


def commands_of(root: Path) -> list[str]:
    """The stages' commands in an order in which they can run."""
    with contextlib.chdir(root):
        graph = Repo().index.graph  # from a stage to what it needs
    return [stage.cmd for stage in reversed(list(networkx.topological_sort(graph)))]


def make_study(root: Path, encoder: str) -> Path:
    """One seed of the tiny study, with all methods, or on the real encoder."""
    make_tiny_project(root)
    if encoder == "tiny":
        add_method(root)
        change(root, STUDY, {"variants": [*read_yaml(root / STUDY)["variants"], *SEVERAL_TRAININGS]})
    else:
        (root / DEFINITION).write_bytes((TOP / DEFINITION).read_bytes())
    change(root, STUDY, {"seeds": [SEED]})
    make_pipelines(root)
    return root


def outputs_of(program: str, encoder: str, variant: str) -> list[str]:
    """What a training leaves, its report among them."""
    cell, phase = f"{encoder}-{variant}", "classifier" if "classifier" in program else "encoder"
    kinds = [f"predictions/{cell}/{SEED}.parquet"] if phase == "classifier" else [f"encoders/{cell}/{SEED}"]
    return [
        f"runs/{name}"
        for name in (*kinds, f"histories/{cell}/{SEED}-{phase}.csv", f"reports/{cell}/{SEED}-{phase}.json")
    ]


def killed(root: Path, stages: list[tuple[str, list[str]]], seed: int) -> Iterator[tuple[str, str]]:
    """Of each stage, a command and its outputs, what its trial came to, and what happened."""
    words = [sys.executable, str(TOP / "tests/helpers/stopped_stage.py"), str(seed), str(KILLS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(words, cwd=root, env=environment(root), text=True, **pipes) as program:
        for command, outputs in stages:
            program.stdin.write(json.dumps([command, outputs]) + "\n")
            program.stdin.flush()
            undisturbed, _, ended, told = json.loads(program.stdout.readline())
            reports = {name for name in ended if "/reports/" in name}
            faults = [
                f"other bytes: {name}"
                for name in undisturbed
                if name not in reports and undisturbed[name] != ended.get(name)
            ]
            faults += [f"left behind: {name}" for name in told["unfinished"]]
            went = f"{told['saves']} updates, went on from {told['from'] or 'the start'}"
            yield outcome_of(faults), f"{command.split('/stages')[1][2:]}: {went}"
        program.stdin.close()


if __name__ == "__main__":
    run_trials(__doc__, ["tiny", "minilm"], trials)
