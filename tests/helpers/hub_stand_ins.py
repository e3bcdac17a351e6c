"""Tiny stand-ins for the hub's data sets: the file names, columns and label types of the real repositories."""

import random
from pathlib import Path

import pandas as pd
from hub_server import HubServer

from threephase.data.sources import columns_of
from threephase.study.source_params import Dataset

README = "---\nconfigs:\n- config_name: {config}\n  data_files:\n{files}---\n"
PARQUET = "{folder}/{split}-00000-of-00001.parquet"
# How each repository names the file of a split, and its configuration where its README states one.
LAYOUTS = {
    "stanfordnlp/sst2": (PARQUET.replace("{folder}", "data"), "default"),
    "stanfordnlp/imdb": (PARQUET.replace("{folder}", "plain_text"), "plain_text"),
    "fancyzhx/ag_news": (PARQUET.replace("{folder}", "data"), "default"),
    "SetFit/sst5": ("{split}.jsonl", None),
    "sonos-nlu-benchmark/snips_built_in_intents": ("default/{split}/0000.parquet", None),
    "bkonkle/snips-joint-intent": ("{split}.csv", None),
}
FILE_OF_SPLIT = {("SetFit/sst5", "validation"): "dev"}
NOT_READ = {"stanfordnlp/imdb": ["unsupervised"]}
INTENTS = ("AddToPlaylist", "BookRestaurant", "GetWeather", "PlayMusic", "RateBook", "SearchCreativeWork")
WORDS = ("red", "green", "dark", "light", "warm", "cold", "quiet", "loud", "early", "late", "near", "far", "open")


def rows_of(dataset: Dataset, split: str, rows_per_class: int) -> pd.DataFrame:
    """Labelled rows with the data set's own column names; each class has words of its own; unlabelled: -1."""
    labels = list(dataset.class_names or INTENTS)
    draw, rows = random.Random(f"{dataset.name}/{split}"), []
    for number in range(rows_per_class * len(labels)):
        label = labels[number % len(labels)]
        words = " ".join(draw.choices(WORDS, k=6))
        text = f"{words} topic{labels.index(label)} {split} {number}<br />"
        rows.append((text, -1 if split == "unlabelled" else int(label) if label.isdigit() else label))
    return pd.DataFrame(rows, columns=[dataset.text_columns[0], dataset.label_columns[0]])


def publish(hub: HubServer, dataset: Dataset, folder: Path, rows_per_class: int = 4) -> dict[str, pd.DataFrame]:
    """Put a stand-in on the hub under the real one's id and revision; returns its rows by our split."""
    source = dataset.source.hub
    name_of_file, config = LAYOUTS[source.id]
    theirs = source.splits or dataset.source.splits
    tables = {split: rows_of(dataset, split, rows_per_class) for split in theirs}
    published = {theirs[split]: table for split, table in tables.items()}
    published |= {split: rows_of(dataset, split, 1) for split in NOT_READ.get(source.id, ())}
    for split, table in published.items():
        file = folder / name_of_file.format(split=FILE_OF_SPLIT.get((source.id, split), split))
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(table.rename(columns=columns_of(dataset, source)), file)
    if config:
        files = "".join(
            f"  - split: {split}\n    path: {name_of_file.split('/')[0]}/{split}-*\n" for split in published
        )
        (folder / "README.md").write_text(README.format(config=config, files=files), encoding="utf-8")
    hub.add_folder("dataset", source.id, source.revision, folder)
    return tables


def _write(table: pd.DataFrame, file: Path) -> None:
    if file.suffix == ".parquet":
        table.to_parquet(file, index=False)
    elif file.suffix == ".csv":
        table.to_csv(file, index=False)
    else:
        table.to_json(file, orient="records", lines=True)
