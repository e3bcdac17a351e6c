"""Stage fit_classifier: the classifier that a method fits in place of phase 3, and its predictions."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.topology import CLASSIFIER_PHASE, FIT_CLASSIFIER


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "variant", "seed").parse_args()

    from threephase.base.files import write_table
    from threephase.phases.fitted_classifiers import fit, history, probabilities_of
    from threephase.phases.training_run import TrainingRun
    from threephase.phases.vectors import write_vectors
    from threephase.scores.predictions import predictions_table

    run = TrainingRun.of_command(arguments, FIT_CLASSIFIER, CLASSIFIER_PHASE)
    encoder = run.load_start()
    tokenizer = run.tokenizer(encoder)
    classify = fit(run, encoder, tokenizer)
    write_table(run.place(paths.history), history(run, tokenizer, classify))
    # Nothing is left to choose: the test part is scored from here on, once.
    scored = {part: run.part(part) for part in ("validation", "test") if part in set(run.examples["part"])}
    predicted = {part: probabilities_of(run, part, tokenizer, classify) for part in scored}
    table = predictions_table(scored, predicted, run.classes)
    write_table(paths.predictions(run.folder, run.encoder, run.variant, run.seed), table)
    write_vectors(run, encoder, tokenizer)
    run.write_report(
        updates=0, sequence_updates=0, max_length=tokenizer.max_length, truncated_texts=tokenizer.truncated
    )
