"""A study's results, histories and run reports made up in a folder, for tests of what only reads them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from small_project import OF_TESTS, change

from threephase.base import paths
from threephase.base.files import sha256_of, write_table
from threephase.base.run_reports import RESULT
from threephase.results import mistakes
from threephase.results.class_counts import class_counts_frame
from threephase.results.curves import curves_frame
from threephase.results.results import CLAIM_COLUMNS, DIFFERENCE_COLUMNS, RESULT_COLUMNS, RUN_COLUMNS
from threephase.scores.metrics import METRICS
from threephase.scores.statistics import ROWS_ONLY, SEEDS_AND_ROWS, Interval, claim_verdict, detectable, p_value
from threephase.study.params import Study
from threephase.study.read_params import load_study
from threephase.study.topology import BASELINE, Training, cells, command, trainings

REPOSITORY = Path(__file__).resolve().parents[2]
HOSTILE_CLASS = "<script>alert(1)</script>"
LABELS = ["business", "entertainment", "politics", "sports", HOSTILE_CLASS]
TEST_ROWS = 60
HOSTILE_TEXT = "</td><script>alert(2)</script> \u202e" + "and so on " * 40
MEANS = {"majority": 7.2, "tfidf_logistic": 78.0, "embedding_logistic": 88.0}
SETTINGS = ("normal", "extra", "none")


COPIED = (
    "shared.yaml", "params.yaml", "data/bbc.yaml", "paper/params.yaml", "paper/tables.csv", "paper/deviations.yaml",
    "CITATION.cff", *(f"encoders/{file.name}" for file in REPOSITORY.glob("encoders/*.yaml")),
)  # fmt: skip
# Texts that a user's params may hold, by the parameter: each would run, break out of its place or upset a table.
RUNS = "window.injected = true"
HOSTILE_TEXTS = {
    "variants.three_phase.title": f'<script>{RUNS}</script><img src=x onerror="{RUNS}">',
    "variants.joint.title": f"</textarea></title></style></script><script>{RUNS}</script>",
    "variants.dae_ft.title": "\u202etfel ot thgir\u202c \u200fand\u200e back",
    "variants.cl_ft.title": r"| *all* [x](javascript:alert(1)) `q` <b> ~ --- # 1",
    "variants.extra_imbalance.title": r"50% of A&B_c $x$ #1 {z} ^ \input{secret} ``so'' -- \\",
    "variants.no_imbalance.title": "🧪 ≥ 1 naïve Ελληνικά 漢字",
    "variants.no_imbalance_equal_updates.title": "long " * 1000 + "x" * 5000,
    "claims.imbalance_correction_helps.text": f"{{{{ 7 * 7 }}}} {{% raw %}} </script><script>{RUNS}</script>",
}
HOSTILE_TITLES = {  # by the file that holds the title
    "data/bbc.yaml": f"<script>{RUNS}</script> & friends",
    "encoders/minilm_l6.yaml": f'"><svg onload="{RUNS}">&amp;',
}


def make_study(root: Path, seeds: str = "[0, 1]", hostile: bool = False) -> Study:
    """Write a whole default study below ``root``, which must be the working directory; its texts may be hostile."""
    for file in COPIED:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / file, root / file)
    change(root, paths.PARAMS, OF_TESTS | {"seeds": json.loads(seeds)})
    if hostile:
        change(root, "shared.yaml", HOSTILE_TEXTS)
        for file, title in HOSTILE_TITLES.items():
            change(root, file, {"title": title})
    study, random = load_study(), np.random.default_rng(0)
    _write_tables(study, random)
    for seed in study.params.seeds:
        write_class_counts(study, seed, random)
    _write_predictions(study, random)
    for training in trainings(study):
        for seed in study.params.seeds:
            write_run(study, training, seed, random)
    write_drawn(study)
    return study


def write_drawn(study: Study) -> None:
    """Write what a page draws, from histories, splits and predictions, as collect_results does."""
    folder = paths.reports(study.folder)
    write_table(folder / "curves.csv", curves_frame(study))
    write_table(folder / "class_counts.csv", class_counts_frame(study))
    predictions, classes = mistakes.trained_predictions(study)
    write_table(paths.mistakes(folder) / "confusion.csv", mistakes.confusion_frame(predictions, classes))
    write_table(paths.mistakes(folder) / "disagreements.csv", mistakes.disagreements_frame(predictions))


def _write_predictions(study: Study, random: np.random.Generator) -> None:
    """Of every cell and seed for the same test rows, each a little more often right than not; and the rows' texts."""
    labels = random.choice(LABELS, TEST_ROWS)
    rows = pd.DataFrame({"example_id": [f"test-{row:06d}" for row in range(TEST_ROWS)], "split": "test"})
    texts = [f"{number} {HOSTILE_TEXT}" for number in range(TEST_ROWS)]
    examples = rows.assign(text=texts, label=labels)
    write_table(paths.examples(study.folder), examples[["example_id", "text", "label", "split"]])
    for cell in cells(study):
        for seed in study.params.seeds:
            right = random.random(TEST_ROWS) < 0.6
            predicted = np.where(right, labels, random.choice(LABELS, TEST_ROWS))
            shares = {f"probability_{label}": (predicted == label).astype(np.float32) for label in LABELS}
            table = rows.assign(label=labels, predicted=predicted, **shares)
            write_table(paths.predictions(study.folder, *cell, seed), table)


