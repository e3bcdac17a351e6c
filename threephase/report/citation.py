"""How to cite, as text and BibTeX, from ``CITATION.cff``."""

import unicodedata
from typing import Any

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study.schema import read_yaml


def citation() -> dict[str, str]:
    """The software and the paper that it tests: a sentence of each, and the BibTeX of the paper."""
    content = read_yaml(paths.CITATION)
    try:
        (paper,) = content["references"]
        pages = f"{paper['start']}–{paper['end']}"
        arxiv = paper["identifiers"][0]["value"]
        authors = [f"{one['given-names']} {one['family-names']}" for one in paper["authors"]]
        software = f"{content['title']}. {_software_authors(content)}. Licence: {content['license']}."
        said = (
            f"{' and '.join(authors)} ({paper['year']}). {paper['title']}. {paper['collection-title']}, pages {pages}."
        )
        bibtex = _bibtex(paper, arxiv)
    except (KeyError, ValueError, IndexError) as error:
        raise UserError(
            f"{paths.CITATION}: {error}: expected one reference with authors, title, year, collection-title, start, "
            "end and an identifier"
        ) from None
    return {"software": software, "paper": f"{said} {arxiv}.", "bibtex": bibtex}


def _software_authors(content: dict[str, Any]) -> str:
    return ", ".join(one.get("name") or f"{one['given-names']} {one['family-names']}" for one in content["authors"])


def _bibtex(paper: dict[str, Any], arxiv: str) -> str:
    authors = " and ".join(f"{one['family-names']}, {one['given-names']}" for one in paper["authors"])
    fields = {
        "title": paper["title"],
        "author": authors,
        "booktitle": paper["collection-title"],
        "year": paper["year"],
        "pages": f"{paper['start']}--{paper['end']}",
        "note": arxiv,
    }
    # A key takes plain letters only.
    first = unicodedata.normalize("NFD", paper["authors"][0]["family-names"]).encode("ascii", "ignore").decode()
    key = f"{first.split('-')[0].lower()}{paper['year']}"
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items()]
    return "\n".join([f"@inproceedings{{{key},", *lines, "}"])
