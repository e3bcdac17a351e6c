"""Add your own texts: writes data/NAME/ and benchmarks/NAME/, on which `dvc repro` then runs the whole study."""

import argparse

from stages.common import paths
from stages.common.config import load_shared
from stages.common.errors import run_stage, warn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="letters, digits and _; what the two folders are called")
    parser.add_argument(
        "--file",
        required=True,
        action="append",
        metavar="[SPLIT=]PATH",
        help="a CSV, JSON lines or Parquet file or a folder of them; or one a split: train=a.csv test=b.csv",
    )
    parser.add_argument("--text-column", required=True, action="append", help="several are joined by a space")
    parser.add_argument("--label-column", required=True, action="append", help="several are levels, top level first")
    parser.add_argument("--split-column", help="holds train, validation, test or unlabelled")
    parser.add_argument("--encoding", help="of CSV and JSON lines, where it is neither UTF-8 nor Windows-1252")
    arguments = parser.parse_args()
    shared = load_shared()

    from stages.common import new_benchmark
    from stages.common.data import label_counts
    from stages.common.files import new_folder

    new_benchmark.check_name(arguments.name)
    dataset = new_benchmark.dataset_params(
        arguments.name,
        new_benchmark.named_files(arguments.file),
        arguments.text_column,
        arguments.label_column,
        arguments.split_column,
        arguments.encoding,
    )
    examples = new_benchmark.read_examples(dataset, shared.sources)
    new_benchmark.check_labels(examples, arguments.label_column)
    dataset["test_rows"] = new_benchmark.test_rows(examples)
    benchmark = new_benchmark.benchmark_params(arguments.name, shared)
    with new_folder(paths.DATA / arguments.name) as data, new_folder(paths.BENCHMARKS / arguments.name) as study:
        new_benchmark.write(data, dataset, new_benchmark.ABOUT_DATA, paths.DATA)
        new_benchmark.write(study, benchmark, new_benchmark.ABOUT_BENCHMARK, paths.BENCHMARKS)
    counts = label_counts(examples)
    for group in new_benchmark.alike_labels(counts):
        warn(f"labels {' and '.join(map(repr, group))} differ in case or spaces alone and count as different classes")
    apart = f", {dataset['test_rows']} of them for the test" if dataset["test_rows"] else ""
    print(f"{len(examples)} rows{apart}; labels: {', '.join(f'{label} {count}' for label, count in counts.items())}")
    print(f"{paths.DATA / arguments.name} and {paths.BENCHMARKS / arguments.name} are written; the study on them:")
    print(f"dvc repro {paths.BENCHMARKS / arguments.name}/dvc.yaml")


if __name__ == "__main__":
    run_stage(main)
