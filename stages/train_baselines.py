"""Stage train_baselines: what a practitioner would try first, with scikit-learn, on the split of every seed."""

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
    arguments = parser.parse_args()
    study = load_study(arguments.benchmark)
    study.check_baseline(arguments.encoder, arguments.variant)

    from stages.common.baselines import (
        embeddings,
        features_of,
        fit_and_predict,
        input_files,
        machine_of,
        read_parts,
    )
    from stages.common.engine.switches import selection_metric
    from stages.common.files import write_json, write_table
    from stages.common.provenance import environment, input_hashes, origins, seconds_so_far
    from stages.common.scores.predictions import predictions_table

    name, encoder, variant = study.benchmark.name, arguments.encoder, arguments.variant
    vectors, told = embeddings(study, encoder) if encoder else None, 0.0
    for seed in study.benchmark.seeds:
        parts, classes = read_parts(study, seed)
        predicted = {part: rows for part, rows in parts.items() if part != "train"}
        features = features_of(variant, parts, vectors)
        probabilities, chosen = fit_and_predict(variant, features, parts, classes, study)
        where = (name, encoder, variant, seed)
        write_table(paths.predictions(*where), predictions_table(predicted, probabilities, classes))
        report = {
            "stage": "train_baselines",
            "benchmark": name,
            "dataset": study.benchmark.dataset,
            "protocol": study.benchmark.protocol,
            "encoder": encoder,
            "variant": variant,
            "seed": seed,
            "phase": "classifier",
            "parameters": {"C": chosen, "candidates": study.shared.baseline_inverse_regularization},
            "switches": dataclasses.asdict(study.protocol),
            "selection_metric": selection_metric(study.benchmark),
            "rows": {part: len(rows) for part, rows in parts.items()},
            **machine_of(study, encoder),
            "inputs": input_hashes(input_files(study, encoder, seed)),
            **origins(study.benchmark.dataset, encoder),
        }
        write_json(paths.report(*where, "classifier"), report | environment(told))
        told = seconds_so_far()


if __name__ == "__main__":
    run_stage(main)
