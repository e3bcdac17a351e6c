"""Render how many labels each method needs, from the published columns of the curves; not a part of the pipeline.

Writes the page, its table and its figure to reports/published/labels/, and says the same in README.md.
"""

import argparse

from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.study.label_params import load_label_curves
from threephase.study.read_params import load_published, load_shared


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    named, published = load_label_curves(load_shared()), load_published()

    from threephase.base.files import with_part, write_table, write_text
    from threephase.report import labels_page
    from threephase.report.finished import finished_published
    from threephase.report.labels import read_labels

    shown = read_labels(named, {study.name: study for study in finished_published(published)})
    write_table(labels_page.TABLE, shown.table())
    write_text(labels_page.PICTURE, labels_page.draw(shown))
    write_text(paths.PUBLISHED_LABELS, labels_page.render_labels(shown))
    readme = paths.README.read_text(encoding="utf-8")
    part = labels_page.readme_part(shown)
    write_text(paths.README, with_part(paths.README, readme, "labels", labels_page.COMMAND, part))
    print(f"How many labels each method needs: {paths.PUBLISHED_LABELS}")


if __name__ == "__main__":
    run_stage(main)
