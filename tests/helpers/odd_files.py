"""Small tables of texts and labels, written in every form that ``make add`` reads."""

import csv
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

Row = tuple[str, str, str]  # text, label, split
WORDS = ("fine", "poor", "late", "café", "naïve", "again", "staff", "the", "of", "price", "quick", "blue", "señor")
ODD = (
    'she said "yes"', "a, b; c | d\te", "two\nlines", "two\r\nlines", "'quoted'", "=1+1", "-5", "007", "1e5", "NaN",
    "None", "#N/A", "true", "2024-01-31", "\u202eabc", "e\u0301", "音楽 と", "😀", "\u2028line", " around ", "<b>x</b>",
    "{{x}}", "${x}", "[1, 2]", '{"a": 1}', "long " * 6000, "x" * 20_000, "9" * 400, "\\", "\\n", "\u00a0", "¼",
)  # fmt: skip
LABELS = (
    ("x", "y"), ("fine", "poor", "late"), ("not ok", "all right"), ("1", "2", "3"), ("-1", "0", "1"), ("été", "hiver"),
    ("a/b", "c++"), ("true", "false"), ("2024-01-31", "2024-02-01"), ("=1+1", "@x"), ("none", "some"), ("お店", "駅"),
)  # fmt: skip
NAMES = (("text", "label"), ("Review text", "le thème"), ("TEXT", "y"), ("a", "b"), ("body", "2"))
OTHERS: dict[str, Callable[[int], Any]] = {
    "id": lambda n: n,
    "date": lambda n: f"2024-01-{n % 28 + 1:02}",
    "score": lambda n: n / 8,
    "nothing": lambda n: "",
    "note": lambda n: "seen, and; noted" if n % 3 else "",
}


@dataclass(frozen=True)
class Table:
    """Columns by name, one value a row each, and which of them are text and label; ``several``: names given twice."""

    text: str
    label: str
    columns: dict[str, list[Any]]
    several: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        return [*self.columns, *self.several]

    @property
    def records(self) -> list[list[Any]]:
        return [list(record) for record in zip(*(self.columns[name] for name in self.names), strict=True)]

    @property
    def mappings(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, record, strict=False)) for record in self.records]

    @property
    def rows(self) -> list[Row]:
        """What must be read of it: texts with single spaces."""
        pairs = zip(self.columns[self.text], self.columns[self.label], strict=True)
        return [(" ".join(str(text).split()), str(label).strip(), "train") for text, label in pairs]

    def with_cells(self, column: str, cells: dict[int, Any]) -> "Table":
        changed = [cells.get(number, cell) for number, cell in enumerate(self.columns[column])]
        return replace(self, columns=self.columns | {column: changed})


@dataclass(frozen=True)
class Files:
    """Files by name, the words of ``make add`` that name them, and the rows that they hold, None where none can be."""

    content: dict[str, bytes]
    words: list[str]
    rows: list[Row] | None
    form: str = ""
    flaw: str = field(default="")

    @property
    def only(self) -> str:
        (name,) = self.content
        return name


def table(draw: random.Random, plain: bool = False) -> Table:
    """A table whose texts all differ; ``plain``: of one line each, as files with a text a line need it."""
    text, label = draw.choice(NAMES)
    labels, size = draw.choice(LABELS), draw.randrange(24, 48)
    texts = [f"{' '.join(draw.choices(WORDS, k=draw.randrange(1, 6)))} {number}" for number in range(size)]
    for place in draw.sample(range(size), 0 if plain else draw.randrange(4)):
        odd = draw.choice(ODD)
        texts[place] = draw.choice([f"{odd} {place}", f"{place} {odd}"])
    named = {text: texts, label: [labels[number % len(labels)] for number in range(size)]}
    for name in draw.sample(list(OTHERS), draw.choice([0, 0, 1, 2])):
        named[name] = [OTHERS[name](number) for number in range(size)]
    return Table(text, label, {name: named[name] for name in draw.sample(list(named), len(named))})


