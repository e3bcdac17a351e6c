"""Stage train_contrastive: phase 2, supervised contrastive learning on pairs of training texts."""

from threephase.base.errors import run_stage
from threephase.study.arguments import stage_parser
from threephase.study.topology import CONTRAST, ENCODER_PHASE


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "variant", "seed").parse_args()

    from threephase.phases.checkpoint_choice import LOOKS_CONTRASTIVE, looks_of
    from threephase.phases.contrastive import PairBatches, draw_pairs, train_contrastive, without_held_back
    from threephase.phases.sharing import has_same_rows, take_over_encoder
    from threephase.phases.training_run import Run
    from threephase.study.settings import CONTRASTIVE_LAYER

    run = Run.from_settings(
        arguments.study, CONTRAST, arguments.encoder, arguments.variant, arguments.seed, ENCODER_PHASE
    )
    if has_same_rows(run):
        take_over_encoder(run)
        return
    encoder = run.load_start()
    run.add_layer(encoder, CONTRASTIVE_LAYER)
    tokenizer = run.tokenizer(encoder)
    run.adaptation_rows()
    rows, pairs = draw_pairs(run, run.settings.pairs.imbalance, tokenizer)
    if run.settings.pairs.holds_back_tenth and not run.has_validation_set:
        pairs = without_held_back(pairs)
    settings = run.settings.contrastive
    batches = PairBatches(rows["text"].tolist(), pairs, settings, tokenizer, run.seed, run.machine.device)
    looks = looks_of(run, encoder, tokenizer, run.settings.checkpoint, LOOKS_CONTRASTIVE, len(batches))
    run.seed_dropout()
    updates = train_contrastive(encoder, batches, settings, run.machine, looks)
    run.export(encoder, tokenizer)
    run.write_records(updates, batches.sequence_updates, tokenizer, pairs=len(pairs), resampled_rows=len(rows))


if __name__ == "__main__":
    run_stage(main)
