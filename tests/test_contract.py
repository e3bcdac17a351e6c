"""What the pipelines promise: what a stage imports is what it depends on, and every command line is one it takes."""

import ast
import functools
import graphlib
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from tiny_project import REPOSITORY, copy_project, environment, run

STAGES = REPOSITORY / "stages"
PIPELINES = ("dvc.yaml", "encoders/dvc.yaml", "data/pipeline.yaml", "benchmarks/pipeline.yaml", "paper/dvc.yaml")
LIBRARIES = ("analysis", "audit", "engine", "pages", "scores")
PACKAGES = {"stages", "stages.common", *(f"stages.common.{name}" for name in LIBRARIES)}
# Modules that a stage may import without depending on them, because no result changes with them.
PLUMBING = {
    **dict.fromkeys(PACKAGES, "a docstring"),
    "stages.common.errors": "how a refusal is printed",
    "stages.common.lifetime": "when a stage's process ends",
    "stages.common.schema": "which parameters are refused",
    "stages.common.settings": "the parameters' names and bounds; dvc compares the values themselves",
    "stages.common.paper_settings": "the same of paper/params.yaml",
    "stages.common.source_settings": "the same for data sets and encoders",
    "stages.common.config": "reads the parameters; dvc compares the values themselves",
    "stages.common.paths": "where files lie; the pipeline names the same places, and dvc misses an output elsewhere",
    "stages.common.files": "writes a file whole or not at all, whatever it holds",
    "stages.common.provenance": "facts of a run for its report, on which no stage depends",
}
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
LINES, LINES_OF_PIPELINE = 310, 400
GENERATED = (
    "requirements.txt",
    "*.lock",
    "data/*/dvc.yaml",
    "benchmarks/*/dvc.yaml",
    "paper/dvc.yaml",
    "reports/*/*",
    "reports/published/*/*",
    "reports/published/*/*/*",
    "*.csv",
)


def module_file(module: str) -> Path | None:
    """The file of a module of the project, None for any other."""
    path = REPOSITORY.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def dependency_of(module: str) -> str:
    """What a stage that imports the module depends on: its package's folder, or its own file."""
    file = module_file(module).relative_to(REPOSITORY)
    return str(file if file.parent in (Path("stages"), Path("stages/common")) else file.parent)


