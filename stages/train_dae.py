"""Stage train_dae: phase 1, the encoder as a denoising autoencoder on the texts alone."""

from threephase.study.arguments import stage_parser
from threephase.study.topology import DENOISE, ENCODER_PHASE


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "variant", "seed").parse_args()

    from threephase.phases.checkpoint_choice import CHECKPOINTS_OF_PHASE_1, best_checkpoint
    from threephase.phases.denoising import DenoisingBatches, train_denoising
    from threephase.phases.training_run import TrainingRun
    from threephase.study.settings import BOTTLENECK

    run = TrainingRun.of_command(arguments, DENOISE, ENCODER_PHASE)
    encoder = run.load_start()
    decoder = run.new_decoder(encoder)
    run.add_layer(encoder, BOTTLENECK)
    tokenizer = run.tokenizer(encoder)
    texts = run.trained_on(run.denoising_rows(), tokenizer)["text"].tolist()
    settings = run.settings.denoising
    batches = DenoisingBatches(texts, settings, tokenizer, run.seed, run.machine.device)
    checkpoints = best_checkpoint(run, encoder, tokenizer, CHECKPOINTS_OF_PHASE_1, len(batches))
    run.seed_dropout()
    optimization = train_denoising(encoder, decoder, batches, settings, run.machine, checkpoints)
    run.export(encoder, tokenizer)
    run.write_records(optimization, batches.sequence_updates, tokenizer)
