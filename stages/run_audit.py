"""Stage run_audit: what the paper's printed numbers say about each other, reports/paper/audit.json and audit.md."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.read_params import load_datasets, load_shared


def main() -> None:
    stage_parser(__doc__).parse_args()
    shared, datasets = load_shared(), load_datasets()

    from threephase.audit.checks import of_paper
    from threephase.audit.item import write
    from threephase.audit.printed import read_printed

    write(paths.PAPER_AUDIT, of_paper(read_printed(shared, datasets)))
