"""What the pipelines promise: a stage runs again for the code that it imports, and takes its command line."""

import ast
import functools
import graphlib
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from small_project import STUDIES
from tiny_project import REPOSITORY, copy_project, environment, make_pipelines, run

from threephase.phases import training_run
from threephase.project import pipeline
from threephase.study import closure, resolve, settings
from threephase.study.read_params import load_study

# From the ground up: a room imports only from those before it.
ROOMS = (
    "base", "study", "data", "model", "project", "scores", "phases", "methods", "results", "paper", "audit", "report",
    "revisions",
)  # fmt: skip
FOLDERS = ("stages", "threephase", "commands")
PACKAGES = {*FOLDERS, *(f"threephase.{room}" for room in ROOMS)}
HEAVY = {
    "datasets", "huggingface_hub", "torch", "numpy", "pandas", "scipy", "sklearn", "pyarrow", "statsmodels",
    "tokenizers", "transformers",
}  # fmt: skip
WRITES_CODE_WITH_WEIGHTS = {"pickle", "joblib", "dill", "cloudpickle", "shelve"}
LINES = 310
GENERATED = (
    "requirements.txt",
    "*.lock",
    "dvc.yaml",
    "resolved.yaml",
    "reports/*/*",
    "reports/published/*/*",
    "reports/published/*/*/*",
    "*.csv",
)


def module_file(module: str) -> Path | None:
    """The file of a module of the project, None for any other."""
    path = REPOSITORY.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


FILES = [file for folder in FOLDERS for file in (REPOSITORY / folder).rglob("*.py")]
MODULES = sorted(
    ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__") for file in FILES
)
TYPED = [name for name in MODULES if name.startswith(("stages.", "commands.")) and name != "stages.__main__"]


@functools.cache
def imports(module: str) -> frozenset[str]:
    """The project's modules that a module imports anywhere but for type checking."""
    names = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, ast.Import):
            names.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import; the project writes whole names"
            names.update({node.module, *(f"{node.module}.{name.name}" for name in node.names)})
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(module_file(module).read_text(encoding="utf-8")))
    return frozenset(name for name in names if name.split(".")[0] in FOLDERS and module_file(name))


# Modules that a stage may import without being run again for them, because no result changes with them.
PLUMBING = {
    "threephase.base": "a docstring",
    "threephase.base.doubtful_numbers": "warnings and remedies",
    "threephase.base.errors": "how a refusal is printed",
    "threephase.base.faults": "how a fault of system or machine is told",
    "threephase.base.files": "writes a file whole or not at all, whatever it holds",
    "threephase.base.handed_over": "refuses what is not the content that dvc noted",
    "threephase.base.lifetime": "when a stage's process ends",
    "threephase.base.paths": "where files lie; the pipeline names the same places",
    "threephase.base.provenance": "facts of a run for its report, on which no stage depends",
    "threephase.base.run_reports": "the same",
    "threephase.study": "a docstring",
    "threephase.study.arguments": "the command line, which dvc compares",
    "threephase.study.closure": "which code counts; its outcome stands in the settings",
    "threephase.study.judging_params": "the parameters' names and bounds for statistics, claims and verdicts",
    "threephase.study.label_params": "names and bounds of studies/label_curves.yaml",
    "threephase.study.labelled_rows": "which parameters are refused",
    "threephase.study.methods": "finds a method's file, whose checksum stands in the settings",
    "threephase.study.middle": "the middle of some values, which is what it is by definition",
    "threephase.study.paper_params": "names and bounds of paper/params.yaml",
    "threephase.study.params": "the parameters' names and bounds; their values stand in the settings",
    "threephase.study.read_params": "reads the parameters, whose values stand in the settings",
    "threephase.study.resolve": "makes the settings, which are compared",
    "threephase.study.resolve_trainings": "the same",
    "threephase.study.rules": "the same; what shows a study counts it",
    "threephase.study.schema": "which parameters are refused",
    "threephase.study.settings": "the names of what stands in the settings",
    "threephase.study.source_params": "the parameters' names and bounds for data sets and encoders",
    "threephase.study.topology": "names of stages, which the pipeline names as well",
}


