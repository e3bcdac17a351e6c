"""What a training of minutes saves of itself, so that a killed or stopped one goes on where it was.

A stage that runs again does all of it again but for the updates: texts are drawn in the same order, and up to the save
each update only repeats what it noted. There weights, moments and generators are set to what was saved, so that the end
has the same bytes. A save holds only for the same settings, code, inputs, libraries and processor.
"""

import hashlib
import json
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from threephase.base.errors import UserError, warn
from threephase.base.files import new_file, sha256_of
from threephase.base.provenance import cpu_model, library_versions, seconds_so_far
from threephase.model.kernels import random_state, set_random_state
from threephase.model.machine import gpu_name

if TYPE_CHECKING:
    from threephase.phases.optimization import Optimization

# Seconds: how long a stage may run before it saves anything, the time between two saves, and how long the update that
# runs may take when a stop is asked for, before what it did since the last save is given up.
NOTHING_BEFORE, SAVE_EVERY, STOP_WITHIN = 60.0, 120.0, 8.0
GENERATIONS = 2
NAME = re.compile(r"(\d+)-(\d+)-([0-9a-f]{64})\.safetensors")


class StageSaves:
    """Where a stage's trainings save themselves: ``folder``, which goes when the stage has ended.

    ``files_read``: gives the files that it has read so far; ``seconds``: what the processes took that were stopped
    before this one.
    """

    def __init__(self, folder: Path, files_read: Callable[[], list[Path]]):
        self.folder, self.files_read = folder, files_read
        self.seconds, self.trainings, self.training_runs, self.asked_to_stop = 0.0, 0, False, False
        self.went_on_from: list[int] = []  # updates, of each training that did
        self.started = self.last = time.monotonic()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
                signal.signal(number, self._stop)

    def _stop(self, *_: object) -> None:
        """Stop behind the update that runs; at once where nothing would be saved, or when this is asked again."""
        if self.asked_to_stop or not self.training_runs or time.monotonic() - self.started < NOTHING_BEFORE:
            raise KeyboardInterrupt
        self.asked_to_stop = True
        signal.setitimer(signal.ITIMER_REAL, STOP_WITHIN)

    def next_training(self) -> int:
        """Its number from 1; refuses one that begins before another has ended."""
        if self.training_runs:
            raise UserError(
                "got a training that begins before another one has ended, expected one after the other; call end() of "
                "the first, or name it as beside where their steps take turns"
            )
        self.trainings += 1
        self.training_runs = True
        return self.trainings

    def files(self, training: int) -> list[Path]:
        """Its saves, the newest first."""
        names = [NAME.fullmatch(file.name) for file in self.folder.glob(f"{training}-*.safetensors")]
        found = sorted(((int(name[2]), name.string) for name in names if name), reverse=True)
        return [self.folder / name for _, name in found]

    def newest(self, training: "TrainingSaves") -> dict[str, Any] | None:
        """Its newest save that is whole and valid, or None; others are removed, and what a kill left half-written."""
        for file in self.folder.glob(".*.tmp"):
            file.unlink()
        for file in self.files(training.number):
            if sha256_of(file) != NAME.fullmatch(file.name)[3]:
                warn(f"{file}: got other bytes than were saved; an older save is used, or none")
            elif training.valid_for is not None and (saved := read(file))["valid_for"] == training.valid_for:
                return saved
            file.unlink()
        return None

    def is_due(self, *, ended: bool) -> bool:
        """Whether a training saves itself behind an update; ``ended``: it was its last."""
        now = time.monotonic()
        every = self.asked_to_stop or now - self.last >= SAVE_EVERY
        return every or (ended and now - self.started >= NOTHING_BEFORE)

    def write(self, training: "TrainingSaves", steps: int, content: dict[str, Any], *, keep: int) -> None:
        """Save, and leave so many saves of the training, this one among them; that it fails ends no training.

        Saves nothing where an input has changed since the training read it.
        """
        if training.valid_for is None:
            self.last = time.monotonic()
            return
        older, written = self.files(training.number), self.folder / f"{training.number}.safetensors"
        try:
            content |= {"valid_for": training.valid_for, "seconds": self.seconds + seconds_so_far()}
            with new_file(written) as temporary:
                write(content, temporary)
            written.rename(self.folder / f"{training.number}-{steps}-{sha256_of(written)}.safetensors")
        except Exception as error:
            said = getattr(error, "strerror", None) or error
            warn(f"{self.folder}: {said}; the training goes on, but could not be saved")
        else:
            for file in older[keep - 1 :]:
                file.unlink()
        self.last = time.monotonic()

    def end(self) -> None:
        """The stage has written all that it makes; stops here where that was asked for and no update followed."""
        if self.asked_to_stop:
            raise KeyboardInterrupt
        use(None)
        shutil.rmtree(self.folder, ignore_errors=True)


