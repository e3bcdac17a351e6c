"""Stage train_joint: phases 1 and 2 in one training, the sum of both losses."""

from threephase.study.arguments import stage_parser
from threephase.study.topology import ENCODER_PHASE, JOINT_TRAINING


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "variant", "seed").parse_args()

    from threephase.phases.contrastive import PairBatches, draw_pairs
    from threephase.phases.denoising import DenoisingBatches
    from threephase.phases.joint import train_joint
    from threephase.phases.training_run import TrainingRun
    from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER

    run = TrainingRun.of_command(arguments, JOINT_TRAINING, ENCODER_PHASE)
    encoder = run.load_start()
    decoder = run.new_decoder(encoder)
    run.add_layer(encoder, BOTTLENECK)
    run.add_layer(encoder, CONTRASTIVE_LAYER)
    tokenizer = run.tokenizer(encoder)
    settings, device = run.settings, run.machine.device
    texts = run.trained_on(run.denoising_rows(), tokenizer)["text"].tolist()
    rows, pairs = draw_pairs(run, settings.pairs.imbalance, tokenizer)
    if settings.pairs.zero_targets:
        pairs = pairs.with_zero_targets()
    denoising = DenoisingBatches(texts, settings.denoising, tokenizer, run.seed, device)
    contrastive = PairBatches(rows["text"].tolist(), pairs, settings.contrastive, tokenizer, run.seed, device)
    run.seed_dropout()
    optimization = train_joint(encoder, decoder, denoising, contrastive, settings.denoising, run.machine)
    run.export(encoder, tokenizer)
    trained = denoising.sequence_updates + contrastive.sequence_updates
    run.write_records(optimization, trained, tokenizer, pairs=len(pairs), resampled_rows=len(rows))
