"""A data set's rows from the first of its sources that the user has provided."""

import dataclasses
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from threephase.base import paths
from threephase.base.errors import UserError, first_line, warn
from threephase.base.faults import described
from threephase.data import cleaning
from threephase.data.packages import package_folder
from threephase.data.raw_rows import READ_FROM, ROW, as_texts, refuse_missing
from threephase.data.row_files import files_of, refuse_same_content
from threephase.data.table_reader import Rows, read_parts, with_class_names
from threephase.study.schema import refuse_unknown
from threephase.study.source_params import Dataset, HubSource, PackageSource, Sources

HUB_FILES = ["README.md", "*.parquet", "*.csv", "*.jsonl", "*.json"]


def read_source(dataset: Dataset, settings: Sources, file: Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """The source's rows as ``checked_rows`` gives them, and what was used.

    Places are told without the folders that differ between machines, so that the rows are the same file on every one.
    Used: the ``kind`` of source, its ``origin`` in a few words, and the kinds that were ``passed_over`` and why.
    ``file`` is the params file, named in errors. A source that is there but wrong is refused, never replaced by the
    next.
    """
    passed_over: dict[str, str] = {}
    kind, origin, parts = _first_source(dataset, settings, file, passed_over)
    used = {"kind": kind, "origin": origin, "passed_over": passed_over}
    return checked_rows(dataset, kind, origin, parts), used


def checked_rows(dataset: Dataset, kind: str, origin: str, parts: Iterable[Rows]) -> pd.DataFrame:
    """The text and label columns as texts, where each row stands (``READ_FROM``, ``ROW``), and ``split`` if there are.

    ``ROW``: the number in the file or split, from 1, without headings; an empty row that is passed over has one too.
    """
    rows = pd.concat([_table(dataset, kind, origin, *part) for part in parts], ignore_index=True)
    rows[READ_FROM] = rows[READ_FROM].astype("category")
    return as_texts(rows, dataset)


def _first_source(
    dataset: Dataset, settings: Sources, file: Path, passed_over: dict[str, str]
) -> tuple[str, str, Iterator[Rows]]:
    """Kind, origin and parts of the source that is taken; notes those that are ``passed_over``."""
    source = dataset.source
    if source.files is not None:
        return "files", source.origin, _from_files(dataset, file)
    if source.parts:
        return "parts", *_from_parts(dataset, settings, file, passed_over)
    for kind in settings.order:
        if getattr(source, kind) is None:
            continue
        if kind == "python_package":
            name = f"Python package {source.python_package.package} {source.python_package.version}"
            return kind, name, _from_package(source.python_package, name, file)
        if kind == "hub":
            return kind, f"hub {source.hub.id} at {source.hub.revision}", _from_hub(dataset, source.hub)
        root = paths.named_folder(paths.DATA_FOLDER, settings.folder, "sources.folder")
        if root is not None and (root / source.folder).is_dir():
            return kind, f"folder {source.folder}", _from_folder(dataset, root / source.folder)
        passed_over[kind] = "none is named" if root is None else f"{root.name} has no {source.folder}"
    why = "".join(f" ({kind}: {reason})" for kind, reason in passed_over.items())
    raise UserError(
        f"{file}: source: got {source.origin}, none of which {paths.SHARED_PARAMS}: sources.order ({settings.order}) "
        f"reaches{why}; {dataset.folder_remedy}, or extend the order"
    )


def _table(
    dataset: Dataset, kind: str, origin: str, split: str | None, place: str | list[str], rows: pd.DataFrame
) -> pd.DataFrame:
    """A part's rows with our names of the columns; refuses one that lacks a column."""
    source = dataset.source
    columns, split_column = columns_of(dataset, source.hub if kind == "hub" else source), source.split_column
    where = place if isinstance(place, str) else origin
    wanted = [*columns.values(), *([split_column] if split_column and split is None else [])]
    refuse_missing(where, rows.columns, wanted)
    for column in wanted:
        if (rows.columns == column).sum() > 1:
            raise UserError(f"{where}: got the column {column!r} twice, expected it once; rename one of them")
    table = pd.DataFrame({ours: rows[theirs].to_numpy() for ours, theirs in columns.items()}, dtype=object)
    if split is not None:
        table["split"] = split
    elif split_column is not None:
        ours = {theirs: ours for ours, theirs in (source.splits or {}).items()}
        table["split"] = [ours.get(str(name), str(name)) for name in rows[split_column]]
    return table.assign(**{READ_FROM: place, ROW: rows.index + 1})


def _from_files(dataset: Dataset, file: Path) -> Iterator[Rows]:
    source = dataset.source
    labels = source.label_files
    texts_of, labels_of = (set(named) if isinstance(named, dict) else None for named in (source.files, labels))
    if labels is not None and texts_of != labels_of:
        raise UserError(f"{file}: source.label_files: expected one for each of source.files, of the same splits")
    for split, path in files_of(source.files, f"{file}: source.files", source.label_from):
        label_file = labels and Path(labels if isinstance(labels, str) else labels[split])
        for part, place, rows in read_parts(path, source, label_file, dataset.class_names or ()):
            if (empty := rows.index[-1] + 1 - len(rows)) > 0:
                warn(f"{path}: empty rows are passed over: {empty}")
            yield split or part, place, rows


def _from_parts(
    dataset: Dataset, settings: Sources, file: Path, passed_over: dict[str, str]
) -> tuple[str, Iterator[Rows]]:
    """All origins, and the rows of each part's splits; a row stands where the other data set has read it."""
    origins, parts = {}, []
    for number, part in enumerate(dataset.source.parts):
        other, our_split = part.dataset, {theirs: ours for ours, theirs in part.splits.items()}
        read, used = read_source(other, settings, paths.dataset_definition(other.name))
        origins[other.name] = f"{other.name} ({used['origin']})"
        passed_over |= {f"{kind} of {other.name}": why for kind, why in used["passed_over"].items()}
        rows = cleaning.prepared(cleaning.clean(read, other), other, used)
        for theirs in our_split:
            there = sorted(rows.loc[rows["split"] == theirs, "label"].unique())
            for label in part.classes:
                refuse_unknown(file, f"source.parts[{number}].classes", label, there)
        rows = rows[rows["split"].isin(our_split) & rows["label"].isin(part.classes)]
        rows = cleaning.chosen(rows, dataclasses.replace(other, deduplicate=False, sample_rows=part.sample_rows))
        places = read.iloc[[int(example_id.rpartition("-")[2]) for example_id in rows["example_id"]]]
        rows = rows.assign(label=rows["label"].map(part.classes), place=places[READ_FROM].astype(str).to_numpy())
        rows.index = places[ROW].to_numpy() - 1
        for theirs, of_split in rows.groupby("split"):
            parts.append((our_split[theirs], of_split["place"].tolist(), of_split[["text", "label"]]))
    return " and ".join(origins.values()), iter(parts)


def _from_folder(dataset: Dataset, folder: Path) -> Iterator[Rows]:
    """One file ``<split>.parquet`` each."""
    files = [(split, folder / f"{name}.parquet") for split, name in dataset.source.splits.items()]
    for _, file in files:
        if not file.is_file():
            there = ", ".join(sorted(other.name for other in folder.iterdir())) or "nothing"
            raise UserError(
                f"{folder}: {file.name} is missing, got {there}; complete the folder, or take 'folder' out of "
                f"sources.order in {paths.SHARED_PARAMS}"
            )
    refuse_same_content(files)
    for split, file in files:
        for _, _, rows in read_parts(file, dataset.source, None, dataset.class_names or ()):
            yield split, f"{folder.name}/{file.name}", rows


def _from_package(source: PackageSource, name: str, file: Path) -> Iterator[Rows]:
    """One row a text file ``<label>/<name>.txt`` of the package: its first line."""
    folder = package_folder(source.package, source.version, source.folder, file)
    # Only the first line: some articles hold stray bytes further down.
    texts = sorted(folder.glob("*/*.txt"))
    rows = [(text.read_bytes().partition(b"\n")[0].decode("utf-8"), text.parent.name) for text in texts]
    places = [f"{name}, {text.relative_to(folder)}" for text in texts]
    yield None, places, pd.DataFrame(rows, columns=["text", "label"], index=[0] * len(rows))


def _from_hub(dataset: Dataset, source: HubSource) -> Iterator[Rows]:
    """The splits of a hub's data set, read by ``datasets`` from the files of the pinned revision.

    The files are fetched first and by revision: offline, ``datasets`` itself would take any revision it has cached.
    """
    from threephase.data.hub import download

    remedy = dataset.folder_remedy
    folder = download(source.id, source.revision, "dataset", HUB_FILES, remedy)
    import datasets

    datasets.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    what = f"hub dataset {source.id} at revision {source.revision}"
    with tempfile.TemporaryDirectory() as cache:
        for split, name in (source.splits or dataset.source.splits).items():
            try:
                part = datasets.load_dataset(str(folder), source.config, split=name, cache_dir=cache)
            except (ValueError, OSError, datasets.exceptions.DatasetsError) as error:
                if described(error):
                    raise
                reason = first_line(error.__cause__ or error)
                raise UserError(f"{what}: split {name!r} can't be read: {reason}; {remedy}") from None
            metadata = part.features.arrow_schema.metadata
            rows = with_class_names(part.to_pandas(), metadata, dataset.class_names or ())
            yield split, f"{what}, split {name}", rows


def columns_of(dataset: Dataset, source: Any) -> dict[str, str]:
    """The source's name of each column that is read, by our name; ``source``: a HubSource or DataSource."""
    other = getattr(source, "columns", None) or {}
    return {column: other.get(column, column) for column in [*dataset.text_columns, *dataset.label_columns]}
