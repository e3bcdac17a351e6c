"""What may be wrong or odd in a reader's file: each flaw changes a table or its bytes and says what must come of it."""

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import replace

import odd_files
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from odd_files import Files, Table

FORM = {"csv": odd_files.delimited, "json": odd_files.as_json, "jsonl": odd_files.json_lines,
        "parquet": odd_files.parquet, "xlsx": odd_files.excel}  # fmt: skip


def odd(draw: random.Random) -> Files:
    """A file that is right, in any form."""
    form = draw.choice(odd_files.FORMS)
    files = form(draw, odd_files.table(draw, plain=form is odd_files.folder))
    return odd_files.packed(draw, files) if len(files.content) == 1 and draw.random() < 0.15 else files


def damaged(draw: random.Random) -> Files:
    """A file some bytes of which are others; its rows stay those of the whole one."""
    files = odd(draw)
    name = draw.choice(list(files.content))
    content = bytearray(files.content[name])
    first = draw.randrange(len(content))
    last = min(len(content), first + draw.choice([1, 2, 8, 100, 4000]))
    flaw = draw.choice(["flipped bit", "flipped bit", "cut off", "swapped bytes", "lost", "doubled", "zeros", "noise"])
    if flaw == "flipped bit":
        content[first] ^= 1 << draw.randrange(8)
    elif flaw == "cut off":
        del content[first:]
    elif flaw == "swapped bytes":
        content[first : first + 2] = content[first : first + 2][::-1]
    elif flaw == "lost":
        del content[first:last]
    elif flaw == "doubled":
        content[last:last] = content[first:last]
    elif flaw == "zeros":
        content[first:last] = bytes(last - first)
    else:
        content[first:last] = draw.randbytes(last - first)
    return replace(files, content=files.content | {name: bytes(content)}, flaw=flaw)


def wrong_table(draw: random.Random) -> Files:
    """A table that can't be meant so, in any form; what says nothing else must be refused."""
    table, form = odd_files.table(draw), draw.choice(list(FORM))
    place = draw.randrange(len(table.records))
    text, label = table.columns[table.text], table.columns[table.label]
    known = sorted(set(label))
    kind = draw.choice(list(CELLS) + ["column twice", "header again", "one class", "ids as labels", "column missing"])
    if kind in CELLS:
        column, value = CELLS[kind](table, known)
        table = table.with_cells(column, {place: value})
    elif kind == "column twice":
        form, table = draw.choice(["csv", "xlsx"]), replace(table, several=(draw.choice([table.text, table.label]),))
    elif kind == "header again":
        form = draw.choice(["csv", "xlsx"])
        columns = {name: [*cells[:place], name, *cells[place:]] for name, cells in table.columns.items()}
        table = replace(table, columns=columns)
    elif kind == "one class":
        table = table.with_cells(table.label, dict.fromkeys(range(len(label)), label[0]))
    elif kind == "ids as labels":
        table = table.with_cells(table.label, {number: f"row {number}" for number in range(len(text))})
    files = FORM[form](draw, table)
    if kind == "column missing":
        files = replace(files, words=[*files.words[:-1], "--label-column=topic"])
    return replace(files, rows=None, flaw=kind)


# What a cell holds instead: its column and its value, of a table and its labels.
CELLS: dict[str, Callable[[Table, list[str]], tuple[str, str]]] = {
    "no label": lambda table, known: (table.label, ""),
    "no text": lambda table, known: (table.text, " \u200b"),
    "a label for none": lambda table, known: (table.label, "NaN"),
    "several labels": lambda table, known: (table.label, ";".join(known)),
    "a list of labels": lambda table, known: (table.label, repr(known)),
    "a long label": lambda table, known: (table.label, "x" * 301),
    "a label of two lines": lambda table, known: (table.label, f"{known[0]}\n{known[1]}"),
}


