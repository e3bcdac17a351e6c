"""Stage train_classifier: phase 3, a classifier on a variant's encoder, and its predictions."""

import argparse
import dataclasses

from stages.common import paths
from stages.common.config import load_study
from stages.common.errors import run_stage
from stages.common.settings import PRETRAINED, TRAINED_ENCODER_STAGES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    parser.add_argument("--encoder", required=True, help="an encoder of params.yaml")
    parser.add_argument("--variant", required=True, help="a variant of params.yaml")
    parser.add_argument("--seed", required=True, type=int)
    parser.add_argument("--validation-only", action="store_true", help="leave the test part alone (for searches)")
    arguments = parser.parse_args()
    study = load_study(arguments.benchmark)
    study.check_cell(arguments.encoder, arguments.variant, (*TRAINED_ENCODER_STAGES, PRETRAINED))

    from stages.common.classifier import new_classifier, predict, prepare_rows, settings_for, train_classifier
    from stages.common.files import write_table
    from stages.common.predictions import predictions_table
    from stages.common.runs import Run

    run = Run(study, "train_classifier", arguments.encoder, arguments.variant, arguments.seed, "classifier")
    encoder = run.load_encoder(run.variant)
    tokenizer = run.tokenizer(encoder)
    model = new_classifier(encoder, len(run.classes), study, run.encoder, run.seed).to(run.machine.device)

    def rows_of(part: str):
        rows = run.part(part)
        return prepare_rows(rows["text"].tolist(), run.class_ids(rows), model, tokenizer, run.machine)

    train, validation = rows_of("train"), rows_of("validation")
    settings = settings_for(study, run.encoder, run.variant)
    run.seed_dropout()
    updates, best_epoch = train_classifier(
        model, train, validation, tokenizer, settings, run.training, run.machine, run.seed
    )
    # Every choice is made: the test part is read from here on, once.
    parts = {"validation": validation} | ({} if arguments.validation_only else {"test": rows_of("test")})
    logits = {name: predict(model, rows, tokenizer, run.machine) for name, rows in parts.items()}
    probabilities = {name: values.softmax(1).cpu().numpy() for name, values in logits.items()}
    table = predictions_table({name: run.part(name) for name in parts}, probabilities, run.classes)
    write_table(paths.predictions(run.name, run.encoder, run.variant, run.seed), table)
    epochs = updates.history[-1]["epoch"]
    run.write_records(
        updates,
        0 if model.frozen else epochs * len(train),
        tokenizer,
        **dataclasses.asdict(settings),
        best_epoch=best_epoch,
        epochs=epochs,
    )


if __name__ == "__main__":
    run_stage(main)
