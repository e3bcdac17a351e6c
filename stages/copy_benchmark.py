"""Copy a benchmark under another name, with another encoder, protocol or fewer variants; `dvc repro` runs it."""

import argparse

from stages.common import paths
from stages.common.config import load_shared, load_study
from stages.common.errors import run_stage
from stages.common.schema import refuse_unknown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", help="a folder of benchmarks/")
    parser.add_argument("name", help="letters, digits and _; the new folder")
    parser.add_argument("--encoder", help="an encoder of params.yaml, trained with the settings of the one it replaces")
    parser.add_argument("--protocol", help="a protocol of params.yaml")
    parser.add_argument(
        "--variants", nargs="+", help="the variants of the source that the copy runs, without baselines"
    )
    arguments = parser.parse_args()
    shared, study = load_shared(), load_study(arguments.source)
    for key, value, known in (
        ("encoders", arguments.encoder, shared.encoders),
        ("protocols", arguments.protocol, shared.protocols),
    ):
        if value is not None:
            refuse_unknown(paths.SHARED_PARAMS, key, value, known)

    from stages.common import new_benchmark
    from stages.common.files import new_folder

    new_benchmark.check_name(arguments.name)
    changed = new_benchmark.copied_params(
        study, arguments.name, arguments.encoder, arguments.protocol, arguments.variants
    )
    with new_folder(paths.BENCHMARKS / arguments.name) as folder:
        new_benchmark.write(folder, changed, new_benchmark.ABOUT_COPY.format(source=arguments.source), paths.BENCHMARKS)
    print(f"{paths.BENCHMARKS / arguments.name} is written; the study:")
    print(f"dvc repro {paths.BENCHMARKS / arguments.name}/dvc.yaml")


if __name__ == "__main__":
    run_stage(main)