def _write_tables(study: Study, random: np.random.Generator) -> None:
    results, runs, claims, file = [], [], [], paths.results(study.folder)
    about = {"dataset": study.params.dataset, "protocol": study.params.protocol}
    for number, (encoder, variant) in enumerate(cells(study)):
        for metric in METRICS:
            values = MEANS.get(variant, 93.5 - 0.4 * number) + random.normal(0, 0.8, len(study.params.seeds))
            row = about | {"encoder": encoder, "variant": variant, "metric": metric}
            mean = float(values.mean())
            results.append(
                row
                | {
                    "n_seeds": len(values),
                    "n_test": 500,
                    "mean": mean,
                    "std": values.std(ddof=1) if len(values) > 1 else None,
                }
                | {"ci_low": mean - 2.3, "ci_high": mean + 2.3, "ci_kind": ROWS_ONLY}
                | {"command": command(study, (encoder, variant))}
            )
            for seed, value in zip(study.params.seeds, values, strict=True):
                for split in ("validation", "test"):
                    runs.append(row | {"study": "bbc", "seed": seed, "split": split, "value": value})
    kind = SEEDS_AND_ROWS if len(study.params.seeds) > 2 else ROWS_ONLY
    means = {row["variant"]: row["mean"] for row in results if row["metric"] == "macro_f1"}
    for name, claim in study.shared.claims.items():
        for other in claim.others:
            difference = means[claim.variant] - means[other]
            low, high = difference - 1.4, difference + 1.4
            interval = Interval(difference, low, high, kind, ((0.25, 4.0),))
            claims.append(
                {"claim": name, "text": claim.text, "variant": claim.variant, "other": other, "encoder": "minilm_l6"}
                | {"metric": "macro_f1", "n_seeds": len(study.params.seeds), "n_test": 500, "ci_kind": kind}
                | {"difference": difference, "ci_low": low, "ci_high": high}
                | {"by_seed": ", ".join([f"{difference:+.1f}"] * len(study.params.seeds))}
                | {"p_value": p_value(interval), "mcnemar_p": 0.4, "detectable": detectable(interval, 0.95, 0.8)}
                | {"verdict": claim_verdict(interval, 1.0)}
            )
    write_table(file, pd.DataFrame(results, columns=RESULT_COLUMNS))
    write_table(file.with_name("runs.csv"), pd.DataFrame(runs, columns=RUN_COLUMNS))
    write_table(file.with_name("claims.csv"), pd.DataFrame(claims, columns=CLAIM_COLUMNS))
    write_table(file.with_name("differences.csv"), pd.DataFrame(claims, columns=DIFFERENCE_COLUMNS))


def write_class_counts(study: Study, seed: int, random: np.random.Generator) -> None:
    counts = pd.DataFrame({"label": LABELS, "train": random.permutation([7, 14, 28, 56, 112])})
    counts = counts.assign(validation=40, test=100, unlabelled=200)
    for setting, least in zip(SETTINGS, (15, 100, 0), strict=True):
        small = counts["train"] < least
        counts[setting] = counts["train"] * np.where(small, 2, 1)
        counts[f"{setting}_stopword_copies"] = counts["train"] * small
    write_table(paths.splits(study.folder, seed) / "class_counts.csv", counts)


def write_run(study: Study, training: Training, seed: int, random: np.random.Generator) -> None:
    """History and report of a training; a baseline, whose predictions are there, has no history."""
    run, steps = (study.folder, training.encoder, training.variant, seed, training.phase), 42
    history = pd.DataFrame({"step": np.arange(1, steps + 1), "epoch": np.arange(steps) // 7 + 1})
    history["loss"] = 1.8 * np.exp(-history["step"] / 12) + 0.1 * random.random(steps)
    history["learning_rate"] = 1e-4
    ends = history["step"] % 7 == 0
    history["validation_metric"] = np.where(
        ends & (training.phase == "classifier"), 95 - 60 / history["epoch"] ** 2 + random.normal(0, 2, steps), np.nan
    )
    history["validation_loss"] = np.where(ends, 0.4, np.nan)
    result = paths.predictions(*run[:-1])
    if training.program != BASELINE:
        result = paths.history(*run)
        write_table(result, history)
    where = dict(zip(("encoder", "variant", "seed", "phase"), run[1:], strict=True))
    report = {"stage": training.program, **where, RESULT: sha256_of(result)}
    report |= {"updates": steps, "sequence_updates": 1302, "seconds": 9.5, "sequences_per_second": 217.0}
    report |= {"peak_memory_mb": 900.5, "device": "cpu", "precision": "fp32", "threads": 2, "cpu_model": "A processor"}
    report |= {"cpu_flags": ["avx2", "fma"], "gpu": None, "versions": {"torch": "2.13.0"}, "revision": "0123abc"}
    file = paths.run_report(*run)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(report), encoding="utf-8")
