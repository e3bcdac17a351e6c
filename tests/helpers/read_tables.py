"""The cells of Markdown and LaTeX tables as a reader's program sees them, for tests of what is written."""

import re


def read_markdown(text):
    """The cells of all pipe tables, each with the backslashes before punctuation taken away."""
    rows = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|--")]
    cells = [cell for row in rows for cell in re.split(r"(?<!\\)(?:\\\\)*\|", row)]
    assert not [cell for cell in cells if re.search(r"(?<!\\)(?:\\\\)*[<*`~]", cell)]
    return [re.sub(r"\\([\\`*_<>|~&$#(\[])", r"\1", cell) for cell in cells]


LATEX = {
    r"\textbackslash{}": "\\", r"\textasciitilde{}": "~", r"\^{}": "^", r"\ensuremath{<}": "<",
    r"\ensuremath{>}": ">", **{f"\\{letter}": letter for letter in "&%$#_{}"},
}  # fmt: skip


def read_latex(text):
    """The cells of all tables; every environment is closed, every row has the table's columns, nothing is markup."""
    tables = []
    assert re.findall(r"\\begin{(\w+)}", text) == ["table", "tabular"] * 3
    assert re.findall(r"\\end{(\w+)}", text) == ["tabular", "table"] * 3
    for columns, body in re.findall(r"\\begin{tabular}{(l+)}\n(.*?)\\end{tabular}", text, flags=re.DOTALL):
        for row in body.splitlines():
            if row in (r"\toprule", r"\midrule", r"\bottomrule"):
                continue
            assert row.endswith(r"\\")
            cells = re.split(r"(?<!\\)&", row.removesuffix(r"\\"))
            assert len(cells) == len(columns)
            tables += [plain(cell) for cell in cells]
    return tables


def plain(cell):
    """The text of a LaTeX cell; what is not an escape or an empty group may not be markup."""
    parts = re.split(
        "(" + "|".join(map(re.escape, sorted(LATEX, key=len, reverse=True))) + r"|\{\}|^\s*\{[\[*]\})", cell
    )
    assert not [part for part in parts if part not in LATEX and part != "{}" and re.search(r"[\\&%$#_^~]|--|``", part)]
    return "".join(LATEX.get(part, "" if part == "{}" else part) for part in parts)
