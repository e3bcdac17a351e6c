"""Published columns of curves over numbers of labels, from made-up predictions; all tables are truly computed."""

import dataclasses
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from own_study import SHARES, make_own_study
from synthetic_study import REPOSITORY

from threephase.base import paths
from threephase.base.files import write_table, write_text
from threephase.report.finished import finished_published
from threephase.report.labels import Labels, read_labels
from threephase.results.costs import read_reports
from threephase.revisions.published import FILES, all_predictions, params_text
from threephase.study.label_params import LABELS, UNTRAINED, column_name, load_label_curves
from threephase.study.read_params import load_published, load_shared

BASELINES = ("tfidf_logistic", "embedding_logistic", "embedding_nearest_mean")
METHODS = [name for name in SHARES if name not in ("ncm_ft", "setfit")]


def publish_columns(
    root: Path, columns: Mapping[int | None, Mapping[str, float]], seeds: Sequence[int] = (0, 1, 2), kind: str = LABELS
) -> None:
    """Publish columns of bbc below ``root``, the working directory: by labels a class the shares of right answers."""
    lists = {"variants": [name for name in METHODS if name.endswith("_ordinary")]}
    if kind == UNTRAINED:
        lists = {"variants": [], "baselines": list(BASELINES)}
    for shots, shares in columns.items():
        study = make_own_study(root, seeds, SHARES | dict(shares), params=lists, draw=0)
        study = dataclasses.replace(study, params=dataclasses.replace(study.params, shots=shots))
        folder = paths.published(column_name("bbc", shots, kind))
        for name in FILES:
            write_text(folder / name, (paths.reports(study.folder) / name).read_text(encoding="utf-8"))
        write_table(folder / "predictions.parquet", all_predictions(study))
        reports = [json.dumps(run.report) + "\n" for run in read_reports(study) if run.report]
        write_text(folder / "run_reports.jsonl", "".join(reports))
        write_text(folder / paths.PARAMS, params_text(study))
    others = (paths.dataset_definition(name) for name in ("snips2", "sst5", "banking77"))
    for file in (paths.LABEL_CURVES, paths.README, *others):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(REPOSITORY / file, root / file)


def labels_here() -> Labels:
    """What is published in the working directory."""
    published = {finished.name: finished for finished in finished_published(load_published())}
    return read_labels(load_label_curves(load_shared()), published)