def wrong_lines(draw: random.Random) -> Files:
    """A delimited file with a flaw in its lines or its encoding."""
    table = odd_files.table(draw, plain=True)
    while "score" in table.columns or not {"café", "señor", "naïve"} & set(" ".join(table.columns[table.text]).split()):
        table = odd_files.table(draw, plain=True)
    text = "\n".join(";".join(map(str, record)) for record in [table.names, *table.records]) + "\n"
    if "note" in table.columns:
        text = text.replace("seen, and; noted", "seen")
    place, lines = draw.randrange(2, len(table.records)), text.splitlines(keepends=True)
    line, whole = lines[place].rstrip("\n"), text.encode()
    kind = draw.choice(LINES)
    rows = None
    if kind == "a field more":
        lines[place] = line + ";x\n"
    elif kind == "a field less":
        lines[place] = line.rpartition(";")[0] + "\n"
    elif kind == "an open quote":
        lines[place] = '"' + lines[place]
    elif kind == "marks of a conflict":
        lines[place:place] = ["<<<<<<< HEAD\n"]
    elif kind == "fields without names":
        lines = [part.rstrip("\n") + ";;\n" for part in lines]
        rows = table.rows
    elif kind == "a NUL":
        lines[place] = "\0" + lines[place]
        first = next(iter(table.columns))
        texts = {place - 1: f"\0{table.columns[table.text][place - 1]}"} if first == table.text else {}
        rows = table.with_cells(table.text, texts).rows  # a label is read without what can't be seen
    elif kind == "one bad byte":
        place = next(number for number, byte in enumerate(whole) if byte > 127)
        whole = (
            b"%b\n%b" % (whole[:place].rpartition(b"\n")[0], b"caf\xe9;" * (len(table.names) - 1) + b"x\n")
            + (whole[len(whole[:place].rpartition(b"\n")[0]) + 1 :])
        )
    elif kind == "two encodings":
        cut = whole.index(b"\n", len(whole) // 2) + 1
        tail = whole[cut:].decode().replace("fine", "café") + whole[cut:].decode().splitlines()[0].replace("e", "é")
        whole = whole[:cut] + "é".encode() + tail.encode("cp1252", errors="replace") + b"\n"
    if kind not in ("one bad byte", "two encodings"):
        whole = "".join(lines).encode()
    if kind == "UTF-16 without its mark":
        whole, rows = text.encode(draw.choice(["utf-16-le", "utf-16-be"])), table.rows
    elif kind == "an encoding that is not named":
        named = draw.choice(["koi8-r", "cp1251", "iso8859-5"])
        cells = [f"хорошая новость {number}" for number in range(len(table.records))]
        table = replace(table, columns=table.columns | {table.text: cells})
        text = "\n".join(";".join(map(str, record)) for record in [table.names, *table.records])
        whole, rows = text.encode(named, errors="replace"), table.rows
    words = odd_files.words_for(draw, "rows.csv", table)
    return Files({"rows.csv": whole}, words, rows, "delimited", kind)


LINES = (
    "a field more", "a field less", "an open quote", "marks of a conflict", "fields without names", "a NUL",
    "one bad byte", "two encodings", "UTF-16 without its mark", "an encoding that is not named",
)  # fmt: skip


def wrong_json(draw: random.Random) -> Files:
    """JSON with values that no table has; where a value is in another column the rows stay."""
    table, lines = odd_files.table(draw), draw.random() < 0.5
    files = (odd_files.json_lines if lines else odd_files.as_json)(draw, table)
    kind, value = draw.choice(list(VALUES.items()))
    column = draw.choice([table.text, table.label, "other"])
    mappings = [json.dumps(row | {"other": "x"}) for row in table.mappings]
    place = draw.randrange(len(mappings))
    row = json.loads(mappings[place])
    mappings[place] = json.dumps(row | {column: "MARK"}).replace('"MARK"', value)
    if kind == "a key twice":
        mappings[place] = mappings[place].replace("{", f"{{{json.dumps(column)}: 1, ", 1)
    text = "\n".join(mappings) if lines else f"[{', '.join(mappings)}]"
    rows = table.rows if column == "other" else None
    if kind in WRITTEN and column != "other":
        value = WRITTEN[kind] if column == table.text else WRITTEN[kind].replace("\0", "")  # a label's can't be seen
        rows = table.with_cells(column, {place: value}).rows
    words = odd_files.words_for(draw, files.only, table, by_number=False)
    return Files({files.only: text.encode()}, words, rows, files.form, f"{kind} in {column}"[:40])


VALUES = {
    "a number": "12", "a truth": "true", "nothing": "null", "a list": "[1, 2]", "a mapping": '{"a": 1}',
    "no number": "NaN", "beyond all numbers": "1e400", "a huge number": "9" * 5000, "a deep list": "[" * 90_000 +
    "]" * 90_000, "half a character": '"\\ud800"', "a NUL": '"a\\u0000b"', "a key twice": '"z"', "no JSON": "x",
    "a number of 30 digits": "1" * 30,
}  # fmt: skip
WRITTEN = {"a number": "12", "a truth": "True", "a NUL": "a\0b", "a number of 30 digits": "1" * 30, "a huge number":
           "9" * 5000}  # fmt: skip


def wrong_file(draw: random.Random) -> Files:
    """A file that is not what its name says, or whose packing is broken."""
    files = FORM[draw.choice(list(FORM))](draw, odd_files.table(draw))
    name, content = files.only, files.content[files.only]
    kind = draw.choice(["suffix", "suffix", "suffix", "zip of two", "empty zip", "encrypted zip", "not packed",
                        "packed twice", "tail", "empty", "several sheets", "bytes", "same twice"])  # fmt: skip
    rows, new = files.rows, name
    if kind == "suffix":
        suffixes = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".parquet", ".xlsx", ".xls", ".gz", ".zip", ".dat", "")
        new = f"rows{draw.choice(suffixes)}"
    elif kind in ("zip of two", "empty zip", "encrypted zip"):
        file, new, rows = io.BytesIO(), f"{name}.zip", None
        with zipfile.ZipFile(file, "w") as archive:
            for number in range({"zip of two": 2, "empty zip": 0, "encrypted zip": 1}[kind]):
                archive.writestr(f"{number}{name}", content)
        content = file.getvalue()
        if kind == "encrypted zip":  # the bit in both headers that says so
            content = bytearray(content)
            content[6] |= 1
            content[content.rindex(b"PK\1\2") + 8] |= 1
    elif kind == "not packed":
        new = f"{name}{draw.choice(['.gz', '.zip'])}"
    elif kind == "packed twice":
        new, content = f"{name}.gz", gzip.compress(gzip.compress(content))
    elif kind == "tail":
        new, content = f"{name}.gz", gzip.compress(content) + b"tail"
    elif kind == "empty":
        content, rows = draw.choice([b"", b"\n", b"\xef\xbb\xbf", b"\0" * 50, b" ", b"[]", b"{}", b"null", b"1"]), None
    elif kind == "several sheets":
        book, file = openpyxl.Workbook(), io.BytesIO()
        for sheet in (book.active, book.create_sheet("more")):
            sheet.append(["text", "label"])
        book.save(file)
        new, content, rows = "rows.xlsx", file.getvalue(), None
    elif kind == "bytes":
        file, size = io.BytesIO(), len(files.rows)
        label = [row[1] for row in files.rows]
        cells = draw.choice([[b"a"] * size, [["a", "b"]] * size, [{"a": 1}] * size])
        pq.write_table(pa.table({"text": cells, "label": label}), file)
        words = ["--file=rows.parquet", "--text-column=text", "--label-column=label"]
        return Files({"rows.parquet": file.getvalue()}, words, None, "Parquet", kind)
    words = [f"--file={new}", *files.words[1:]]
    contents = {new: bytes(content)}
    if kind == "same twice":
        contents = {f"{split}{name}": content for split in ("train", "test")}
        words, rows = [*(f"--file={split}={split}{name}" for split in ("train", "test")), *files.words[1:]], None
    return Files(contents, words, rows, files.form, kind)


KINDS = {
    "a right file": (odd, 4),
    "damaged bytes": (damaged, 8),
    "a wrong table": (wrong_table, 3),
    "wrong lines": (wrong_lines, 3),
    "odd JSON": (wrong_json, 3),
    "a wrong file": (wrong_file, 3),
}
"""By class: what makes its files, and how often it does."""


def drawn(draw: random.Random) -> tuple[str, Files]:
    """Files of some class."""
    (kind,) = draw.choices(list(KINDS), [share for _, share in KINDS.values()])
    return kind, KINDS[kind][0](draw)
