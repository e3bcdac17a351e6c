"""Stage prepare_data: cleaned, checked examples with a fixed test set, and a manifest of what they hold."""

import argparse
import dataclasses

from stages.common import paths
from stages.common.config import load_dataset
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, help="a folder of data/")
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.dataset)

    from stages.common import data
    from stages.common.files import read_table, write_json, write_table

    raw = paths.raw_rows(dataset.name)
    origin = dataset.source.path or str(raw)
    rows = read_table(raw)
    examples = data.clean(rows, dataset, origin)
    if dataset.deduplicate:
        examples = data.without_duplicates(examples)
    data.check_content(examples, dataset, origin)
    if dataset.test_rows is not None:
        examples = data.with_test_rows(examples, dataset.test_rows, origin)
    manifest = {
        "dataset": dataset.name,
        "title": dataset.title,
        "rows": len(examples),
        "rows_of_source": len(rows),
        "rows_by_split": examples["split"].value_counts().sort_index().to_dict(),
        "labels": data.label_counts(examples),
        "content_sha256": data.content_sha256(examples),
        "source": dataclasses.asdict(dataset.source),
        "licence": dataset.licence.strip(),
    }
    write_table(paths.examples(dataset.name), examples)
    write_json(paths.manifest(dataset.name), manifest)


if __name__ == "__main__":
    run_stage(main)
