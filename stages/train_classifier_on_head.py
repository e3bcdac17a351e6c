"""Stage train_classifier_on_head: phase 3 from the head that a method gives, and its predictions."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.topology import CLASSIFIER_PHASE, CLASSIFY_ON_HEAD


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "variant", "seed").parse_args()

    from threephase.base.files import write_table
    from threephase.phases.classifier import probabilities
    from threephase.phases.initial_heads import train_best_on_head
    from threephase.phases.training_run import TrainingRun
    from threephase.phases.vectors import write_vectors
    from threephase.scores.predictions import predictions_table

    run = TrainingRun.of_command(arguments, CLASSIFY_ON_HEAD, CLASSIFIER_PHASE)
    done = train_best_on_head(run)
    # Every choice is made: a test part that chose nothing is scored from here on, once.
    scored = {part: run.part(part) for part in ("validation", "test") if part in set(run.examples["part"])}
    predicted = {part: probabilities(run, part, done.best.model, done.tokenizer) for part in scored}
    table = predictions_table(scored, predicted, run.classes)
    write_table(paths.predictions(run.folder, run.encoder, run.variant, run.seed), table)
    write_vectors(run, done.best.model.encoder, done.tokenizer)
    sequence_updates = sum(candidate.sequence_updates for candidate in done.tried)
    run.write_records(done.best.optimization, sequence_updates, done.tokenizer, **done.best.facts(done.tried))
