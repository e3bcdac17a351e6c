"""A training that is killed goes on from what it saved, and ends in the same bytes."""

import json
import subprocess
import sys
from pathlib import Path

from small_project import REPOSITORY
from test_safety import command, outputs_of
from tiny_project import ENCODER, environment

HELPER = REPOSITORY / "tests/helpers/stopped_stage.py"
GOES_ON = "went_on_from_updates"
STAGES = {
    "train_dae": ("dae", "encoders", "encoder"),
    "train_contrastive": ("three_phase", "encoders", "encoder"),
    "train_joint": ("joint", "encoders", "encoder"),
    "train_classifier": ("three_phase", "predictions", "classifier"),
}


def stopped_and_gone_on(root: Path, stages: list[tuple[str, list[str]]], kills: int = 1, seed: int = 0) -> list[list]:
    """Of each stage what ``stopped_stage`` prints, without what a report says of that alone."""
    lines = "".join(json.dumps(stage) + "\n" for stage in stages)
    words = [sys.executable, str(HELPER), str(seed), str(kills)]
    done = subprocess.run(
        words, cwd=root, env=environment(root), input=lines, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    trials = [json.loads(line) for line in done.stdout.splitlines()]
    for _, _, ended, _ in trials:
        ended |= {name: [key for key in keys if key != GOES_ON] for name, keys in ended.items() if "/reports/" in name}
    return trials


def test_a_killed_training_goes_on_and_ends_in_the_same_bytes(study, tmp_path):
    root = study.copy(tmp_path / "project")
    stages = [
        (command(study, f"{name} ", f"--variant {variant} "), outputs_of(f"{ENCODER}-{variant}", kind, phase))
        for name, (variant, kind, phase) in STAGES.items()
    ]
    trials = stopped_and_gone_on(root, stages)
    for undisturbed, _, ended, told in trials:
        assert ended == undisturbed
        assert told["saves"] > 3 and not told["unfinished"]
    assert sum(bool(told["from"]) for *_, told in trials) >= len(trials) / 2
