"""How to cite, as text and BibTeX, from ``CITATION.cff``."""

import unicodedata

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.study.schema import read_yaml


def citation() -> dict[str, str]:
    """The software and the paper that it tests: a sentence of each, and the BibTeX of the paper."""
    content = read_yaml(paths.CITATION)
    try:
        (paper,) = content["references"]
        people = [(person["given-names"], person["family-names"]) for person in paper["authors"]]
        owners = [
            owner.get("name") or f"{owner['given-names']} {owner['family-names']}" for owner in content["authors"]
        ]
        title, book, year, start, end = (paper[key] for key in ("title", "collection-title", "year", "start", "end"))
        arxiv, code, licence = paper["identifiers"][0]["value"], content["title"], content["license"]
    except (KeyError, ValueError, IndexError) as error:
        raise UserError(
            f"{paths.CITATION}: {error}: expected one reference with authors, title, year, collection-title, start, "
            "end and an identifier"
        ) from None
    authors = " and ".join(f"{given} {family}" for given, family in people)
    # A key takes plain letters only.
    key = unicodedata.normalize("NFD", people[0][1].split("-")[0].lower()).encode("ascii", "ignore").decode()
    fields = {
        "title": title,
        "author": " and ".join(f"{family}, {given}" for given, family in people),
        "booktitle": book,
        "year": year,
        "pages": f"{start}--{end}",
        "note": arxiv,
    }
    return {
        "software": f"{code}. {', '.join(owners)}. Licence: {licence}.",
        "paper": f"{authors} ({year}). {title}. {book}, pages {start}–{end}. {arxiv}.",
        "bibtex": "\n".join(
            [f"@inproceedings{{{key}{year},", *(f"  {name} = {{{value}}}," for name, value in fields.items()), "}"]
        ),
    }
