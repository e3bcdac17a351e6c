"""Add your own texts: writes data/NAME.yaml and studies/NAME/, which `make repro STUDY=NAME` then runs."""

import argparse
import shlex

from threephase.base.errors import run_stage, warn
from threephase.study.read_params import load_study
from threephase.study.source_params import CONTRADICTING, WORDS


def parser() -> argparse.ArgumentParser:
    """The command line: where the rows are, how they are read, and what is made of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="small letters, digits and _; what data set and study are called")
    files = "a table (CSV, TSV, TXT, JSON, Parquet, Excel, also .gz or .zip), a folder of tables, or a folder of texts"
    parser.add_argument("--file", action="append", metavar="[SPLIT=]PATH", help=f"{files}; or one a split: train=a.csv")
    parser.add_argument("--hub", metavar="ID@REVISION", help="a data set of the hub instead")
    several = {"action": "append", "default": []}
    parser.add_argument("--text-column", **several, help="by name, or by number from 1; several are joined by a space")
    parser.add_argument("--label-column", **several, help="the same; several are levels, top level first")
    parser.add_argument("--split-column", help="holds train, validation, test or unlabelled")
    parser.add_argument("--split", **several, metavar="OURS=THEIRS", help="what the data call it, such as test=dev")
    labels = "a file with the label of each line of --file"
    parser.add_argument("--labels", **several, metavar="[SPLIT=]PATH", help=labels)
    parser.add_argument("--separator", help="between fields, such as ';' or tab; else found by a look at the file")
    parser.add_argument("--quote", help="around fields, or none; else found")
    parser.add_argument("--encoding", help="of text files, such as cp1251; else found")
    parser.add_argument("--no-header", action="store_false", dest="header", default=None, help="the first row is one")
    named = "is one class, such as None, or 'red blue' beside red and blue"
    parser.add_argument("--class", **several, dest="classes", metavar="NAME", help=named)
    parser.add_argument(
        "--duplicates", choices=CONTRADICTING, default="first", help="which row of a text with different labels stays"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="keep N rows, splits and classes in their shares")
    parser.add_argument("--no-estimate", action="store_true", help="measure no updates, which take some 20 seconds")
    encoder = "one of encoders/, hub:ID@REVISION, or a folder (BERT, RoBERTa or XLM-R); else the default study's"
    parser.add_argument("--encoder", help=encoder)
    return parser


def main() -> None:
    arguments = parser().parse_args()
    name, default = arguments.name, load_study()

    from threephase.data import cleaning
    from threephase.data.scripts import proposed_units, share_without_spaces
    from threephase.project import new_study
    from threephase.project.new_encoder import encoder_named
    from threephase.project.new_source import how_read, source_of
    from threephase.report.look import look_at

    new_study.check_name(name)
    source, texts, labels = source_of(arguments)
    definition = new_study.dataset_definition(name, source, texts, labels, arguments.duplicates, arguments.sample)
    sources, classes = default.shared.sources, arguments.classes
    places, cleaned, examples = new_study.read_examples(name, definition, sources, classes)
    new_study.check_labels(examples, labels)
    for group in new_study.alike_labels(cleaning.label_counts(examples)):
        warn(f"labels {' and '.join(map(repr, group))} differ in case or spaces alone and count as different classes")
    definition["test_rows"] = new_study.test_rows(examples)
    if definition["test_rows"] is not None:
        examples = cleaning.with_test_rows(examples, definition["test_rows"], name, stratified=True)
    definition["units"] = proposed_units(examples["text"])
    encoder, of_encoder = encoder_named(arguments.encoder or default.params.encoders[0], default.shared)
    default = new_study.with_encoder(default, encoder, of_encoder)
    params, report = look_at(name, definition, default, places, cleaned, examples, not arguments.no_estimate)
    written = new_study.write(name, definition, params, report, {encoder: of_encoder} if of_encoder else {})
    print(report)
    print(how_read(source, texts, labels))
    if definition["units"] != WORDS:
        share = f"{share_without_spaces(examples['text']):.0%} of the texts have no spaces between words"
        print(f"{share}: noise, stop-words and TF-IDF work on characters (units in {written[0]})")
    print(f"{' and '.join(written)} are written. The study, with checks and pages, or by dvc alone:")
    print(f"make repro STUDY={name}\ndvc --cd {written[1]} repro\nHow much that trains: make preview STUDY={name}")
    print("To keep it in git, and for dvc exp run --temp or --queue, which copy only what git tracks:")
    print(f"git add {shlex.join([*written, *new_study.read_here(load_study(name))])}")


if __name__ == "__main__":
    run_stage(main)
