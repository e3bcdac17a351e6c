"""Compare your own run of a study with the published one; ``make verify STUDY=...``.

Exit status 0 where all cells agree, 1 where one differs, 2 where there is nothing to compare.
"""

from stages.common.arguments import stage_parser
from stages.common.config import study_in
from stages.common.errors import run_stage


def main() -> None:
    study = study_in(stage_parser(__doc__).parse_args().study)

    from stages.common.verification import verify
    from stages.common.verification_text import as_text

    verification = verify(study)
    print(as_text(study, verification))
    raise SystemExit(int(verification.differs()))


if __name__ == "__main__":
    run_stage(main)
