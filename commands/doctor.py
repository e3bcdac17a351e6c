"""Clear what killed processes of dvc left in all studies, and verify dvc's cache and all outputs: make doctor.

What is corrupt in the cache or was never finished is removed, and dvc makes it again. Of an output it is said what to
type.
"""

import argparse
import contextlib
import os
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo

from threephase.base import paths
from threephase.base.errors import UserError, first_line, run_stage, warn
from threephase.project import leftovers
from threephase.project.turns import turn


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    print("looking for leftovers of killed processes, then reading all of dvc's cache and all outputs", flush=True)
    # In which dvc has ever run.
    folders = [Path(), *sorted(place.parent.parent for place in paths.STUDIES.glob("*/.dvc/tmp"))]
    caches, repos, busy, cleared = {}, [], [], 0
    with contextlib.ExitStack() as ends:
        for folder in folders:
            try:
                repo = ends.enter_context(Repo(str(folder)))
            except DvcException as error:
                raise UserError(f"{folder}: {first_line(error)}; expected a project of dvc's") from None
            cleared += tell(leftovers.free_links(repo))
            try:
                ends.enter_context(turn([folder], waits=False))  # make repro waits for this one's end
                ends.enter_context(lock_repo(repo))
            except (BlockingIOError, LockError):
                busy.append(str(folder))
                continue
            cleared += tell(leftovers.clear(repo))
            caches[repo.cache.local.path] = repo
            repos.append(repo)
            if leftovers.in_use(repo):
                busy.append(str(folder))
            else:
                cleared += tell(leftovers.clear_unfinished(repo))
        print(f"{len(folders)} projects of dvc: {cleared} leftovers of killed processes cleared")
        if busy:
            raise UserError(
                f"dvc's cache: not read, as dvc works in {', '.join(busy)}; run make doctor when it has ended"
            )
        for place, repo in caches.items():
            entries, removed = leftovers.check_cache(repo)
            print(f"{os.path.relpath(place)}: {entries} entries of dvc's cache read, {tell(removed)} removed")
            if removed:
                print("make repro makes again what a study needs of them")
        outputs, said = 0, []
        for repo in repos:
            try:
                count, lines = leftovers.check_outputs(repo)
                outputs, said = outputs + count, said + lines
            except DvcException as error:
                warn(f"{os.path.relpath(repo.root_dir)}: outputs not read: {first_line(error)}")
        print(f"{outputs} outputs of studies read, {tell(said)} damaged")


def tell(lines: list[str]) -> int:
    """Print lines; returns how many they are."""
    for line in lines:
        print(line)
    return len(lines)


if __name__ == "__main__":
    run_stage(main)
