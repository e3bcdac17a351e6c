"""Stage train_classifier: phase 3, a classifier on a variant's encoder, and its predictions."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.topology import CLASSIFIER_PHASE, CLASSIFY


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "variant", "seed").parse_args()

    from threephase.base.files import write_table
    from threephase.phases.classifier import probabilities, train_best
    from threephase.phases.sharing import has_same_start, take_over
    from threephase.phases.training_run import TrainingRun
    from threephase.phases.vectors import write_vectors
    from threephase.scores.predictions import predictions_table

    run = TrainingRun.of_command(arguments, CLASSIFY, CLASSIFIER_PHASE)
    if has_same_start(run):
        take_over(run, paths.predictions, paths.vectors)
        return
    done = train_best(run)
    # Every choice is made: a test part that chose nothing is scored from here on, once.
    scored = {part: run.part(part) for part in ("validation", "test") if part in set(run.examples["part"])}
    predicted = {part: probabilities(run, part, done.best.model, done.tokenizer) for part in scored}
    table = predictions_table(scored, predicted, run.classes)
    write_table(paths.predictions(run.folder, run.encoder, run.variant, run.seed), table)
    write_vectors(run, done.best.model.encoder, done.tokenizer)
    sequence_updates = sum(candidate.sequence_updates for candidate in done.tried)
    run.write_records(done.best.optimization, sequence_updates, done.tokenizer, **done.best.facts(done.tried))
