"""Compare two experiments: the parameters that differ, and what it did to every cell; ``make compare A=... B=...``."""

import argparse

from stages.common import paths
from stages.common.config import load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", default="HEAD", help="A: commit, branch, tag or experiment (default: HEAD)")
    parser.add_argument("--second", default="workspace", help="B: the same (default: workspace, the files as they lie)")
    arguments = parser.parse_args()

    from stages.common.comparison import common_benchmarks, compare
    from stages.common.comparison_texts import as_text, write
    from stages.common.revisions import read_revisions

    first, second = read_revisions((arguments.first, arguments.second))
    known = [name for name in common_benchmarks(first, second) if paths.benchmark_params(name).is_file()]
    comparison = compare(first, second, {name: load_study(name) for name in known})
    print(as_text(comparison))
    print(write(comparison))


if __name__ == "__main__":
    run_stage(main)
