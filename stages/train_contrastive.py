"""Stage train_contrastive: phase 2, supervised contrastive learning on pairs of training texts."""

import argparse

from stages.common.config import load_study
from stages.common.errors import run_stage
from stages.common.settings import DENOISED

FROM_PRETRAINED = "train_contrastive_from_pretrained"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    parser.add_argument("--encoder", required=True, help="an encoder of params.yaml")
    parser.add_argument("--variant", required=True, help="a variant of params.yaml that has a phase 2")
    parser.add_argument("--seed", required=True, type=int)
    arguments = parser.parse_args()
    study = load_study(arguments.benchmark)
    definition = study.check_cell(arguments.encoder, arguments.variant, ("train_contrastive", FROM_PRETRAINED))

    from stages.common.contrastive import PairBatches, draw_pairs, train_contrastive, without_held_back
    from stages.common.engine.models import CONTRASTIVE_LAYER
    from stages.common.engine.runs import Run
    from stages.common.engine.sharing import has_rows_of_three_phase, take_over_encoder
    from stages.common.engine.switches import holds_back_pairs
    from stages.common.looks import LOOKS_CONTRASTIVE, looks_of

    run = Run(study, "train_contrastive", arguments.encoder, arguments.variant, arguments.seed, "encoder")
    if has_rows_of_three_phase(run):
        take_over_encoder(run)
        return
    run.start_processes()
    encoder = run.load_pretrained() if definition.encoder_from == FROM_PRETRAINED else run.load_encoder(DENOISED)
    run.add_layer(encoder, CONTRASTIVE_LAYER)
    tokenizer = run.tokenizer(encoder)
    run.adaptation_rows()
    rows, pairs = draw_pairs(run, run.variant, tokenizer, run.settings.epochs_contrastive)
    if holds_back_pairs(study, run.has_validation_set):
        pairs = without_held_back(pairs)
    batches = PairBatches(rows["text"].tolist(), pairs, run.settings, tokenizer, run.seed, run.machine.device)
    looks = looks_of(run, encoder, tokenizer, run.protocol.contrastive_checkpoint, LOOKS_CONTRASTIVE, len(batches))
    run.seed_dropout()
    updates = train_contrastive(encoder, batches, run.settings, run.training, run.machine, looks)
    run.end_processes()
    run.export(encoder, tokenizer)
    run.write_records(updates, batches.sequence_updates, tokenizer, pairs=len(pairs), resampled_rows=len(rows))


if __name__ == "__main__":
    run_stage(main)
