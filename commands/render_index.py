"""Render the page over all studies that have results, and its tables; not a part of the pipeline.

Of what git keeps, each study's own page is rendered too, README.md and docs/findings.md say the same, and a picture
shows it.
"""

import argparse

from threephase.base import paths
from threephase.base.errors import UserError, run_stage
from threephase.study.read_params import load_datasets, load_paper, load_published, load_shared, load_studies
from threephase.study.rules import counts_all_labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--published", action="store_true", help="of what git keeps, not of what was run here")
    published = parser.parse_args().published
    shared, settings, datasets = load_shared(), load_paper(), load_datasets()
    kept = load_published() if published else {}
    studies = load_studies(all_good=False) | kept

    from threephase.base.files import with_part, write_text
    from threephase.paper import numbers
    from threephase.report import overview, overview_tables, readme
    from threephase.report.finished import finished_here, finished_published
    from threephase.report.page import render_page

    finished = finished_published(kept) if published else finished_here(studies)
    # Studies of few labels ask another question, on a page of its own.
    asking = [study for study in finished if not counts_all_labels(study.study.protocol)]
    if finished and not asking:
        print("The page over all studies has none of few labels: their own is made from published ones, by make labels")
        return
    if not asking:
        where, make = (paths.PUBLISHED, "make publish STUDY=...") if published else (paths.REPORTS, "make repro")
        raise UserError(f"{where}: got no study with results, expected at least one; run: {make}")
    work = numbers.Reproduction(numbers.read_numbers(), settings, shared, studies, published=published)
    shown = overview.Overview(work, asking, {name: dataset.title for name, dataset in datasets.items()})
    frames = overview_tables.tables(shown)
    write_text(shown.page.with_name(f"{shown.tables}.md"), overview_tables.as_markdown(frames))
    write_text(shown.page.with_name(f"{shown.tables}.tex"), overview_tables.as_latex(frames))
    write_text(shown.page, overview.render_overview(shown))
    if published:
        for study in finished:
            write_text(study.folder / "index.html", render_page(study, texts=False, with_costs=True, beside=finished))
        for file, parts in readme.parts(shown).items():
            text = file.read_text(encoding="utf-8")
            for name, part in parts.items():
                text = with_part(file, text, name, readme.COMMAND, part)
            write_text(file, text)
        readme.draw(shown)
    print(f"The page over all studies with results: {shown.page}")


if __name__ == "__main__":
    run_stage(main)
