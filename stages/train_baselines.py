"""Stage train_baselines: what a practitioner would try first, with scikit-learn and without training an encoder."""

import argparse
import dataclasses

from stages.common import paths
from stages.common.config import load_study
from stages.common.errors import run_stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmark", required=True, help="a folder of benchmarks/")
    parser.add_argument("--encoder", default="", help="an encoder of params.yaml: the baselines on its embeddings")
    parser.add_argument("--variant", required=True, help="a baseline of params.yaml")
    parser.add_argument("--seed", required=True, type=int)
    arguments = parser.parse_args()
    study = load_study(arguments.benchmark)
    study.check_baseline(arguments.encoder, arguments.variant)

    from stages.common.baselines import features_of, fit_and_predict, input_files, machine_of, read_parts
    from stages.common.files import write_json, write_table
    from stages.common.predictions import predictions_table
    from stages.common.provenance import environment, input_hashes
    from stages.common.switches import selection_metric

    name, seed, variant = study.benchmark.name, arguments.seed, arguments.variant
    parts, classes = read_parts(study, seed)
    predicted = {part: rows for part, rows in parts.items() if part != "train"}
    features = features_of(variant, parts, study, arguments.encoder)
    probabilities, chosen = fit_and_predict(variant, features, parts, classes, study)
    where = (name, arguments.encoder, variant, seed)
    write_table(paths.predictions(*where), predictions_table(predicted, probabilities, classes))
    report = {
        "stage": "train_baselines",
        "benchmark": name,
        "dataset": study.benchmark.dataset,
        "protocol": study.benchmark.protocol,
        "encoder": arguments.encoder,
        "variant": variant,
        "seed": seed,
        "phase": "classifier",
        "parameters": {"C": chosen, "candidates": study.shared.baseline_inverse_regularization},
        "switches": dataclasses.asdict(study.protocol),
        "selection_metric": selection_metric(study.benchmark),
        "rows": {part: len(rows) for part, rows in parts.items()},
        **machine_of(study, arguments.encoder),
        "inputs": input_hashes(input_files(study, arguments.encoder, seed)),
    }
    write_json(paths.report(*where, "classifier"), report | environment())


if __name__ == "__main__":
    run_stage(main)
