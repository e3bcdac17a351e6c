"""Stage choose_engine: choose device and precision for this machine, once, before dvc starts."""

import argparse

from stages.common.config import load_shared
from stages.common.errors import run_stage


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    wish = load_shared().engine

    from stages.common.engine.machine import choose_machine

    machine = choose_machine(wish)
    print(f"engine: {machine.device}, {machine.precision}, {machine.threads} threads")


if __name__ == "__main__":
    run_stage(main)
