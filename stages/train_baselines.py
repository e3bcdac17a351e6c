"""Stage train_baselines: what a practitioner would try first, with scikit-learn, on the split of every seed."""

import dataclasses

from threephase.base import paths
from threephase.study.arguments import stage_parser
from threephase.study.topology import BASELINE, CLASSIFIER_PHASE


def main() -> None:
    arguments = stage_parser(__doc__, "encoder?", "variant").parse_args()
    folder, encoder, variant = arguments.study, arguments.encoder, arguments.variant

    from threephase.base import run_reports
    from threephase.base.files import write_table
    from threephase.base.provenance import seconds_so_far
    from threephase.phases.baselines import embeddings, features_of, fit_and_predict, input_files, read_parts
    from threephase.scores.predictions import predictions_table
    from threephase.study.settings import BaselineSettings, read_settings

    settings = read_settings(BaselineSettings, folder, BASELINE, paths.cell_name(encoder, variant))
    # scikit-learn works in float64 on one thread of the CPU.
    machine = dataclasses.asdict(settings.machine) if encoder else {"device": "cpu", "precision": "fp64", "threads": 1}
    vectors, told = embeddings(folder, settings) if encoder else None, 0.0
    for seed in settings.seeds:
        parts, classes = read_parts(folder, seed)
        predicted = {part: rows for part, rows in parts.items() if part != "train"}
        features = features_of(variant, parts, vectors, settings.units)
        probabilities, chosen = fit_and_predict(variant, features, parts, classes, settings, seed)
        result = paths.predictions(folder, encoder, variant, seed)
        write_table(result, predictions_table(predicted, probabilities, classes))
        report = {
            "stage": BASELINE,
            "encoder": encoder,
            "variant": variant,
            "seed": seed,
            "phase": CLASSIFIER_PHASE,
            "settings": {"C": chosen, "candidates": settings.strengths},
            "rows": {part: len(rows) for part, rows in parts.items()},
            **machine,
            "gpu": None,
        }
        run_reports.write(folder, report, input_files(folder, encoder, seed), result, told)
        told = seconds_so_far()
