"""Compare your own run of a benchmark with the published one; ``make verify BENCHMARK=...``.

Exit status 0 where all cells agree, 1 where one differs, 2 where there is nothing to compare.
"""

import argparse

from stages.common.config import load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/ that reports/published/ has too")
    study = load_study(parser.parse_args().benchmark)

    from stages.common.verification import verify
    from stages.common.verification_text import as_text

    verification = verify(study)
    print(as_text(study, verification))
    raise SystemExit(int(verification.differs()))


if __name__ == "__main__":
    run_stage(main)
