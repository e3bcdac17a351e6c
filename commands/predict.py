"""Label new texts with a study's classifier: a line a row, its columns, its label and the probability of each class."""

import contextlib
import sys
from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError, counted, run_stage
from threephase.study.arguments import stage_parser
from threephase.study.read_params import study_in


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("file", metavar="FILE", help="a table with the study's text columns; - for a text a line")
    parser.add_argument("--output", type=Path, help="where to write the CSV (standard output)")
    parser.add_argument("--folder", type=Path, help="of the kept classifier (the study's folder, classifier/)")
    parser.add_argument("--encoding", help="of the file, where it is neither UTF-8 nor Windows-1252")
    arguments = parser.parse_args()
    if arguments.file != "-" and not Path(arguments.file).is_file():
        raise UserError(f"FILE: {arguments.file}: no such file, expected a table of new texts")
    study = study_in(arguments.study)
    folder = arguments.folder or paths.kept_classifier(study.folder)

    from threephase.base.files import new_file
    from threephase.model.machine import choose_machine
    from threephase.phases.kept_classifier import KeptClassifier
    from threephase.phases.new_texts import stdin_texts, texts_of, write_predictions
    from threephase.report.keeping import keep, refuse_outdated

    if not folder.is_dir():
        # What is said on the way must not stand among the predictions.
        with contextlib.redirect_stdout(sys.stderr):
            print(keep(study, folder))
    kept = KeptClassifier(folder, choose_machine(study.shared.engine))
    refuse_outdated(study, kept.described, folder)
    if arguments.file == "-":
        texts = stdin_texts(sys.stdin, kept.described, arguments.encoding)
    else:
        texts = texts_of(Path(arguments.file), kept.described, arguments.encoding)
    # Printed as in a file. Escaped are halves of characters alone, which a column that is no text may hold.
    form = {"encoding": "utf-8", "errors": "backslashreplace"}
    if arguments.output is None:
        sys.stdout.reconfigure(**form)
        write_predictions(kept, texts, sys.stdout)
        return
    with new_file(arguments.output) as file, file.open("w", newline="", **form) as output:
        rows = write_predictions(kept, texts, output)
    print(f"{arguments.output}: {counted(rows, 'row')}")


if __name__ == "__main__":
    run_stage(main)
