"""Write the whole audit, with our published runs, to reports/published/; kept in git, not a part of the pipeline."""

import argparse

from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.study.read_params import load_datasets, load_published, load_shared


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    shared, datasets, studies = load_shared(), load_datasets(), load_published()

    from threephase.audit.checks import of_paper, of_runs
    from threephase.audit.item import write
    from threephase.audit.overlap_effect import read_entries
    from threephase.audit.printed import read_printed
    from threephase.audit.published_runs import read_published

    printed = read_printed(shared, datasets)
    items = of_paper(printed) + of_runs(printed, read_published(studies), read_entries(datasets))
    write(paths.PUBLISHED_AUDIT, items)
    for item in items:
        print(f"{item.outcome:<9}  {item.title}")
    print(paths.PUBLISHED_AUDIT.with_suffix(".md"))


if __name__ == "__main__":
    run_stage(main)
