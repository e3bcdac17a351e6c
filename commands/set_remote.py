"""Set the default remote of dvc for the default study and all others, in files that git keeps: make remote URL=..."""

import argparse
import subprocess
import sys

from threephase.base.errors import UserError, run_stage
from threephase.study.read_params import load_studies

NAME = "storage"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="a folder or an address, as dvc remote add takes it")
    url, studies = parser.parse_args().url, load_studies()

    from threephase.project.project import write_project

    command = [sys.executable, "-m", "dvc", "remote", "add", "--quiet", "--default", "--force", NAME, url]
    if subprocess.run(command, check=False).returncode:
        raise UserError("dvc remote add: failed, expected an address that dvc knows; its own message stands above")
    for study in studies.values():
        write_project(study)
    print(f"{NAME}: {url} is the default remote of {len(studies)} studies; to keep it: git add .dvc/config studies")


if __name__ == "__main__":
    run_stage(main)
