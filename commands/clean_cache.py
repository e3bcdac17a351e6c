"""Take out of dvc's cache what no study and no experiment needs, and saves of trainings that no study has: make gc.

A bare dvc gc would delete what other studies need, as all share one cache. Results of earlier commits go too.
"""

import argparse
import contextlib
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError, run_stage, warn
from threephase.study.read_params import load_studies
from threephase.study.topology import trainings

DVC = (sys.executable, "-m", "dvc")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="only say what would go")
    parser.add_argument("--force", action="store_true", help="without a question")
    arguments = parser.parse_args()
    print("reading the locks of all studies and experiments, to see what they need of dvc's cache", flush=True)
    saves = abandoned_saves()
    for folder in saves:
        print(f"{folder}: saves of a training that its study has no more", flush=True)
    # All folders that are projects, whatever their params say: what a lock names must stay.
    projects = sorted(str(config.parent.parent) for config in paths.STUDIES.glob("*/.dvc/config"))
    command = [*DVC, "gc", "--workspace", "--all-experiments"]
    command += [f"--{name}" for name, given in vars(arguments).items() if given]
    command += ["--projects", *projects] if projects else []
    if not arguments.dry:
        kept_in = cache()
        before = size_of(kept_in)
    # dvc warns of each output that was never made, and says of a dry run as well that it has removed something.
    ended = subprocess.run(command, check=False, capture_output=arguments.dry, text=True)
    if ended.returncode:
        errors = re.findall("^ERROR: .*", ended.stderr or "", flags=re.MULTILINE)
        raise UserError(f"dvc gc: ended without cleaning; {' '.join(errors) or 'its own message stands above'}")
    if arguments.dry:
        count = sum(map(int, re.findall(r"Removed (\d+) objects", ended.stdout + ended.stderr)))
        folders = f" and remove {len(saves)} folders of saves" if saves else ""
        print(f"make gc would take {count} files and folders out of dvc's cache{folders}; nothing was removed")
        return
    freed = before - size_of(kept_in) + sum(map(size_of, saves))
    for folder in saves:
        shutil.rmtree(folder)
    print(f"{freed / 1e6:.1f} MB freed")


def cache() -> Path:
    """Where dvc keeps what stages made: its settings may name another disk."""
    result = subprocess.run([*DVC, "cache", "dir"], capture_output=True, text=True)
    if result.returncode:
        raise UserError(f"dvc cache dir: {' '.join(result.stderr.split())}; expected the folder of dvc's cache")
    return Path(result.stdout.strip())


def size_of(folder: Path) -> int:
    """Bytes of all files in and below a folder that stand nowhere else: dvc links an output to its object."""
    found = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # another clone may share the cache
            status = file.stat()
            found += status.st_size if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 else 0
    return found


def abandoned_saves() -> list[Path]:
    """The folders of saves whose training their study has no more; none where params are refused."""
    if not any(paths.all_unfinished(folder).is_dir() for folder in (Path(), *paths.STUDIES.glob("*"))):
        return []
    try:
        studies = load_studies(all_good=False)
    except UserError as error:
        warn(f"no saves are removed: {error}")
        return []
    found = []
    for study in studies.values():
        needed = {
            paths.unfinished(study.folder, training.program, training.encoder, training.variant, seed)
            for training in trainings(study)
            for seed in study.params.seeds
        }
        found += sorted(set(paths.all_unfinished(study.folder).glob("*/")) - needed)
    return found


if __name__ == "__main__":
    run_stage(main)
