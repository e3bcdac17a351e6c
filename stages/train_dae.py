"""Stage train_dae: phase 1, the encoder as a denoising autoencoder on the texts alone."""

import argparse

from stages.common.config import load_study
from stages.common.errors import run_stage
from stages.common.settings import DENOISED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    parser.add_argument("--encoder", required=True, help="an encoder of params.yaml")
    parser.add_argument("--seed", required=True, type=int)
    arguments = parser.parse_args()
    study = load_study(arguments.benchmark)
    study.check_cell(arguments.encoder, DENOISED, ("train_dae",))

    from stages.common.denoising import DenoisingBatches, train_denoising
    from stages.common.engine.models import BOTTLENECK
    from stages.common.engine.runs import Run
    from stages.common.looks import LOOKS_DAE, looks_of

    run = Run(study, "train_dae", arguments.encoder, DENOISED, arguments.seed, "encoder")
    run.start_processes()
    encoder = run.load_pretrained()
    decoder = run.new_decoder(encoder)
    run.add_layer(encoder, BOTTLENECK)
    tokenizer = run.tokenizer(encoder)
    texts = run.trained_on(run.denoising_rows(), tokenizer)["text"].tolist()
    batches = DenoisingBatches(texts, run.settings, tokenizer, run.seed, run.machine.device)
    looks = looks_of(run, encoder, tokenizer, run.protocol.dae_checkpoint, LOOKS_DAE, len(batches))
    run.seed_dropout()
    updates = train_denoising(encoder, decoder, batches, run.settings, run.training, run.machine, looks)
    run.end_processes()
    run.export(encoder, tokenizer)
    run.write_records(updates, batches.sequence_updates, tokenizer)


if __name__ == "__main__":
    run_stage(main)
