"""dvc's books of one study while others run its stages: what must run, its outputs in the cache, its lock.

Every use of dvc's Python interface stands here and in ``leftovers``: dvc promises its command line alone, and
requirements.txt pins it. The calls are those of ``dvc repro``, so that lock and outputs come out as the same bytes.
"""

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import networkx
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro
from dvc.stage import Stage
from dvc.stage.cache import RunCacheNotFoundError, _get_cache_hash
from dvc.stage.serialize import to_lockfile, to_single_stage_lockfile
from dvc.utils.serialize import modify_yaml

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import new_file
from threephase.project import leftovers

TRIES, WAIT = 5, 1.0  # of a transfer, and the seconds between the first two; each wait is twice the one before
Entry = dict[str, Any]  # a stage's command, dependencies and outputs with their checksums, as in dvc.lock


class StudyHeld(UserError):
    """Another process of dvc works in the study."""


class Books:
    """The stages of a study that lead to its targets, by the names that dvc gives them, in dvc's order.

    dvc's lock on the study is held until ``ends`` closes. Raises UserError where another process holds it, or where a
    target is no stage.
    """

    def __init__(self, folder: Path, targets: Sequence[str], ends: contextlib.ExitStack):
        logging.getLogger("dvc").setLevel(logging.ERROR)
        self.folder, self.ends = folder, ends
        with in_one_line(folder):
            self.repo = ends.enter_context(Repo(str(folder)))
            ends.enter_context(lock_repo(self.repo))
            for line in leftovers.clear(self.repo):
                print(line)
            if leftovers.in_use(self.repo):
                raise LockError(str(folder))
            ends.enter_context(self.repo.scm_context(quiet=True))
            file = os.path.join(self.repo.root_dir, paths.PIPELINE)
            stages = collect_stages(self.repo, [f"{file}:{name}" for name in targets] or [file])
        self.graph = get_active_graph(self.repo.index.graph)
        self.stages = {stage.name: stage for stage in plan_repro(self.graph, stages)}
        self.made: set[str] = set()
        self.pushed: set[str] = set()

    def needs(self, name: str) -> set[str]:
        """The stages whose outputs a stage reads."""
        return {stage.name for stage in self.graph.successors(self.stages[name])}

    def behind(self, name: str) -> set[str]:
        """The stages that need this one, directly or not."""
        return set(self.stages) & {stage.name for stage in networkx.ancestors(self.graph, self.stages[name])}

    def changed(self, name: str) -> bool:
        """Whether a stage is not up to date."""
        stage = self.stages[name]
        with self._inside():
            return not stage.frozen and stage.changed(upstream=list(self.graph.successors(stage)))

    def restored(self, name: str) -> bool:
        """Whether dvc's cache had the outputs of a stage that has changed; if not, the older ones are gone too."""
        stage = self.stages[name]
        with self._inside():
            stage.remove_outs()
            try:
                self.repo.stage_cache.restore(stage)
            except RunCacheNotFoundError:
                stage.save_deps()
                return False
        self.keep(name)
        return True

    def signature(self, name: str) -> str:
        """The same for the same stage of two studies: same command, same content of what it reads, same outputs."""
        with self._inside():
            return _get_cache_hash(to_single_stage_lockfile(self.stages[name]), key=True)

    def keep(self, name: str) -> None:
        """Put a stage's outputs into dvc's cache, where the next run finds them whatever happens to the lock."""
        stage = self.stages[name]
        with self._inside():
            stage.save(run_cache=not self.runs_here(name))
            stage.commit()
        self.made.add(name)

    def write_lock(self) -> None:
        """Write the entries of what was made: once, and in dvc's order whatever ended first."""
        made = [stage for name, stage in self.stages.items() if name in self.made]
        if not made:
            return
        file = Path(self.repo.root_dir, paths.LOCK)
        # As dvc's Lockfile.dump_stages, which writes in place: a kill would cut the file off.
        with new_file(file) as temporary:
            if file.is_file():
                shutil.copyfile(file, temporary)
            with modify_yaml(temporary) as content:
                if not content:
                    content["schema"] = "2.0"
                entries = content.setdefault("stages", {})
                for stage in made:
                    entries.update(to_lockfile(stage))
                # An earlier call that failed left gaps, and what fills them was added at the end.
                order = {name: number for number, name in enumerate(self.stages)}
                for name in sorted(entries, key=lambda name: order.get(name, len(order))):
                    entries[name] = entries.pop(name)
        self.repo.scm_context.track_file(os.path.relpath(file))
        self.made.clear()

    def runs_here(self, name: str) -> bool:
        """Whether a stage's outputs can't travel, as one of them is a plain file that dvc does not cache."""
        return any(not (out.use_cache or out.is_metric or out.is_plot) for out in self.stages[name].outs)

    def entry(self, name: str) -> Entry:
        """What another clone needs to fetch a stage's outputs, but for plain files."""
        stage = self.stages[name]
        entry = to_single_stage_lockfile(stage)
        travels = {out.def_path for out in stage.outs if out.use_cache or out.is_metric or out.is_plot}
        return entry | {"outs": [out for out in entry["outs"] if out["path"] in travels]}

    def check_remote(self) -> None:
        """UserError where the study has no remote of dvc, through which clones exchange what stages make."""
        with self._inside():
            self.repo.cloud.get_remote()

    def push(self, name: str) -> None:
        """Put a stage's outputs into dvc's remote, once."""
        if name not in self.pushed:
            self._transfer(self.entry(name), self.repo.cloud.push)
            self.pushed.add(name)

    def fetch(self, name: str, entry: Entry) -> None:
        """Put a stage's outputs, which lie in the remote, into this clone."""
        with self._inside():
            self._transfer(entry, self.repo.cloud.pull).checkout()
        self.pushed.add(name)

    def _transfer(self, entry: Entry, transfer: Callable[[Any], Any]) -> Stage:
        """Tries again after a failure, as a network has some; returns the stage as the entry describes it."""
        with self._inside():
            stage = self.repo.stage_cache._create_stage(entry)  # as dvc restores a stage from its run cache
        said = "some objects did not arrive"
        for number in range(TRIES):
            try:
                if not any(transfer(objects).failed for objects in stage.get_used_objs().values()):
                    return stage
            except (DvcException, OSError) as error:
                said = " ".join(str(error).split())
            if number + 1 < TRIES:
                time.sleep(WAIT * 2**number)
        remote = self.repo.config["core"].get("remote")
        raise UserError(f"dvc's remote {remote}: got {TRIES} failed transfers, expected one that succeeds: {said}")

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """Work in the study's folder, in which some of dvc's functions look for it."""
        with in_one_line(self.folder), contextlib.chdir(self.repo.root_dir):
            yield


@contextlib.contextmanager
def in_one_line(folder: Path) -> Iterator[None]:
    """What dvc refuses in a study is a UserError, and StudyHeld where another process of dvc works in it."""
    try:
        yield
    except LockError:
        raise StudyHeld(
            f"{folder / paths.PIPELINE}: got a lock that another process holds, such as dvc repro; expected none; type "
            "the same again when that has ended, or make doctor where nothing runs"
        ) from None
    except DvcException as error:
        raise UserError(f"{folder / paths.PIPELINE}: {' '.join(str(error).split())}") from None
