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
from tiny_project import REPOSITORY, copy_project, environment, make_pipelines, run

from stages.common import closure, inputs, resolve, training_settings
from stages.common.config import load_study
from stages.common.engine import runs

STAGES = REPOSITORY / "stages"
LIBRARIES = ("analysis", "audit", "engine", "pages", "scores")
PACKAGES = {"stages", "stages.common", *(f"stages.common.{name}" for name in LIBRARIES)}
# Modules that a stage may import without being run again for them, because no result changes with them.
PLUMBING = {
    "stages": "a docstring",
    "stages.common": "a docstring",
    "stages.common.engine": "a docstring",
    "stages.common.errors": "how a refusal is printed",
    "stages.common.lifetime": "when a stage's process ends",
    "stages.common.schema": "which parameters are refused",
    "stages.common.settings": "the parameters' names and bounds; their values stand in the settings",
    "stages.common.paper_settings": "the same of paper/params.yaml",
    "stages.common.source_settings": "the same for data sets and encoders",
    "stages.common.training_settings": "the names of what stands in the settings",
    "stages.common.config": "reads the parameters, whose values stand in the settings",
    "stages.common.arguments": "the command line, which dvc compares",
    "stages.common.topology": "names of stages, which the pipeline names as well",
    "stages.common.paths": "where files lie; the pipeline names the same places, and dvc misses an output elsewhere",
    "stages.common.files": "writes a file whole or not at all, whatever it holds",
    "stages.common.provenance": "facts of a run for its report, on which no stage depends",
    "stages.common.run_reports": "the same",
}
# What plumbing may import all the same: a dataclass of the settings; who trains imports its module besides.
DECLARED = {("stages.common.training_settings", "stages.common.engine.machine")}
HEAVY = {
    "datasets",
    "huggingface_hub",
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "matplotlib",
    "pyarrow",
    "statsmodels",
    "tokenizers",
    "transformers",
}
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
# Studies of all shapes: the default one, two encoders with lists of their own, folds, a released protocol.
STUDIES = ("", "snips", "sst2", "snips_released_l6")


def module_file(module: str) -> Path | None:
    """The file of a module of the project, None for any other."""
    path = REPOSITORY.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


MODULES = sorted(
    ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
    for file in STAGES.rglob("*.py")
)
COMMANDS = [name for name in MODULES if name.count(".") == 1 and name not in ("stages.common", "stages.__main__")]


@functools.cache
def imports(module: str) -> frozenset[str]:
    """The project's modules that a module imports anywhere but for type checking."""
    found = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import; the project writes whole names"
            found.update({node.module, *(f"{node.module}.{name.name}" for name in node.names)})
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(module_file(module).read_text(encoding="utf-8")))
    return frozenset(name for name in found if name.split(".")[0] == "stages" and module_file(name))


