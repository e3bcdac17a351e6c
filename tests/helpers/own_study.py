"""A new study on a reader's own file, finished by made-up predictions from which its tables are truly computed."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from small_project import change
from synthetic_study import COPIED, REPOSITORY, write_class_counts, write_drawn, write_run

from threephase.base import paths
from threephase.base.files import write_table, write_text
from threephase.data.raw_rows import READ_FROM, ROW
from threephase.paper.numbers import result_tables
from threephase.project.new_study import study_params
from threephase.project.project import yaml_text
from threephase.results.cells import summarize
from threephase.study.params import Study
from threephase.study.read_params import load_paper, load_study
from threephase.study.topology import cells, trainings

FILE, ROWS = "my reviews.csv", 120  # of the test part; as many validation rows
CLASSES = ["delivery", "price", "quality", "<b>rude</b> staff", "お店"]
# The share of rows that a method answers rightly, the others by chance.
SHARES = {
    "three_phase_ordinary": 0.86, "cl_ft_ordinary": 0.87, "ft_ordinary": 0.85, "ncm_ft": 0.8,
    "setfit": 0.8, "embedding_logistic": 0.86, "embedding_nearest_mean": 0.8, "tfidf_logistic": 0.6, "majority": 0.0,
}  # fmt: skip


def make_own_study(
    root: Path,
    seeds: Sequence[int] = (0, 1, 2),
    shares: Mapping[str, float] = SHARES,
    classes: Sequence[str] = CLASSES,
    params: Mapping[str, Any] = MappingProxyType({}),
    draw: int = 3,
) -> Study:
    """Write the study, with ``params`` over its own, and its runs below ``root``, the working directory.

    ``draw``: the seed of what its methods answer.
    """
    for file in COPIED:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / file, root / file)
    own = {"name": "bbc"} | study_params("bbc", load_study()) | {"seeds": list(seeds)}
    write_text(root / paths.PARAMS, yaml_text(own | dict(params)))
    definition = {"title": "My reviews", "source": {"files": FILE}, "licence": "Your own texts.", "expected": {}}
    change(root, "data/bbc.yaml", definition)
    study, random = load_study(), np.random.default_rng(draw)
    rows = _write_rows(study, classes, random)
    for seed in seeds:
        write_class_counts(study, seed, random)
        for encoder, variant in cells(study):
            right = random.random(len(rows)) < shares[variant]
            guessed = classes[0] if variant == "majority" else random.choice(classes, len(rows))
            predicted = np.where(right, rows["label"], guessed)
            given = {f"probability_{label}": (predicted == label).astype(np.float32) for label in classes}
            table = rows.drop(columns="text").assign(predicted=predicted, **given)
            write_table(paths.predictions(study.folder, encoder, variant, seed), table)
        for training in trainings(study):
            write_run(study, training, seed, random)
    tables = result_tables(study, [summarize(study, cell) for cell in cells(study)], load_paper())
    for name, table in tables.items():
        write_table(paths.reports(study.folder) / name, table)
    write_drawn(study)
    return study


def _write_rows(study: Study, classes: Sequence[str], random: np.random.Generator) -> pd.DataFrame:
    """Validation and test rows, each class as often, as they were read and as examples."""
    splits = np.repeat(["validation", "test"], ROWS)
    labels = random.permutation(np.resize(classes, 2 * ROWS))
    texts = [f"text {number} of a reader " * 3 for number in range(2 * ROWS)]
    raw = pd.DataFrame({"text": texts, "label": labels, READ_FROM: pd.Categorical([FILE] * 2 * ROWS)})
    raw[ROW] = raw.index + 1
    write_table(paths.raw_rows(study.folder), raw)
    ids = [f"{split}-{number:06d}" for number, split in enumerate(splits)]
    examples = pd.DataFrame({"example_id": ids, "text": texts, "label": labels, "split": splits})
    write_table(paths.examples(study.folder), examples)
    return examples
