"""What a reader should know of their own texts before a study of them runs: ``data.md``, and the same on the terminal.

It names rows by file and number and never shows a text.
"""

import math
import shutil
from collections.abc import Iterable, Iterator

import pandas as pd

from threephase.base.errors import counted, shortened
from threephase.data import cleaning
from threephase.data.places import row_names
from threephase.model.token_counts import TokenCounts
from threephase.project.clusters import memory_here
from threephase.report.estimate import Estimate
from threephase.study.params import Study

NAMED, SHOWN_CLASSES, LONGEST_NAME = 3, 30, 40
# Below these a class counts as too small to learn or to measure; shares and tokens a word above which a text is not one
# for this encoder: plain English has at most 1.5 tokens a word, German 2.2, what the vocabulary does not know 3 to 5.
FEW_TRAINING_ROWS, FEW_TEST_ROWS, FEW_TESTS = 8, 5, 100
MOST_UNKNOWN, MOST_UNSPACED, MOST_TOKENS_A_WORD, MOST_CUT = 0.02, 0.1, 1.8, 0.1
LONG_RUN = 8 * 3600  # seconds
SAMPLE = 1000  # rows that are proposed to begin with
Z = 1.96  # of a 95% interval
BAR = "\\|"  # a bar within a cell of a table

Lines = Iterator[tuple[bool, str]]
"""Sentences, each with whether a reader should see it first."""


def data_report(
    study: Study,
    places: pd.DataFrame,
    cleaned: pd.DataFrame,
    examples: pd.DataFrame,
    tokens: TokenCounts | str,
    estimate: Estimate | str,
) -> str:
    """The report as Markdown, the answer first.

    ``cleaned``: all rows read (their texts may be numbers here), ``places``: where each stands, as ``row_names`` takes
    it; ``examples``: those that the study keeps, with its test rows. ``tokens`` and ``estimate`` are texts where they
    could not be had, and say why.
    """
    names = row_names(places)
    told = [
        *of_rows(study, cleaned, examples),
        *of_duplicates(cleaned, names),
        *of_contradictions(study, cleaned, names),
        *of_tokens(study, tokens),
        *of_classes(study, examples),
        *of_costs(estimate, len(examples)),
    ]
    first, facts = ([line for is_first, line in told if is_first == which] for which in (True, False))
    time = "" if isinstance(estimate, str) else f": about {duration(estimate.seconds)}"
    answer = f"It can be run{'' if first else ' as it is'}{time}." + " What to look at first:" * bool(first)
    parts = [f"# The data of {study.params.name}", f"**{answer}**"]
    parts += ["\n".join(f"- {line}" for line in lines) for lines in (first, facts) if lines]
    return "\n\n".join([*parts, class_table(study, examples)]) + "\n"


def of_rows(study: Study, cleaned: pd.DataFrame, examples: pd.DataFrame) -> Lines:
    """How many rows were read, how many stay, and for what."""
    splits = examples["split"].value_counts()
    named = {"train": "training", "validation": "validation", "test": "test", "unlabelled": "unlabelled, for phase 1"}
    parts = ", ".join(f"{splits[split]} {name}" for split, name in named.items() if split in splits)
    sampled = f", a sample (sample_rows {study.dataset.sample_rows})" if study.dataset.sample_rows else ""
    yield False, f"Rows: {len(cleaned)} read, {len(examples)} stay{sampled}: {parts}."
    if "validation" not in splits:
        share = f"{study.params.validation_share:.0%} of the training rows"
        yield False, f"Validation: {share}, drawn anew for each seed, choose the best epoch."
    tested = splits.get("test", 0)
    known = f"{tested} test rows: an accuracy is known to about ±{half_width(tested):.0f} points"
    yield tested < FEW_TESTS, f"{known}, and smaller differences may be chance."


def of_duplicates(cleaned: pd.DataFrame, names: pd.Series) -> Lines:
    """Rows whose text stands in an earlier row, and test rows whose text also trains."""
    repeated = cleaned["text"].duplicated()
    if not repeated.any():
        yield False, "Duplicates: none."
        return
    rows = counted(int(repeated.sum()), "row")
    yield False, f"Duplicates: {rows} with the text of an earlier one: {_named(names[repeated])}."
    if shared := cleaning.shared_texts(cleaned)["test"]:
        yield False, f"Test texts that also stand in the training rows: {shared}; only the test row stays."


def of_contradictions(study: Study, cleaned: pd.DataFrame, names: pd.Series) -> Lines:
    """Texts that stand with different labels, and what each way to settle it does."""
    rows = cleaning.contradicting(cleaned)
    if rows.empty:
        yield False, "Contradicting labels: none."
        return
    texts = rows.groupby("text", sort=False)
    named = [
        ", ".join(f"{names[row]} ({shown(rows.at[row, 'label'])})" for row in group[:NAMED])
        for group in list(texts.groups.values())[:NAMED]
    ]
    majority = cleaning.majority_labels(rows)
    other = sum(label != majority[text] for text, label in texts["label"].first().items())
    yield (
        True,
        f"Contradicting labels: {counted(len(texts), 'text')} with different ones; "
        f"{cleaning.KEPT[study.dataset.contradicting_labels]}. "
        f"{'; '.join(named)}{' and others' * (len(texts) > NAMED)}. "
        f"`--duplicates majority` takes what most copies have, for {counted(other, 'text')} another than the first. "
        f"`--duplicates drop` leaves out all {len(rows)} rows.",
    )