def write(content: dict[str, Any], file: Path) -> None:
    """Write plain values and tensors, in lists or by name or number, as safetensors: reading them runs no code."""
    tensors: dict[str, Tensor] = {}

    def without_tensors(value: Any) -> Any:
        if isinstance(value, Tensor):
            tensors[str(len(tensors))] = value.detach().cpu().contiguous()
            return {"tensor": str(len(tensors) - 1)}
        if isinstance(value, dict):
            return {"pairs": [[key, without_tensors(one)] for key, one in value.items()]}
        return [without_tensors(one) for one in value] if isinstance(value, list | tuple) else value

    save_file(tensors, file, metadata={"content": json.dumps(without_tensors(content))})


def read(file: Path) -> dict[str, Any]:
    """What ``write`` was given, tuples as lists."""
    with safe_open(file, "pt") as tensors:

        def whole(value: Any) -> Any:
            if isinstance(value, list):
                return [whole(one) for one in value]
            if isinstance(value, dict):
                if "tensor" in value:
                    return tensors.get_tensor(value["tensor"])
                return {key: whole(one) for key, one in value["pairs"]}
            return value

        return whole(json.loads(tensors.metadata()["content"]))


_stage: StageSaves | None = None


def use(stage: StageSaves | None) -> None:
    """From now on the trainings of this process save themselves there; None: nowhere."""
    global _stage
    _stage = stage


class TrainingSaves:
    """The saves of a training: of one optimization, or of several whose steps follow each other.

    ``noted``: what is repeated up to the save that the training goes on from; None where each update is computed.
    """

    def __init__(self):
        self.stage, self.members = _stage, []
        self.noted, self.ended_at = None, 0
        if self.stage:
            self.number = self.stage.next_training()
            self.inputs = {file: file.stat().st_mtime_ns for file in self.stage.files_read()}
            self.noted = self.stage.newest(self)

    @cached_property
    def valid_for(self) -> str | None:
        """Checksum of all that the result depends on; None, which holds for no training, where a file has changed."""
        facts = [*map(sha256_of, self.inputs), library_versions(), cpu_model(), gpu_name()]
        if changed := next((file for file, when in self.inputs.items() if file.stat().st_mtime_ns != when), None):
            warn(f"{changed}: changed since this training read it; the training goes on, but can't be saved")
            return None
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def noted_of(self, member: "Optimization") -> dict[str, Any] | None:
        return self.noted and self.noted["members"][self.members.index(member)]

    def after_step(self, member: "Optimization", *, ended: bool) -> None:
        """Behind each step of a member: go on from the save where that is reached, or save where it is time."""
        if self.stage is None or member is not self.members[-1]:
            return
        if self.noted is not None:
            if member.steps == self.noted["steps"]:
                self._go_on()
            elif ended:
                raise UserError(
                    f"{self.stage.folder}: got a save behind update {self.noted['steps']} of a training that ended "
                    f"behind {member.steps}; remove this folder and run again"
                )
        elif self.ended_at != member.steps and self.stage.is_due(ended=ended):
            states = [each.state(ended=ended) for each in self.members]
            content = {"steps": member.steps, "ended": ended, "members": states, "random": random_state(member.device)}
            self.stage.write(self, member.steps, content, keep=1 if ended else GENERATIONS)
            self.ended_at = member.steps if ended else 0
        if ended:
            self.stage.training_runs = False
        if self.stage.asked_to_stop:
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise KeyboardInterrupt

    def _go_on(self) -> None:
        for each, state in zip(self.members, self.noted["members"], strict=True):
            each.set_state(state)
        set_random_state(self.noted["random"], self.members[0].device)
        self.stage.seconds = self.noted["seconds"]
        self.stage.went_on_from.append(self.noted["steps"])
        self.ended_at = self.noted["steps"] if self.noted["ended"] else 0
        self.noted = None