MODULES = sorted(
    ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
    for file in STAGES.rglob("*.py")
)
COMMANDS = [name for name in MODULES if name.count(".") == 1 and name != "stages.common"]


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
    """The module and all that it imports, directly or not."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(imports(name))
    return found


def read_stages(file: str) -> dict[str, dict]:
    """The stages of a pipeline as they are written, templates not filled in."""
    stages = YAML(typ="safe").load(REPOSITORY / file)["stages"]
    return {name: stage.get("do", stage) for name, stage in stages.items()}


WRITTEN = [pytest.param(stage, id=name) for file in PIPELINES for name, stage in read_stages(file).items()]


def module_of(command: str) -> str:
    return re.match(r"python -m (stages\.\w+)( |$)", command)[1]


@pytest.mark.parametrize("stage", WRITTEN)
def test_a_stage_depends_on_exactly_the_modules_it_imports(stage):
    module = module_of(stage["cmd"])
    imported = {dependency_of(name) for name in reachable(module) - set(PLUMBING)}
    listed = [str(dependency) for dependency in stage["deps"]]
    code = {dependency for dependency in listed if dependency.startswith("stages/")}
    assert len(set(listed)) == len(listed), f"{module}: a dependency is listed twice: {listed}"
    # What lies beside the modules (templates) is a dependency of who names it.
    folders = {folder.name for folder in STAGES.iterdir() if folder.is_dir()} - {"common", "__pycache__"}
    words = {
        word.value
        for name in reachable(module)
        for word in ast.walk(ast.parse(module_file(name).read_text(encoding="utf-8")))
        if isinstance(word, ast.Constant) and isinstance(word.value, str)
    }
    used = {f"stages/{folder}" for folder in folders if any(folder in Path(word).parts for word in words)}
    assert not (imported | used) - code, f"{module} uses what is not in its deps"
    assert not code - (imported | used), f"{module} has in its deps what it does not use"


def test_plumbing_imports_nothing_that_a_stage_would_have_to_depend_on():
    for module in PLUMBING:
        assert imports(module) <= set(PLUMBING), f"{module} is no plumbing: it imports {imports(module)}"


def test_no_import_cycle_and_no_stage_imports_another():
    for module in MODULES:
        assert not imports(module) & (set(COMMANDS) - {module}), f"{module} imports a stage"
    # A package's own name in "from stages.common import paths" is no import of what the package holds.
    graph = {module: imports(module) - PACKAGES for module in MODULES}
    graphlib.TopologicalSorter(graph).prepare()


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    """The stages of all pipelines with every template filled in, as dvc itself does it."""
    root = copy_project(tmp_path_factory.mktemp("contract") / "project")
    run(root, "git", "init", "--quiet")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(root).items():
            patch.setenv(name, value)
        from dvc.repo import Repo

        with Repo(str(root)) as repo:
            yield list(repo.index.stages)


class Parsed(Exception):
    """A stage got through its command line to the params files."""


def parse(command: str, patch: pytest.MonkeyPatch) -> None:
    """Run a stage until it reads params, on ``python -m stages.x ...`` as dvc would start it."""
    module = importlib.import_module(module_of(command))

    def load(*_: object) -> None:
        raise Parsed

    for name in vars(module).copy():
        if name.startswith("load_"):
            patch.setattr(module, name, load)
    patch.setattr(sys, "argv", ["stage", *command.split()[3:]])
    module.main()


def test_every_command_line_is_one_that_its_stage_takes(resolved, monkeypatch):
    assert len(resolved) > 50
    for stage in resolved:
        with pytest.raises(Parsed):
            parse(stage.cmd, monkeypatch)


def test_a_command_line_that_a_stage_does_not_take_would_be_noticed(monkeypatch, capsys):
    for wrong in (" --sed 0", "", " --seed zero"):
        with pytest.raises(SystemExit):
            parse("python -m stages.train_dae --benchmark bbc --encoder minilm_l6" + wrong, monkeypatch)
    assert "--seed" in capsys.readouterr().err


def test_every_parameter_of_a_stage_exists(resolved):
    from dvc.dependency.param import ParamsDependency

    params = [(stage, one) for stage in resolved for one in stage.deps if isinstance(one, ParamsDependency)]
    assert len(params) > len(resolved)
    for stage, one in params:
        missing = set(one.params) - set(one.read_params())
        assert not missing, f"{stage.addressing}: {one.def_path}: {missing}"


def test_no_two_stages_write_the_same_output(resolved):
    outputs = [str(output.fs_path) for stage in resolved for output in stage.outs]
    assert sorted(set(outputs)) == sorted(outputs)


def test_copies_of_the_pipelines_are_identical():
    for root in ("data", "benchmarks"):
        pipeline = (REPOSITORY / root / "pipeline.yaml").read_bytes()
        copies = [file.with_name("dvc.yaml") for file in (REPOSITORY / root).glob("*/params.yaml")]
        assert copies
        assert [str(copy) for copy in copies if copy.read_bytes() != pipeline] == [], "run make pipelines"


def test_no_key_stands_in_the_shared_and_in_a_benchmarks_params_file():
    shared = set(YAML(typ="safe").load(REPOSITORY / "params.yaml"))
    for file in (REPOSITORY / "benchmarks").glob("*/params.yaml"):
        assert not shared & set(YAML(typ="safe").load(file)), file


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
            limit = LINES_OF_PIPELINE if file.name == "pipeline.yaml" else LINES
            assert len(file.read_text(encoding="utf-8").splitlines()) <= limit, name
