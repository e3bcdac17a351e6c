"""Search hyper-parameters on validation rows of a seed that is never reported; not a part of the pipeline."""

from pathlib import Path

from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.study.arguments import stage_parser
from threephase.study.read_params import study_in


def main() -> None:
    parser = stage_parser(__doc__, "encoder")
    parser.add_argument("--seed", default=100, type=int, help="a seed that the study does not report (100)")
    parser.add_argument("--table", required=True, type=Path, help="where to write all trials, as Markdown")
    arguments = parser.parse_args()
    study = study_in(arguments.study)
    study.check_encoder(arguments.encoder)

    from threephase.base.files import write_text
    from threephase.results.search import Search, introduction, trials_table
    from threephase.results.tables import to_markdown

    search = Search(study, arguments.encoder, arguments.seed, study.folder / paths.RUNS / "search")
    trials = search.run()
    table = to_markdown(trials_table(trials, study))
    write_text(arguments.table, introduction(study, arguments.encoder, arguments.seed, search.report) + "\n" + table)


if __name__ == "__main__":
    run_stage(main)
