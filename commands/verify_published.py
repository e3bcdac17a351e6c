"""Compare your own run of a study with the published one; ``make verify STUDY=...``.

Exit status 0 where all cells agree, 1 where one differs, 2 where there is nothing to compare.
"""

from threephase.base.errors import run_stage
from threephase.study.arguments import stage_parser
from threephase.study.read_params import study_in


def main() -> None:
    study = study_in(stage_parser(__doc__).parse_args().study)

    from threephase.revisions.verification import as_text, verify

    verification = verify(study)
    print(as_text(study, verification))
    raise SystemExit(int(verification.differs()))


if __name__ == "__main__":
    run_stage(main)
