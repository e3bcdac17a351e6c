"""Stage train_method: an encoder trained by a file of threephase/methods/."""

from threephase.study.arguments import stage_parser
from threephase.study.topology import ENCODER_PHASE, METHOD


def main() -> None:
    arguments = stage_parser(__doc__, "encoder", "variant", "seed").parse_args()

    from threephase.phases.training_run import TrainingRun
    from threephase.study.methods import maker_in, settings_of

    run = TrainingRun.of_command(arguments, METHOD, ENCODER_PHASE)
    encoder = run.load_start()
    tokenizer = run.tokenizer(encoder)
    run.seed_dropout()
    method = run.settings.method
    train_encoder = maker_in(method.file, "encoder")
    optimization, sequence_updates = train_encoder(run, encoder, tokenizer, settings_of(method))
    run.export(encoder, tokenizer)
    run.write_records(optimization, sequence_updates, tokenizer)
