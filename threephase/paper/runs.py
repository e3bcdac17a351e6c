"""What a table of the paper needs, study by study, and dvc brings it up to date."""

import subprocess
from collections.abc import Mapping, Sequence

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.paper.data_tables import data_studies
from threephase.paper.numbers import DATA_TABLES, DESCRIBED, MEASURED_TABLES, Reproduction, find_study, printed
from threephase.project import project
from threephase.study.params import Shared, Study
from threephase.study.topology import PREPARE, summary_stage

Wanted = Mapping[str, Sequence[str]]  # by the study's name: stages as dvc names them within it


def which_table(shared: Shared, table: str, encoder: str, protocol: str) -> tuple[int, str, str]:
    """Table, encoder and protocol as typed; of a measured table the protocol is ``described`` where it is left out.

    Refuses a table that the paper lacks, and an encoder or protocol that does not go with it.
    """
    tables = {str(number): number for number in sorted(DATA_TABLES + MEASURED_TABLES)}
    if table not in tables:
        raise UserError(f"--table: got {table!r}, expected one of: {', '.join(tables)}")
    of_data = tables[table] in DATA_TABLES
    protocol = protocol or ("" if of_data else DESCRIBED)
    for name, value, known in (("--encoder", encoder, shared.encoders), ("--protocol", protocol, shared.protocols)):
        if of_data and value:
            raise UserError(f"{name}: got {value!r} for table {table}, which is of data alone; leave it out")
        if not of_data and value not in known:
            raise UserError(f"{name}: got {value!r} for table {table}, expected one of: {', '.join(known)}")
    return tables[table], encoder, protocol


def stages_of(work: Reproduction, table: int, encoder: str, protocol: str) -> Wanted:
    """The stages that make a table: of a measured one the cells that the paper prints, of one of data the data sets."""
    if table in DATA_TABLES:
        return {study.params.name: [PREPARE] for study in data_studies(work).values()}
    stages: dict[str, list[str]] = {}
    numbers = printed(work.numbers, table, encoder, work.settings).drop_duplicates(["dataset", "variant"])
    for dataset, variant in zip(numbers["dataset"], numbers["variant"], strict=True):
        study = find_study(work, dataset, protocol, (encoder, variant))
        if study is not None:
            stages.setdefault(study.params.name, []).append(summary_stage(study, (encoder, variant)))
    if not stages:
        raise UserError(
            f"table {table}: no study runs a cell of it with {encoder} under {protocol}; expected one in "
            f"{paths.STUDIES} with reproduces_paper: true"
        )
    return stages


def bring_up_to_date(studies: Mapping[str, Study], wanted: Wanted) -> None:
    """Let dvc run what is out of date, one study after the other; what fails in one does not stop the next."""
    for name in wanted:
        project.check_pipeline(studies[name])
    if failed := [name for name, stages in wanted.items() if not _repro(studies[name], stages)]:
        done = ", ".join(name for name in wanted if name not in failed) or "none"
        raise UserError(
            f"dvc failed in {', '.join(failed)}, its own message stands above; up to date: {done}; nothing finished "
            "is lost: the same command goes on from there, make tables shows what exists"
        )


def _repro(study: Study, stages: Sequence[str]) -> bool:
    """Whether ``dvc repro`` of the stages in the study's folder succeeds; what it prints goes to the terminal."""
    command = [*study.in_folder.split(), "repro", *stages]
    print(">", *command, flush=True)
    try:
        process = subprocess.Popen(command)
    except FileNotFoundError:
        raise UserError("dvc: no such program, expected that of .venv; activate it, or use make") from None
    try:
        return process.wait() == 0
    except KeyboardInterrupt:
        process.wait()
        raise UserError("stopped; nothing finished is lost: the same command goes on from there") from None
