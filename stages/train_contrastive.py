"""Stage train_contrastive: phase 2, supervised contrastive learning on pairs of training texts."""

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.topology import CONTRAST, ENCODER_PHASE


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "variant", "seed").parse_args()

    from threephase.phases.checkpoint_choice import CHECKPOINTS_OF_PHASE_2, best_checkpoint
    from threephase.phases.contrastive import PairBatches, draw_pairs, train_contrastive, without_held_back
    from threephase.phases.sharing import has_same_rows, take_over
    from threephase.phases.training_run import TrainingRun
    from threephase.study.settings import CONTRASTIVE_LAYER

    run = TrainingRun.of_command(arguments, CONTRAST, ENCODER_PHASE)
    if has_same_rows(run):
        take_over(run, paths.trained_encoder)
        return
    encoder = run.load_start()
    run.add_layer(encoder, CONTRASTIVE_LAYER)
    tokenizer = run.tokenizer(encoder)
    rows, pairs = draw_pairs(run, run.settings.pairs.imbalance, tokenizer)
    if run.settings.pairs.holds_back_tenth and "validation" not in set(run.examples["split"]):
        pairs = without_held_back(pairs)
    settings = run.settings.contrastive
    batches = PairBatches(rows["text"].tolist(), pairs, settings, tokenizer, run.seed, run.machine.device)
    checkpoints = best_checkpoint(run, encoder, tokenizer, CHECKPOINTS_OF_PHASE_2, len(batches))
    run.seed_dropout()
    optimization = train_contrastive(encoder, batches, settings, run.machine, checkpoints)
    run.export(encoder, tokenizer)
    run.write_records(optimization, batches.sequence_updates, tokenizer, pairs=len(pairs), resampled_rows=len(rows))
