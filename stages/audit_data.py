"""Count the texts that stand in a data set more than once: reports/published/data_audit.json, kept in git.

Counts and row ids of every data set that is prepared here; what was counted of the others stays.
"""

import argparse

from stages.common import paths
from stages.common.config import load_studies
from stages.common.errors import UserError, run_stage


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    studies = load_studies()

    from stages.common.audit.overlap import entry
    from stages.common.files import read_json, write_json
    from stages.common.paper_data import read_prepared

    prepared = read_prepared(studies.values())
    if not prepared:
        raise UserError(
            f"{paths.DATA}: got no data set that a study has prepared, expected one; run: dvc repro prepare_data"
        )
    entries = read_json(paths.DATA_AUDIT) if paths.DATA_AUDIT.is_file() else {}
    for name, (dataset, examples) in prepared.items():
        entries[name] = entry(dataset, examples)
        found = entries[name]["normalised"]
        print(f"{name}: {found['test_rows_in_train']} test rows stand in the training rows too")
    write_json(paths.DATA_AUDIT, {name: entries[name] for name in sorted(entries)})


if __name__ == "__main__":
    run_stage(main)
