"""Compare two revisions of a study, or two studies: settings that differ, and every cell; ``make compare``."""

import argparse

from threephase.base.errors import UserError, run_stage
from threephase.study.read_params import load_study, study_folders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    first, second = (
        "A: a study, or a commit, branch, tag or experiment",
        "B: the same; workspace: the files as they lie",
    )
    parser.add_argument("--first", default="HEAD", help=f"{first} (default: HEAD)")
    parser.add_argument("--second", default="workspace", help=f"{second} (default: workspace)")
    study = "a study, of which A and B are revisions; else the default one"
    parser.add_argument("--study", default="", metavar="NAME", help=study)
    arguments = parser.parse_args()

    from threephase.revisions.comparison import compare
    from threephase.revisions.comparison_text import as_text, write
    from threephase.revisions.side import Side

    names = (arguments.first, arguments.second)
    if not arguments.study and are_studies(names):
        sides = [Side(load_study(name)) for name in names]
    else:
        study = load_study(arguments.study)
        sides = [Side(study, name) for name in names]
    comparison = compare(*sides)
    print(as_text(comparison))
    print(write(comparison))


def are_studies(names: tuple[str, str]) -> bool:
    """Whether both names are those of studies; refuses one study, and a study that is a revision as well."""
    from threephase.revisions.side import WORKSPACE, is_revision

    known = study_folders()
    studies = [name for name in names if name in known]
    for name in studies:
        if name == WORKSPACE or is_revision(name):
            raise UserError(
                f"A and B: got {name!r}, a study and also a branch, tag or experiment, expected one of the two; "
                "for revisions of a study add STUDY=..., for the study rename the other"
            )
    if len(studies) == 1:
        raise UserError(
            f"A and B: got {names[0]!r} and {names[1]!r}, one of them a study, expected two studies or two revisions; "
            f"for revisions of that study: STUDY={studies[0]}"
        )
    return bool(studies)


if __name__ == "__main__":
    run_stage(main)
