"""Copy a finished benchmark's results to reports/published/, which is kept in git; not a part of the pipeline."""

import argparse

from stages.common.config import load_datasets, load_paper, load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    study = load_study(parser.parse_args().benchmark)

    from stages.common.published import publish

    titles = {name: dataset.title for name, dataset in load_datasets().items()}
    print(publish(study, load_paper(), titles))


if __name__ == "__main__":
    run_stage(main)