def of_tokens(study: Study, tokens: TokenCounts | str) -> Lines:
    """How long the texts are for the encoder, and whether it knows their words."""
    if isinstance(tokens, str):
        yield False, f"Tokens: not counted: {tokens}"
        return
    encoder = study.params.encoders[0]
    limit = study.params.hyperparameters[encoder].max_length
    cut, (half, most) = tokens.cut(limit), tokens.percentiles
    cuts = cut > MOST_CUT
    yield (
        cuts,
        f"Length, of {counted(len(tokens.lengths), 'text')}: half have at most {half:.0f} tokens, 95 of 100 at most "
        f"{most:.0f}. The limit (max_length) is {limit} and cuts {cut:.1%}."
        + f" The encoder takes at most {tokens.limit}."
        * cuts,
    )
    foreign = tokens.unknown > MOST_UNKNOWN or tokens.per_word > MOST_TOKENS_A_WORD
    a_word = "" if math.isnan(tokens.per_word) else f"; a word is {tokens.per_word:.1f} tokens"
    hardly = " The encoder hardly knows such words: are they of its language?" * foreign
    yield foreign, f"Vocabulary: {tokens.unknown:.1%} of the tokens are unknown to {encoder}{a_word}.{hardly}"
    if tokens.unspaced > MOST_UNSPACED:
        yield True, f"Script: {tokens.unspaced:.0%} of the texts are in one without spaces between words."


def of_classes(study: Study, examples: pd.DataFrame) -> Lines:
    """Which classes are too small to learn or to measure."""
    table = class_counts(study, examples)
    besides = "" if "validation" in table else " besides those for validation"
    largest, smallest = table["rows"].max(), table["rows"].min()
    yield False, f"Classes: {len(table)}, the largest with {largest} rows, the smallest {smallest}."
    learned, tested = table["learned"], table["test"]
    for chosen, said in (
        (learned == 0, "without a training row, so that nothing can learn them"),
        (tested == 0, "without a test row, so that nothing measures them"),
        (
            learned.between(1, FEW_TRAINING_ROWS - 1),
            f"with fewer than {FEW_TRAINING_ROWS} training rows{besides}: hardly learned",
        ),
        (tested.between(1, FEW_TEST_ROWS - 1), f"with fewer than {FEW_TEST_ROWS} test rows: hardly measured"),
    ):
        if chosen.any():
            yield True, f"Classes {said}: {_named(table.index[chosen].map(shown))}."


def of_costs(estimate: Estimate | str, rows: int) -> Lines:
    """Time, memory and disk, beside what this machine has; ``rows``: of the study, where a sample may be smaller."""
    if isinstance(estimate, str):
        yield False, f"Time, memory and disk: not measured: {estimate}"
        return
    memory, disk = estimate.memory_mb / 1e3, estimate.disk_mb / 1e3
    has_memory, has_disk = memory_here() / 1e9, shutil.disk_usage(".").free / 1e9
    yield (
        False,
        f"Estimate: {duration(estimate.seconds)} for {counted(estimate.trainings, 'training')} and "
        f"{counted(estimate.baselines, 'baseline')}, {estimate.workers} at once; {memory:.1f} GB of memory and at most "
        f"{disk:.1f} GB of disk. Trainings count by updates and fits measured here just now, slower where another "
        "program ran beside them. All else counts by constants; phase 3 counts with all its epochs.",
    )
    if memory > has_memory:
        yield True, f"Memory: about {memory:.1f} GB are needed and {has_memory:.1f} GB are there: fewer WORKERS."
    if disk > has_disk:
        yield True, f"Disk: about {disk:.1f} GB are needed and {has_disk:.1f} GB are free."
    if estimate.seconds > LONG_RUN:
        sample = f"--sample {SAMPLE} makes a study of so many rows"
        one_seed = "one seed in its params.yaml is enough"
        yield True, f"It takes long: {sample if rows > SAMPLE else one_seed} to begin with."


def class_counts(study: Study, examples: pd.DataFrame) -> pd.DataFrame:
    """Rows of each class by split, in all (``rows``), and those that a seed trains on (``learned``)."""
    labelled = examples[examples["split"] != "unlabelled"]
    table = pd.crosstab(labelled["label"], labelled["split"])
    has_validation = "validation" in table
    table = table.reindex(columns=["train", *["validation"] * has_validation, "test"], fill_value=0)
    trains = 1 if has_validation else 1 - study.params.validation_share
    return table.assign(rows=table.sum(axis=1), learned=(trains * table["train"]).round().astype(int))


def class_table(study: Study, examples: pd.DataFrame) -> str:
    """The counts as Markdown, the largest class first; of many classes the smallest ones."""
    from tabulate import tabulate

    table = class_counts(study, examples).sort_values("rows", ascending=False, kind="stable")
    training = "training" if "validation" in table else "training and validation"
    known = [f"±{half_width(rows):.0f} points" if rows else "not at all" for rows in table["test"]]
    last = table.drop(columns=["rows", "learned"]).rename(columns={"train": training}, index=shown)
    last = last.rename_axis("class").assign(**{"its recall is known to": known}).tail(SHOWN_CLASSES)
    lines = tabulate(last, "keys", tablefmt="github", disable_numparse=True)
    few = len(table) <= SHOWN_CLASSES
    return lines if few else f"{lines}\n\nThe {SHOWN_CLASSES} smallest of {len(table)} classes."


def half_width(rows: int) -> float:
    """Half of the 95% interval (Wilson's) of a share of so many rows, in points, where it is widest: at a half."""
    return 100 * Z / 2 / math.sqrt(rows + Z**2)


def duration(seconds: float) -> str:
    """In the largest unit of which there are two or more."""
    for unit, of in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * of:
            return f"{seconds / of:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def shown(label: str) -> str:
    """A class's name within one line of a table, whatever signs it holds."""
    name = shortened(" ".join(label.split()), LONGEST_NAME)
    return f"`{name.replace('`', chr(39)).replace('|', BAR)}`"


def _named(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