def reachable(module: str) -> set[str]:
    """The module and all that it imports, directly or not, but for plumbing."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in PLUMBING:
            found.add(name)
            waiting.extend(imports(name))
    return found - PACKAGES


def programs_of(name: str) -> list[str]:
    return resolve.programs(load_study(name))


@pytest.fixture(autouse=True)
def in_repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


def test_a_stage_runs_again_for_exactly_the_modules_that_it_imports():
    programs = {program for name in STUDIES for program in programs_of(name)}
    assert len(programs) == 17
    for program in programs:
        imported = reachable(f"stages.{program}")
        files = [str(module_file(module).relative_to(REPOSITORY)) for module in imported]
        assert sorted(files) == [str(file) for file in closure.modules_of(program)], program
        # What lies beside the modules (templates) is named as well, by who uses it.
        folders = {folder.name for folder in STAGES.iterdir() if folder.is_dir()} - {"common", "__pycache__"}
        words = {
            word.value
            for name in imported
            for word in ast.walk(ast.parse(module_file(name).read_text(encoding="utf-8")))
            if isinstance(word, ast.Constant) and isinstance(word.value, str)
        }
        used = {STAGES / folder for folder in folders if any(folder in Path(word).parts for word in words)}
        named = {str(file) for file in resolve.files_of(program) if "stages" in file.parts}
        inside = {file.relative_to(REPOSITORY) for folder in used for file in folder.rglob("*") if file.is_file()}
        assert named == set(map(str, inside)), program


def test_every_module_that_no_stage_runs_again_for_is_plumbing():
    assert set(PLUMBING) == closure.BASE
    for module in PLUMBING:
        others = {(module, name) for name in imports(module) - set(PLUMBING)}
        assert others <= DECLARED, f"{module} is no plumbing: it imports {others}"
    for program in ("train_dae", "train_contrastive", "train_joint", "train_classifier", "train_baselines"):
        assert {Path(*module.split(".")).with_suffix(".py") for _, module in DECLARED} <= set(
            closure.modules_of(program)
        ), program


@pytest.mark.parametrize("name", STUDIES)
def test_the_first_stage_reads_all_that_another_one_s_settings_name(name):
    study = load_study(name)
    read = {os.path.normpath(study.folder / file) for file in inputs.outside_files(study)}
    for program in programs_of(name):
        for file in (*closure.modules_of(program), *resolve.files_of(program)):
            assert read & {str(file), *map(str, file.parents)}, (program, file)
    assert {"shared.yaml", str(study.params), f"data/{study.benchmark.dataset}.yaml"} <= read
    # How settings are made of parameters decides them as well.
    for module in ("resolve_settings", "common/resolve", "common/topology", "common/config", "common/engine/switches"):
        file = Path("stages") / f"{module}.py"
        assert read & {str(file), *map(str, file.parents)}, module


def test_no_import_cycle_and_no_stage_imports_another():
    for module in MODULES:
        assert not imports(module) & (set(COMMANDS) - {module}), f"{module} imports a stage"
    # A package's own name in "from stages.common import paths" is no import of what the package holds.
    graph = {module: imports(module) - PACKAGES for module in MODULES}
    graphlib.TopologicalSorter(graph).prepare()


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

        found = {}
        for name in STUDIES:
            with Repo(str(root / "studies" / name if name else root)) as repo:
                found[name] = list(repo.index.stages)
        yield found


class Parsed(Exception):
    """A stage got through its command line to its settings or the params files."""


def parse(command: str, patch: pytest.MonkeyPatch) -> None:
    """Run a stage until it reads what it uses, on the command line with which dvc would start it."""
    words = command.split("/stages ")[1].split()
    module = importlib.import_module(f"stages.{words[0]}")

    def load(*_: object) -> None:
        raise Parsed

    for name in vars(module).copy():
        if name.startswith("load_") or name == "study_in":
            patch.setattr(module, name, load)
    for reader in (training_settings, runs):
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
            parse("python top/stages train_dae --encoder minilm_l6 --variant dae_ft" + wrong, monkeypatch)
    assert "--seed" in capsys.readouterr().err


def test_stages_are_started_by_path_in_the_same_words_in_every_study(resolved):
    """An experiment's copy of the repository runs its own code, and dvc's cache knows a training of another study."""
    for name, stages in resolved.items():
        for stage in stages:
            assert stage.cmd.startswith("python $(git rev-parse --show-toplevel)/stages "), stage
            inside = [item.def_path for item in (*stage.deps, *stage.outs) if stage.name != "resolve_settings"]
            assert not [path for path in inside if path.startswith(("..", "/")) or (name and name in path)], stage


def test_no_stage_depends_on_a_folder_outside_of_its_project(resolved):
    """dvc would see there what Python leaves beside code."""
    for name in filter(None, STUDIES):
        (first,) = (stage for stage in resolved[name] if stage.name == "resolve_settings")
        outside = [dep.def_path for dep in first.deps if dep.def_path.startswith("..")]
        assert outside and all((REPOSITORY / "studies" / name / path).is_file() for path in outside)


def test_no_two_stages_write_the_same_output(resolved):
    for stages in resolved.values():
        outputs = [str(output.fs_path) for stage in stages for output in stage.outs]
        assert sorted(set(outputs)) == sorted(outputs)


@pytest.mark.parametrize("module", COMMANDS)
def test_help_imports_nothing_heavy(module):
    command = [sys.executable, "-X", "importtime", "-m", module, "--help"]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and result.stdout.startswith("usage: ")
    packages = {line.rpartition("|")[2].split(".")[0].strip() for line in result.stderr.splitlines()}
    assert "argparse" in packages and not packages & HEAVY
    assert vars(importlib.import_module(module))["main"].__code__.co_argcount == 0


def test_weights_are_written_as_safetensors_only():
    for file in STAGES.rglob("*.py"):
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