def words_for(draw: random.Random, name: str, table: Table, by_number: bool = True) -> list[str]:
    """The command line: columns by name or by number."""
    numbers = {column: str(number) for number, column in enumerate(table.columns, start=1)}
    # A column that is called by another one's number is meant by its name. A header whose label is one of the labels
    # reads as a row, which `make add` says (no header).
    plain = not table.several and not {"2", *table.columns[table.label]} & table.columns.keys()
    if by_number and plain and draw.random() < 0.2:
        return [f"--file={name}", f"--text-column={numbers[table.text]}", f"--label-column={numbers[table.label]}"]
    return [f"--file={name}", f"--text-column={table.text}", f"--label-column={table.label}"]


def delimited(draw: random.Random, table: Table) -> Files:
    """CSV and its relatives: separators, quotes, line ends, encodings, empty lines, Excel's mark."""
    suffix = draw.choice([".csv", ".csv", ".csv", ".tsv", ".txt", ".tab", ".dat", "", ".CSV"])
    separator = "\t" if suffix in (".tsv", ".tab") else draw.choice(",,;\t|")
    ends = draw.choice([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n"]])
    quoting = draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    parts = [f"sep={separator}\r\n"] if draw.random() < 0.1 else []
    gaps = draw.random() < 0.2
    for record in [table.names, *table.records]:
        line = io.StringIO()
        csv.writer(line, delimiter=separator, quoting=quoting, lineterminator=draw.choice(ends)).writerow(record)
        parts += [line.getvalue(), *([draw.choice(ends)] if gaps and draw.random() < 0.1 else [])]
    text = "".join(parts)
    if draw.random() < 0.1:
        text = text.rstrip("\r\n")
    encoding = draw.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"])
    if encoding == "cp1252" and not is_western(text):
        encoding = "utf-8"
    name = f"rows{suffix}"
    return Files({name: text.encode(encoding)}, words_for(draw, name, table), table.rows, f"delimited {encoding}")


def is_western(text: str) -> bool:
    try:
        return bool(text.encode("cp1252"))
    except UnicodeEncodeError:
        return False


def as_json(draw: random.Random, table: Table) -> Files:
    shape = draw.choice(["list", "wrapped", "nested", "columns", "lists"])
    content: Any = [row | {"meta": {"tags": [1, None, {"a": "b"}]}} for row in table.mappings]
    if shape == "wrapped":
        content = {"version": 1, "data": content}
    elif shape == "nested":
        content = {"about": "x", "all": {"rows": content}}
    elif shape == "columns":
        content = {name: dict(enumerate(cells)) for name, cells in table.columns.items()}
    elif shape == "lists":
        content = dict(table.columns)
    text = json.dumps(content, ensure_ascii=draw.random() < 0.5, indent=draw.choice([None, 1]))
    encoding = draw.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"])
    words = words_for(draw, "rows.json", table, by_number=False)
    return Files({"rows.json": text.encode(encoding)}, words, table.rows, "JSON")


def json_lines(draw: random.Random, table: Table) -> Files:
    name, end = draw.choice(["rows.jsonl", "rows.ndjson", "rows.json"]), draw.choice(["\n", "\r\n"])
    ascii_only, gap = draw.random() < 0.5, draw.choice(["", "", end])
    lines = [json.dumps(row, ensure_ascii=ascii_only) + end + gap for row in table.mappings]
    text = "".join(lines).encode(draw.choice(["utf-8", "utf-8", "utf-8-sig"]))
    return Files({name: text}, words_for(draw, name, table, by_number=False), table.rows, "JSON lines")


def parquet(draw: random.Random, table: Table) -> Files:
    columns: dict[str, Any] = {
        name: pa.array(cells, draw.choice([pa.string(), pa.large_string()])) if isinstance(cells[0], str) else cells
        for name, cells in table.columns.items()
    }
    if draw.random() < 0.3 and isinstance(columns[table.label], pa.Array):
        columns[table.label] = columns[table.label].dictionary_encode()
    if draw.random() < 0.3:
        columns["nested"] = [{"a": [number, None]} for number in range(len(table.records))]
    file, made = io.BytesIO(), pa.table(columns)
    if draw.random() < 0.3:
        made = pa.Table.from_pandas(made.to_pandas())
    compression = draw.choice(["none", "snappy", "zstd", "gzip"])
    pq.write_table(made, file, compression=compression, row_group_size=draw.choice([7, 1000]))
    words = words_for(draw, "rows.parquet", table, by_number=False)
    return Files({"rows.parquet": file.getvalue()}, words, table.rows, "Parquet")


def excel(draw: random.Random, table: Table) -> Files:
    book = openpyxl.Workbook()
    sheet = book.active
    gap = draw.random() < 0.2
    for record in [table.names, *table.records]:
        sheet.append(record)
        for cell in sheet[sheet.max_row]:
            if isinstance(cell.value, str):
                cell.data_type = "s"  # =1+1 and #N/A are texts here, not what a program computes
        if gap and draw.random() < 0.1:
            sheet.append([" "] * len(record))
    if draw.random() < 0.2:
        book.create_sheet("empty")
    file = io.BytesIO()
    book.save(file)
    return Files({"rows.xlsx": file.getvalue()}, words_for(draw, "rows.xlsx", table), table.rows, "Excel")


def folder(draw: random.Random, table: Table) -> Files:
    """Texts whose folders or files are their labels, a file of labels beside one of texts, and a table a split."""
    texts, labels = table.columns[table.text], table.columns[table.label]
    pairs = list(zip(texts, labels, strict=True))
    rows, kind = table.rows, draw.choice(["folders", "lines", "parallel", "splits"])
    if kind in ("folders", "lines") and any("/" in label or label == ".." for label in labels):
        kind = "parallel"
    if kind == "folders":
        content = {f"all/{label}/{n:03}.txt": text.encode() for n, (text, label) in enumerate(pairs)}
        rows = [row for _, row in sorted(zip(content, rows, strict=True), key=lambda pair: pair[0].split("/"))]
        return Files(content, ["--file=all"], rows, kind)
    if kind == "lines":
        content = {f"all/{label}.txt": "" for label in sorted(set(labels))}
        for text, label in pairs:
            content[f"all/{label}.txt"] += text + "\n"
        rows = [row for name in sorted(content) for row in rows if f"all/{row[1]}.txt" == name]
        return Files({name: text.encode() for name, text in content.items()}, ["--file=all"], rows, kind)
    if kind == "parallel":
        end = draw.choice(["\n", "\r\n"])
        content = {"texts.txt": texts, "labels.txt": labels}
        joined = {name: "".join(line + end for line in lines).encode() for name, lines in content.items()}
        return Files(joined, ["--file=texts.txt", "--labels=labels.txt"], rows, kind)
    cut = len(rows) // 2
    content, found = {}, []
    for split, part in (("test", slice(cut)), ("train", slice(cut, None))):
        half = replace(table, columns={name: cells[part] for name, cells in table.columns.items()})
        content[f"all/{split}.jsonl"] = "".join(json.dumps(row) + "\n" for row in half.mappings).encode()
        found += [(text, label, split) for text, label, _ in half.rows]
    return Files(content, ["--file=all", *words_for(draw, "all", table, by_number=False)[1:]], found, kind)


def packed(draw: random.Random, files: Files) -> Files:
    """The same in .gz, of one member or two, or in .zip."""
    name, content = files.only, files.content[files.only]
    if draw.random() < 0.5:
        cut = draw.randrange(len(content) + 1) if draw.random() < 0.3 else 0
        new, made = f"{name}.gz", gzip.compress(content[:cut], mtime=0) * bool(cut) + gzip.compress(content[cut:])
    else:
        file, new = io.BytesIO(), f"{name}.zip"
        with zipfile.ZipFile(file, "w", draw.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])) as archive:
            archive.writestr(name, content)
            if draw.random() < 0.2:
                archive.writestr(f"__MACOSX/._{name}", b"\0")
        made = file.getvalue()
    words = [word.replace(f"--file={name}", f"--file={new}") for word in files.words]
    return replace(files, content={new: made}, words=words, form=f"{files.form}, packed")


FORMS = (delimited, delimited, delimited, as_json, json_lines, parquet, excel, folder)
