"""What the command lines of the stages have in common."""

import argparse
import difflib
from pathlib import Path

from threephase.base.errors import UserError, shortened
from threephase.study.read_params import study_folders
from threephase.study.schema import listed, named


def stage_parser(about: str, *options: str) -> argparse.ArgumentParser:
    """A parser of ``--study`` and of those of ``--encoder``, ``--variant`` and ``--seed`` that a stage needs.

    An option whose name ends in ``?`` may be left out.
    """
    parser = argparse.ArgumentParser(description=about)
    told = "a study; the default one if left out"
    parser.add_argument("--study", type=folder_of, default=Path(), metavar="NAME", help=told)
    help_of = {
        "encoder": "an encoder that the study runs",
        "variant": "a variant or baseline that the study runs",
        "seed": "one of the study's seeds",
    }
    for option in options:
        name, needed = option.removesuffix("?"), not option.endswith("?")
        how = {"type": int if name == "seed" else a_name, "required": needed, "default": None if needed else ""}
        parser.add_argument(f"--{name}", help=help_of[name], **how)
    return parser


def a_name(value: str) -> str:
    """A word of the command line that becomes part of paths."""
    if value and (expected := named(value)):  # a stage that needs none has an empty one
        raise UserError(f"--encoder, --variant: got {shortened(repr(value))}, expected {expected}")
    return value


def folder_of(study: str) -> Path:
    """The folder of a study by its name."""
    folders = study_folders()
    if study not in folders:
        near = difflib.get_close_matches(study, folders)
        hint = f" (did you mean {listed(near)}?)" if near else ""
        told = f"got {shortened(repr(study))}{hint}, expected a study's name; make studies lists all"
        raise UserError(f"STUDY= (--study): {told}")
    return folders[study]
