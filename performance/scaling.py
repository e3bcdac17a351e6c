"""What preparing, splitting, pairing and noising cost from a thousand to a million texts; writes scaling.csv.

Medians of three processes a step and size. The texts are made up: ten words each, drawn as words of a
language are (few often, most rarely), some of them twice.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd

from performance.process import last_line
from threephase.base import paths
from threephase.base.errors import run_stage
from threephase.base.files import write_table
from threephase.base.provenance import peak_memory_mb
from threephase.data import cleaning
from threephase.data.imbalance import resample
from threephase.data.noise import WordDeletion, english_stop_words
from threephase.data.splits import draw_split
from threephase.phases.pairs import make_pairs
from threephase.study.read_params import load_study
from threephase.study.resolve import split_settings
from threephase.study.schema import refuse_unknown

STEPS = ("preparation", "splits", "pairs", "noise")
SIZES, PROCESSES = (1_000, 10_000, 100_000, 1_000_000), 3
BATCH, DELETION_RATIO = 32, 0.6
CLASSES, SHARE_OF_THE_LARGER_CLASS, WORDS_OF_A_TEXT, VOCABULARY = 10, 0.7, 10, 30_000


def rows_of_source(count: int) -> pd.DataFrame:
    """Rows as fetch_data writes them, the columns named as those of the default study's source."""
    random, source = np.random.default_rng(0), load_study().dataset
    drawn = np.minimum(random.zipf(1.3, (count, WORDS_OF_A_TEXT)), VOCABULARY)
    texts = [" ".join(map("word{}".format, words)) for words in drawn.tolist()]
    shares = SHARE_OF_THE_LARGER_CLASS ** np.arange(CLASSES)
    labels = random.choice(CLASSES, size=count, p=shares / shares.sum())
    columns = {source.text_columns[0]: texts, source.label_columns[0]: labels, cleaning.READ_FROM: "made up"}
    return pd.DataFrame(columns)


def prepared(rows: pd.DataFrame) -> pd.DataFrame:
    """What prepare_data does to the rows."""
    examples = cleaning.without_duplicates(cleaning.clean(rows, load_study().dataset))
    cleaning.content_sha256(examples)
    cleaning.label_counts(examples)
    return cleaning.with_test_rows(examples, len(examples) // 4, "made up")


def measure(step: str, count: int) -> dict:
    """Seconds of the step alone, and the largest memory of the whole process."""
    given = rows_of_source(count)
    settings = dataclasses.replace(split_settings(load_study()), long_tail_ratio=None, long_tail_largest=None)
    english_stop_words()  # an import that is no part of the work
    if step != "preparation":
        given = prepared(given)
    class_ids = pd.factorize(given["label"])[0] if step == "pairs" else None
    start = time.perf_counter()
    if step == "preparation":
        prepared(given)
    elif step == "splits":
        split = draw_split(given, settings, 0, "made up")
        train = given[split["adapts"]]
        for setting in settings.imbalance.values():
            resample(train, setting)
    elif step == "pairs":
        make_pairs(pd.factorize(given["text"])[0], class_ids[:, None], 1, CLASSES, np.random.default_rng(0))
    else:
        noise, random = WordDeletion(given["text"].tolist(), DELETION_RATIO), np.random.default_rng(0)
        for first in range(0, len(given), BATCH):
            noise(np.arange(first, min(first + BATCH, len(given))), random)
    return {"seconds": time.perf_counter() - start, "peak_mb": peak_memory_mb()}


def in_processes(step: str, count: int) -> pd.Series:
    """The medians of ``measure`` in a few processes."""
    arguments = ("performance.scaling", "--measure", step, str(count))
    said = [last_line(*arguments, what=f"{step} of {count} texts") for _ in range(PROCESSES)]
    return pd.DataFrame(map(json.loads, said)).median()


def exponent(table: pd.DataFrame) -> float:
    """The power with which the seconds grow with the texts, fitted to all rows."""
    return np.polyfit(np.log(table["texts"]), np.log(table["seconds"]), 1)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", nargs=2, metavar=("STEP", "TEXTS"), help="one measurement, as a line of JSON")
    parser.add_argument("--output", type=Path, default=paths.REPORTS / "performance")
    arguments = parser.parse_args()
    if arguments.measure:
        step, count = arguments.measure
        refuse_unknown("--measure", "STEP", step, STEPS)
        print(json.dumps(measure(step, int(count))))
        return
    tables = []
    for step in STEPS:
        table = pd.DataFrame([{"step": step, "texts": count, **in_processes(step, count)} for count in SIZES])
        table["exponent"], table["last_exponent"] = exponent(table), exponent(table[-2:])
        tables.append(table)
        last = table.iloc[-1]
        print(f"{step}: {last['seconds']:.2f} s, {last['peak_mb']:.0f} MB for {SIZES[-1]} texts; time grows with the "
              f"power {last['exponent']:.2f}, in the last step {last['last_exponent']:.2f}", flush=True)  # fmt: skip
    write_table(arguments.output / "scaling.csv", pd.concat(tables))


if __name__ == "__main__":
    run_stage(main)
