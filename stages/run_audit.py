"""Stage run_audit: what the paper's printed numbers say about each other, reports/paper/audit.json and audit.md."""

from stages.common import paths
from stages.common.arguments import stage_parser
from stages.common.config import load_datasets, load_shared
from stages.common.errors import run_stage


def main() -> None:
    stage_parser(__doc__).parse_args()
    shared, datasets = load_shared(), load_datasets()

    from stages.common.audit import of_paper
    from stages.common.audit.item import write
    from stages.common.audit.printed import read_printed

    write(paths.PAPER_AUDIT, of_paper.audit(read_printed(shared, datasets)))


if __name__ == "__main__":
    run_stage(main)
