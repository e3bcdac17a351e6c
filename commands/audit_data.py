"""Count the texts that stand in a data set more than once: reports/published/data_audit.json, kept in git.

Counts and row ids of every data set that is prepared here; what was counted of the others stays.
"""

import argparse

from threephase.base import paths
from threephase.base.errors import UserError, run_stage
from threephase.study.read_params import load_studies


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    studies = load_studies()

    from threephase.audit.overlap import entry
    from threephase.base.files import read_json, write_json
    from threephase.paper.data_tables import read_prepared

    prepared = read_prepared(studies.values())
    if not prepared:
        raise UserError(
            f"{paths.DATA}: got no data set that a study has prepared, expected one; run: dvc repro prepare_data"
        )
    entries = read_json(paths.DATA_AUDIT) if paths.DATA_AUDIT.is_file() else {}
    for name, (dataset, examples) in prepared.items():
        entries[name] = entry(dataset, examples)
        count = entries[name]["normalised"]["test_rows_in_train"]
        print(f"{name}: {count} test rows stand in the training rows too")
    write_json(paths.DATA_AUDIT, {name: entries[name] for name in sorted(entries)})


if __name__ == "__main__":
    run_stage(main)
