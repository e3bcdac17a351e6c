"""Stage fit_classifier: the classifier that a method fits in place of phase 3, and its predictions."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.topology import CLASSIFIER_PHASE, FIT_CLASSIFIER


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "variant", "seed").parse_args()

    from threephase.base.files import write_table
    from threephase.phases.fitted_classifiers import fit, history, probabilities_of
    from threephase.phases.phase_3_files import write_predictions
    from threephase.phases.training_run import TrainingRun
    from threephase.phases.vectors import write_vectors

    run = TrainingRun.of_command(arguments, FIT_CLASSIFIER, CLASSIFIER_PHASE)
    encoder = run.load_start()
    tokenizer = run.tokenizer(encoder)
    classify = fit(run, encoder, tokenizer)
    write_table(run.place(paths.history), history(run, tokenizer, classify))
    write_predictions(run, lambda part: probabilities_of(run, part, tokenizer, classify))
    write_vectors(run, encoder, tokenizer)
    run.write_report(
        updates=0, sequence_updates=0, max_length=tokenizer.max_length, truncated_texts=tokenizer.truncated
    )
