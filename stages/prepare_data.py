"""Stage prepare_data: cleaned, checked examples with a fixed test set, and a manifest of what they hold."""

from threephase.base import paths
from threephase.base.errors import warn
from threephase.study.arguments import stage_parser


def main() -> None:
    folder = stage_parser(__doc__).parse_args().study

    from threephase.base.files import read_json, read_table, write_json, write_table
    from threephase.data import cleaning
    from threephase.study.settings import DataSettings, read_settings

    dataset = read_settings(DataSettings, folder, "prepare_data").dataset
    rows, used = read_table(paths.raw_rows(folder)), read_json(paths.used_source(folder))
    origin = used["origin"]
    examples = cleaning.clean(rows, dataset)
    # Counted before duplicates go: of a text in both parts only the test row stays.
    shared = cleaning.shared_texts(examples)
    for split, count in shared.items():
        if count:
            warn(f"{origin}: {count} {split} rows have a text that also stands in the training rows")
    examples = cleaning.prepared(examples, dataset, used)
    manifest = {
        "dataset": dataset.name,
        "title": dataset.title,
        "rows": len(examples),
        "rows_of_source": len(rows),
        "rows_by_split": examples["split"].value_counts().sort_index().to_dict(),
        "texts_also_in_train": shared,
        "labels": cleaning.label_counts(examples),
        "content_sha256": cleaning.content_sha256(examples),
        "source": used,
        "licence": dataset.licence.strip(),
    }
    write_table(paths.examples(folder), examples)
    write_json(paths.manifest(folder), manifest)