def is_plumbing(module: str) -> bool:
    return module in PLUMBING


def reachable(module: str) -> set[str]:
    """The module and all that it imports, directly or not, but for plumbing."""
    modules, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in modules and not is_plumbing(name):
            modules.add(name)
            waiting.extend(imports(name))
    return modules - PACKAGES


def programs_of(name: str) -> list[str]:
    return resolve.programs(load_study(name))


@pytest.fixture(autouse=True)
def in_repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


def test_a_stage_runs_again_for_exactly_the_modules_that_it_imports():
    programs = {program for name in STUDIES for program in programs_of(name)}
    assert len(programs) == 16
    for program in programs:
        imported = reachable(f"stages.{program}")
        files = [str(module_file(module).relative_to(REPOSITORY)) for module in imported]
        assert sorted(files) == [str(file) for file in closure.modules_of(program)], program
        # The templates are named as well, by who uses them.
        drawn = "threephase.report.layout" in imported
        assert {file for file in resolve.files_of(program) if "threephase" in file.parts} == set(
            resolve.TEMPLATES.glob("*") if drawn else ()
        ), program


def test_plumbing_is_what_the_settings_leave_out_and_imports_nothing_that_decides_a_result():
    assert {module for module in MODULES if module.startswith(closure.PLUMBING)} == PLUMBING.keys()
    for module in filter(is_plumbing, MODULES):
        assert all(map(is_plumbing, imports(module) - PACKAGES)), module


@pytest.mark.parametrize("name", STUDIES)
def test_the_first_stage_reads_all_that_another_one_s_settings_name(name):
    study = load_study(name)
    read = {os.path.normpath(study.folder / file) for file in pipeline.outside_files(study)}
    for program in programs_of(name):
        for file in (*closure.modules_of(program), *resolve.files_of(program)):
            assert read & {str(file), *map(str, file.parents)}, (program, file)
    assert {"shared.yaml", str(study.file), f"data/{study.params.dataset}.yaml"} <= read
    # How settings are made of parameters decides them as well.
    for module in (
        "stages/resolve_settings",
        *(f"threephase/study/{name}" for name in ("resolve", "topology", "rules")),
    ):
        file = Path(f"{module}.py")
        assert read & {str(file), *map(str, file.parents)}, module


def room_of(module: str) -> int:
    """How high a module stands: a room of the package, then the stages, then the commands."""
    names = module.split(".")
    return ROOMS.index(names[1]) if names[0] == "threephase" else len(ROOMS) + FOLDERS.index(names[0])


def test_imports_run_downwards_and_no_stage_imports_another():
    assert {path.name for path in (REPOSITORY / "threephase").iterdir() if path.name != "__pycache__"} == {
        *ROOMS, "__init__.py",
    }  # fmt: skip
    for module in set(MODULES) - PACKAGES:
        imported = imports(module) - PACKAGES
        assert not imported & (set(TYPED) - {module}), f"{module} imports a stage or a command"
        upwards = {name for name in imported if room_of(name) > room_of(module)}
        assert not upwards, f"{module} imports {upwards}, which stands higher"
    graphlib.TopologicalSorter({module: imports(module) - PACKAGES for module in MODULES}).prepare()


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    """The stages of some studies with every template filled in, as dvc itself does it."""
    root = copy_project(tmp_path_factory.mktemp("contract") / "project")
    run(root, "git", "init", "--quiet")
    # One of them builds on another study.
    for name in (*filter(None, STUDIES), "snips_l6"):
        shutil.copytree(REPOSITORY / "studies" / name, root / "studies" / name, ignore=shutil.ignore_patterns("cache"))
    make_pipelines(root)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(root).items():
            patch.setenv(name, value)
        from dvc.repo import Repo

        stages = {}
        for name in STUDIES:
            with Repo(str(root / "studies" / name if name else root)) as repo:
                stages[name] = list(repo.index.stages)
        yield stages


