"""The text of ``paper/dvc.yaml``: a list of dependencies can't be templated, so the stages are written out."""

from collections.abc import Iterable, Mapping

from stages.common import paths
from stages.common.paper import (
    DATA_TABLES,
    DESCRIBED,
    MEASURED_TABLES,
    PROTOCOLS,
    Reproduction,
    find_study,
    measured_tables,
    printed,
)
from stages.common.settings import Dataset

HEADER = """\
# The paper's tables beside ours, generated from paper/tables.csv and the benchmarks' params files: make pipelines.
# compare_with_paper_* depends on exactly the cells that the paper prints; table_* is its text, a stage an encoder:
# dvc repro paper/dvc.yaml:table_3@minilm_l12 (paper's text), table_3_released@minilm_l12 (authors' code).
stages:
"""
COMPARING = ("compare_with_paper.py", "common/analysis", "common/paper.py", "common/paper_data.py", "common/scores")
RENDERING = (
    "render_paper_table.py",
    "common/analysis",
    "common/paper.py",
    "common/paper_tables.py",
    "common/scores",
)
RULES = ["statistics.confidence", "verdicts.undecided_interval_width"]
FOUND_BY = ["dataset", "protocol", "reproduces_paper", "run_encoders", "run_variants.summarize_cell"]
Params = Mapping[str, list[str]]


def pipeline(work: Reproduction, datasets: Mapping[str, Dataset]) -> str:
    """The whole file; a table of which no number has a benchmark or data set is left out."""
    stages = [_data_table(work, table, datasets) for table in DATA_TABLES]
    tables = [which for which in measured_tables(work) if _cells(work, *which)]
    stages += [_comparison(work, *which) for which in tables]
    for table in MEASURED_TABLES:
        for protocol in PROTOCOLS:
            encoders = [one for other, one, its in tables if (other, its) == (table, protocol)]
            if encoders:
                stages.append(_rendering(work, table, protocol, encoders, datasets))
    return HEADER + "".join(stages)


def _cells(work: Reproduction, table: int, encoder: str, protocol: str) -> list[tuple[str, str]]:
    """Benchmark and variant of every cell that the table prints and some benchmark runs."""
    cells = {}
    for number in printed(work.numbers, table, encoder, work.settings).to_dict("records"):
        study = find_study(work, number["dataset"], protocol, encoder, number["variant"])
        if study:
            cells[study.benchmark.name, number["variant"]] = None
    return list(cells)


def _comparison(work: Reproduction, table: int, encoder: str, protocol: str) -> str:
    """The stage that compares a measured table for an encoder under a protocol."""
    cells = _cells(work, table, encoder, protocol)
    benchmarks = dict.fromkeys(benchmark for benchmark, _ in cells)
    params = {str(paths.SHARED_PARAMS): RULES, str(paths.PAPER_PARAMS): ["stand_in_encoders", "stand_in_datasets"]}
    params |= {str(paths.benchmark_params(benchmark)): FOUND_BY for benchmark in benchmarks}
    summaries = [str(paths.cell_summary(benchmark, encoder, variant)) for benchmark, variant in cells]
    return _stage(
        f"compare_with_paper_{table}_{encoder}_{protocol}",
        f"Table {table} for {encoder} under {protocol}, paper beside ours",
        f"compare_with_paper --table {table} --encoder {encoder} --protocol {protocol}",
        params,
        [str(paths.PAPER_NUMBERS), *summaries, *(f"stages/{code}" for code in COMPARING)],
        [str(paths.paper_table(table, encoder, protocol))],
    )


def _rendering(
    work: Reproduction, table: int, protocol: str, encoders: list[str], datasets: Mapping[str, Dataset]
) -> str:
    """The stage, one an encoder, that writes a measured table as text."""
    file = paths.paper_table(table, "${item.encoder}", protocol)
    known = {*work.numbers["dataset"], *work.settings.stand_in_datasets}
    params = {str(paths.SHARED_PARAMS): [*RULES, "variants", "baselines", "encoders.${item.encoder}.title"]}
    params |= {str(paths.dataset_params(name)): ["title"] for name in datasets if name in known}
    return _stage(
        f"table_{table}" + ("" if protocol == DESCRIBED else f"_{protocol}"),
        f"Table {table} under {protocol} as Markdown and LaTeX",
        f"render_paper_table --table {table} --encoder ${{item.encoder}} --protocol {protocol}",
        params,
        [str(file), *(f"stages/{code}" for code in RENDERING)],
        [str(file.with_suffix(suffix)) for suffix in (".md", ".tex")],
        f"    matrix: {{encoder: [{', '.join(encoders)}]}}",
    )


def _data_table(work: Reproduction, table: int, datasets: Mapping[str, Dataset]) -> str:
    """The two stages of table 1 or 2, which need the paper's data sets and nothing else."""
    names = [name for name in dict.fromkeys(work.numbers["dataset"]) if name in datasets]
    file = paths.paper_table(table, "", "")
    folds = {str(paths.dataset_params(name)): ["folds"] for name in names if datasets[name].folds is not None}
    examples = [str(paths.examples(name)) for name in names]
    titles = {str(paths.dataset_params(name)): ["title"] for name in names}
    comparison = _stage(
        f"compare_with_paper_{table}",
        f"Table {table}, paper beside ours",
        f"compare_with_paper --table {table}",
        folds,
        [str(paths.PAPER_NUMBERS), *examples, *(f"stages/{code}" for code in COMPARING)],
        [str(file)],
    )
    return comparison + _stage(
        f"table_{table}",
        f"Table {table} as Markdown and LaTeX",
        f"render_paper_table --table {table}",
        titles,
        [str(file), *(f"stages/{code}" for code in RENDERING)],
        [str(file.with_suffix(suffix)) for suffix in (".md", ".tex")],
    )


def _stage(
    name: str, desc: str, command: str, params: Params, deps: list[str], outs: list[str], matrix: str = ""
) -> str:
    """One stage as YAML."""
    listed = {
        "params": [f"{file}: {_flow(keys)}" for file, keys in params.items()],
        "deps": deps,
        "outs": outs,
    }
    lines = [f"  {name}:", f"    desc: {desc}", "    wdir: .."]
    lines += [matrix, f"    cmd: python -m stages.{command}"] if matrix else [f"    cmd: python -m stages.{command}"]
    for key, items in listed.items():
        lines += [f"    {key}:", *(f"      - {item}" for item in items)] if items else []
    return "\n".join(lines) + "\n"


def _flow(keys: Iterable[str]) -> str:
    return "[" + ", ".join(f'"{key}"' if "$" in key else key for key in keys) + "]"
