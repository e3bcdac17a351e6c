"""Stage train_joint: phases 1 and 2 in one training, the sum of both losses."""

import argparse

from stages.common.config import load_study
from stages.common.errors import run_stage
from stages.common.settings import JOINT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    parser.add_argument("--encoder", required=True, help="an encoder of params.yaml")
    parser.add_argument("--seed", required=True, type=int)
    arguments = parser.parse_args()
    study = load_study(arguments.benchmark)
    study.check_cell(arguments.encoder, JOINT, ("train_joint",))

    from stages.common.contrastive import PairBatches, draw_pairs
    from stages.common.denoising import DenoisingBatches
    from stages.common.engine.models import BOTTLENECK, CONTRASTIVE_LAYER
    from stages.common.engine.runs import Run
    from stages.common.engine.switches import joint_settings
    from stages.common.joint import train_joint

    run = Run(study, "train_joint", arguments.encoder, JOINT, arguments.seed, "encoder")
    run.start_processes()
    encoder = run.load_pretrained()
    decoder = run.new_decoder(encoder)
    run.add_layer(encoder, BOTTLENECK)
    run.add_layer(encoder, CONTRASTIVE_LAYER)
    tokenizer = run.tokenizer(encoder)
    settings, warmup = joint_settings(study, run.settings)
    texts = run.trained_on(run.denoising_rows(), tokenizer)["text"].tolist()
    rows, pairs = draw_pairs(run, run.variant, tokenizer, settings.epochs_contrastive)
    if study.protocol.joint_targets == "zero":
        pairs = pairs.with_zero_targets()
    device = run.machine.device
    denoising = DenoisingBatches(texts, settings, tokenizer, run.seed, device)
    contrastive = PairBatches(rows["text"].tolist(), pairs, settings, tokenizer, run.seed, device)
    run.seed_dropout()
    updates = train_joint(encoder, decoder, denoising, contrastive, settings, run.training, warmup, run.machine)
    run.end_processes()
    run.export(encoder, tokenizer)
    trained = denoising.sequence_updates + contrastive.sequence_updates
    run.write_records(updates, trained, tokenizer, pairs=len(pairs), resampled_rows=len(rows))


if __name__ == "__main__":
    run_stage(main)