class Parsed(Exception):
    """A stage got through its command line to its settings or the params files."""


def parse(command: str, patch: pytest.MonkeyPatch) -> None:
    """Run a stage until it reads what it uses, on the command line with which dvc would start it."""
    words = command.split('/stages" ')[1].split()
    module = importlib.import_module(f"stages.{words[0]}")

    def load(*_: object) -> None:
        raise Parsed

    for name in vars(module).copy():
        if name.startswith("load_") or name == "study_in":
            patch.setattr(module, name, load)
    for reader in (settings, training_run):
        patch.setattr(reader, "read_settings", load)
    patch.setattr(sys, "argv", words)
    module.main()


def test_every_command_line_is_one_that_its_stage_takes(resolved, monkeypatch):
    assert sum(map(len, resolved.values())) > 300
    for command in {stage.cmd for stages in resolved.values() for stage in stages}:
        with pytest.raises(Parsed):
            parse(command, monkeypatch)


def test_a_command_line_that_a_stage_does_not_take_would_be_noticed(monkeypatch, capsys):
    for wrong in (" --sed 0", "", " --seed zero"):
        with pytest.raises(SystemExit):
            parse('python3 "top/stages" train_dae --encoder minilm_l6 --variant dae' + wrong, monkeypatch)
    assert "--seed" in capsys.readouterr().err


def test_stages_are_started_by_path_in_the_same_words_in_every_study(resolved):
    """An experiment's copy of the repository runs its own code, and dvc's cache knows a training of another study."""
    for name, stages in resolved.items():
        for stage in stages:
            assert stage.cmd.startswith('python3 "$(git rev-parse --show-toplevel)/stages" '), stage
            inside = [item.def_path for item in (*stage.deps, *stage.outs) if stage.name != "resolve_settings"]
            assert not [path for path in inside if path.startswith(("..", "/")) or (name and name in path)], stage


def test_no_stage_depends_on_a_folder_outside_of_its_project(resolved):
    """dvc would see there what Python leaves beside code."""
    for name in filter(None, STUDIES):
        (first,) = (stage for stage in resolved[name] if stage.name == "resolve_settings")
        outside = [dep.def_path for dep in first.deps if dep.def_path.startswith("..")]
        assert outside and all((REPOSITORY / "studies" / name / path).is_file() for path in outside)


def test_a_refusal_leaves_the_settings_that_git_keeps(resolved):
    """dvc takes away what a stage makes before it runs, but for what is persistent."""
    for stages in resolved.values():
        (first,) = (stage for stage in stages if stage.name == "resolve_settings")
        assert [out.persist for out in first.outs if out.def_path == "resolved.yaml"] == [True]


def test_no_two_stages_write_the_same_output(resolved):
    for stages in resolved.values():
        outputs = [str(output.fs_path) for stage in stages for output in stage.outs]
        assert sorted(set(outputs)) == sorted(outputs)


@pytest.mark.parametrize("module", TYPED)
def test_help_imports_nothing_heavy(module):
    words = module.split(".") if module.startswith("stages.") else [module]
    command = [sys.executable, "-X", "importtime", "-m", *words, "--help"]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and result.stdout.startswith("usage: ")
    packages = {line.rpartition("|")[2].split(".")[0].strip() for line in result.stderr.splitlines()}
    assert "argparse" in packages and not packages & HEAVY
    assert vars(importlib.import_module(module))["main"].__code__.co_argcount == 0


def test_weights_are_written_as_safetensors_only():
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {name.name.split(".")[0] for name in node.names} | {(getattr(node, "module", None) or "")}
                assert not names & WRITES_CODE_WITH_WEIGHTS, f"{file}: {names}"
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in {("torch", "save"), ("torch", "load"), ("np", "save")}, file


def test_no_file_is_too_long_to_read():
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        file = REPOSITORY / name
        if any(Path(name).match(pattern) for pattern in GENERATED) or file.suffix in {".svg", ".png"}:
            continue
        if file.is_file():
            assert len(file.read_text(encoding="utf-8").splitlines()) <= LINES, name
