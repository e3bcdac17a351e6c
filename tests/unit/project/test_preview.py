"""What dvc would run, told before it does, and the state of every study."""

import functools
import hashlib
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_project
from ruamel.yaml import YAML
from small_project import (
    REPOSITORY,
    SHARED,
    STUDY,
    change,
    contents,
    make_pipelines,
    make_project,
    run_stage,
    run_stages,
)

from threephase.base import paths
from threephase.model.machine import choose_machine
from threephase.project.preview import (
    CACHE,
    NOT_HERE,
    NOT_KEPT,
    NOT_RUN,
    Run,
    differences,
    preview,
    preview_text,
    state_of,
)
from threephase.study import topology
from threephase.study.params import Study
from threephase.study.read_params import load_paper, load_study
from threephase.study.resolve import settings_of

LR_DAE = "hyperparameters.minilm_l6.lr_dae"
FIRST_ENCODERS = {"dae", "joint"}
BEHIND_PHASE_1 = {"three_phase", "extra_imbalance", "no_imbalance", "no_imbalance_equal_updates"}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(make_project(tmp_path))
    return tmp_path


@functools.cache
def graph() -> dict[str, tuple[list[str], list[str]]]:
    """What each stage of the small study reads and makes, by dvc's own reading of its pipeline."""
    from dvc.repo import Repo

    with Repo(".", uninitialized=True) as repo:
        return {
            stage.name: ([dep.def_path for dep in stage.deps], [out.def_path for out in stage.outs])
            for stage in repo.index.stages
            if stage.name != topology.RESOLVE
        }


def pretend_run(study: Study, edit: Callable[[str], str] = lambda text: text) -> None:
    """Leave settings, lock and outputs as dvc would, all empty; ``edit``: of a settings file's text."""
    md5s = {}
    for resolved in settings_of(study, choose_machine(study.shared.engine), load_paper()):
        file = paths.settings(study.folder, resolved.program, resolved.item)
        text = edit(resolved.as_text())
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        md5s[str(file)] = hashlib.md5(text.encode()).hexdigest()
    stages = {}
    for stage, (deps, outs) in graph().items():
        for out in map(Path, outs):
            out.parent.mkdir(parents=True, exist_ok=True)
            out.touch() if out.suffix else out.mkdir(exist_ok=True)
        reads = [{"path": dep, "md5": md5s.get(dep, "as it was")} for dep in deps]
        stages[stage] = {"deps": reads, "outs": [{"path": out, "md5": "as it was"} for out in outs]}
    for cell in topology.cells(study):
        for seed in study.params.seeds:
            paths.predictions(study.folder, *cell, seed).touch()
    YAML().dump({"schema": "2.0", "stages": stages}, study.folder / paths.LOCK)


def waiting() -> list[Run]:
    """The trainings that would run."""
    return [run for run in preview(load_study(), load_paper()) if run.training]


def others() -> dict[str, tuple[str, ...]]:
    """The reasons of the other stages."""
    return {run.stage: run.reasons for run in preview(load_study(), load_paper()) if not run.training}


def variants_of(runs, phase: str) -> set[str]:
    return {run.training.variant for run in runs if run.training.phase == phase}


def test_a_study_that_never_ran_says_how_many_trainings_it_has(project):
    before = contents(project)
    result = run_stage(project, "preview_run")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("small: never run here; dvc repro runs 30 trainings and 3 baselines.")
    assert contents(project) == before


def test_after_a_run_nothing_would_run_and_nothing_is_written(project):
    pretend_run(load_study())
    before = contents(project)
    result = run_stage(project, "preview_run")
    assert (result.returncode, result.stdout, result.stderr) == (0, "small: nothing would run\n", "")
    assert contents(project) == before
    assert state_of(load_study(), load_paper()) == "complete"


def test_a_changed_phase_1_retrains_what_starts_from_it(project):
    pretend_run(load_study())
    change(project, STUDY, {LR_DAE: 6e-5})
    direct = [run for run in waiting() if not run.follows]
    assert all(run.reasons[0] == "denoising.lr: 5e-05 -> 6e-05" for run in direct)
    assert variants_of(direct, topology.ENCODER_PHASE) == FIRST_ENCODERS and {run.seed for run in direct} == {0, 1}
    assert variants_of(direct, topology.CLASSIFIER_PHASE) == set()
    behind = [run for run in waiting() if run.follows]
    assert variants_of(behind, topology.ENCODER_PHASE) == BEHIND_PHASE_1
    assert variants_of(behind, topology.CLASSIFIER_PHASE) == BEHIND_PHASE_1 | {"dae_ft", "joint"}
    text = preview_text(load_study(), load_paper())
    assert text.startswith("small: dvc repro would run 24 of 30 trainings and 0 baselines.")
    assert "\ntrain_dae minilm_l6-dae, seeds 0, 1\n    denoising.lr: 5e-05 -> 6e-05\n" in text
    assert "\ntrain_joint minilm_l6-joint, seeds 0, 1\n    denoising.lr: 5e-05 -> 6e-05\n" in text
    assert "train_classifier_from_dae minilm_l6-dae_ft, seeds 0, 1\n    follows train_dae minilm_l6-dae\n" in text
    assert f"    {LR_DAE}: 5e-05 -> 6e-05" in text
    assert state_of(load_study(), load_paper()) == "stale: other settings of 4 trainings"


def test_a_changed_phase_3_retrains_classifiers_alone(project):
    pretend_run(load_study())
    change(project, SHARED, {"training.head_dropout": 0.25})
    runs = waiting()
    assert variants_of(runs, topology.CLASSIFIER_PHASE) == set(load_study().params.variants)
    assert {run.training.phase for run in runs} == {topology.CLASSIFIER_PHASE}
    assert {run.reasons for run in runs} == {("classifiers[0].head_dropout: 0.3 -> 0.25",)}


def test_a_changed_module_is_named_where_it_can_change_the_result(project):
    module = "threephase/phases/denoising.py"

    def other_checksum(text: str) -> str:
        return re.sub(f'("{module}": )"[0-9a-f]*"', r'\1"0"', text)

    pretend_run(load_study(), other_checksum)
    direct = [run for run in waiting() if not run.follows]
    assert {run.reasons for run in direct} == {(f"{module}: changed",)}
    assert variants_of(direct, topology.ENCODER_PHASE) == FIRST_ENCODERS and len(direct) == 4


def test_a_title_changes_pages_and_no_training(project):
    pretend_run(load_study())
    change(project, SHARED, {"variants.ft.title": "Plain fine-tuning"})
    assert not waiting() and "render_report" in others() and "split_data" not in others()
    assert 'variant_definitions.ft.title: "Fine-tuning" -> "Plain fine-tuning"' in others()["render_tables"]
    assert state_of(load_study(), load_paper()) == "complete, but tables and page are older"


def test_a_further_seed_trains_that_seed(project):
    pretend_run(load_study())
    change(project, STUDY, {"seeds": [0, 1, 2]})
    trained = [run for run in waiting() if run.seed is not None]
    assert {(run.seed, run.reasons) for run in trained} == {(2, NOT_RUN)} and len(trained) == 15
    baselines = [run for run in waiting() if run.seed is None]
    assert {run.reasons for run in baselines} == {("seeds: [0, 1] -> [0, 1, 2]",)}


def test_an_output_that_is_gone_and_a_study_that_is_partly_run(project):
    study = load_study()
    pretend_run(study)
    paths.predictions(study.folder, "minilm_l6", "ft", 1).unlink()
    assert state_of(study, load_paper()) == "not finished: 29 of 30 trainings and 3 of 3 baselines"
    (run,) = waiting()
    assert (run.training.variant, run.seed, run.reasons) == ("ft", 1, NOT_HERE)
    shutil.rmtree("runs/predictions")
    Path(paths.LOCK).unlink()  # it is written at the end of a run
    assert state_of(study, load_paper()) == "not finished: 14 of 30 trainings and 0 of 3 baselines"
    shutil.rmtree("runs")
    assert state_of(study, load_paper()) == "never run"


def test_a_broken_off_first_run_tells_what_is_done_and_nothing_of_the_run_behind_the_lock_in_git(project):
    study, yaml = load_study(), YAML(typ="safe")
    lock = study.folder / paths.LOCK
    pretend_run(study, lambda text: f"{text} ")  # on another machine, of a seed more
    theirs = yaml.load(lock)["stages"]
    theirs["split_data@2"] = theirs["split_data@1"]
    pretend_run(study)
    done = {"train_dae@minilm_l6-dae-0", "train_baselines@majority"}
    ours = {
        name: stage
        for name, stage in yaml.load(lock)["stages"].items()
        if name in done or name.partition("@")[0] in topology.DATA_STAGES
    }
    for out in [Path(out) for name, (_, outs) in graph().items() if name not in ours for out in outs]:
        shutil.rmtree(out) if out.is_dir() else out.unlink()
    yaml.dump({"schema": "2.0", "stages": theirs | ours}, lock)
    assert state_of(study, load_paper()) == "not finished: 1 of 30 trainings and 1 of 3 baselines"
    assert {run.reasons for run in preview(study, load_paper())} == {NOT_HERE}
    text = preview_text(study, load_paper())
    assert text.startswith("small: not finished; dvc repro would run 29 of 30 trainings and 2 baselines.")
    assert "split_data" not in text


def test_encoders_that_were_taken_away_to_save_space_leave_a_study_complete(project):
    pretend_run(load_study())
    shutil.rmtree("runs/encoders")
    assert state_of(load_study(), load_paper()) == "complete"
    assert {run.reasons for run in waiting() if run.training.phase == topology.ENCODER_PHASE} == {NOT_HERE}


def test_other_rows_lead_to_every_training(project):
    pretend_run(load_study())
    change(project, STUDY, {"validation_share": 0.3})
    assert others()["split_data"] == ("validation_share: 0.125 -> 0.3",)
    assert all(run.follows and "split_data" in run.reasons[0] for run in waiting()) and len(waiting()) == 33
    assert state_of(load_study(), load_paper()) == "stale: data, splits or encoder have other settings"


def test_the_settings_of_the_last_run_are_taken_from_the_cache_where_newer_ones_lie_in_the_folder(project):
    pretend_run(load_study())
    before = paths.settings(Path(), "train_dae", "minilm_l6-dae").read_bytes()
    change(project, STUDY, {LR_DAE: 6e-5})
    # A run that was broken off right behind resolve_settings.
    run_stages(project, "resolve_settings")
    (reasons,) = {run.reasons for run in waiting() if run.training.stage == "train_dae"}
    assert reasons == NOT_KEPT
    md5 = hashlib.md5(before).hexdigest()
    (CACHE / md5[:2]).mkdir(parents=True)
    (CACHE / md5[:2] / md5[2:]).write_bytes(before)
    (reasons,) = {run.reasons for run in waiting() if run.training.stage == "train_dae"}
    assert reasons == ("denoising.lr: 5e-05 -> 6e-05",)


def test_keys_and_files_that_one_side_lacks_are_told():
    first = {"settings": {"a": {"b": 1}, "c": [{"d": 1}]}, "files": {"x.py": "1", "y.py": "1"}}
    second = {"settings": {"a": {"b": 1}, "c": [{"d": 2}], "e": "long " * 30}, "files": {"y.py": "2", "z.py": "1"}}
    lines = differences(first, second)
    assert lines[0] == "c[0].d: 1 -> 2" and lines[1].startswith('e: (none) -> "long long') and len(lines[1]) < 80
    assert lines[2:] == ["x.py: no longer read", "y.py: changed", "z.py: now read"]


def test_a_training_whose_start_was_made_anew_alone_waits(project):
    study = load_study()
    pretend_run(study)
    lock = study.folder / paths.LOCK
    content = YAML(typ="safe").load(lock)
    encoder = "runs/encoders/minilm_l6-three_phase/0"
    content["stages"]["train_contrastive@minilm_l6-three_phase-0"]["outs"][0] = {"path": encoder, "md5": "new"}
    YAML().dump(content, lock)
    first, *behind = [run for run in waiting() if run.training.phase == topology.CLASSIFIER_PHASE]
    assert (first.training.variant, first.training.phase, first.seed) == ("three_phase", "classifier", 0)
    assert first.reasons == ("follows train_contrastive minilm_l6-three_phase",) and first.follows
    # Those that may take its results over.
    assert {run.seed for run in behind} == {0}
    assert state_of(study, load_paper()).endswith(" trainings start from was made anew")
    for stage in content["stages"].values():
        for dep in stage["deps"]:
            dep["md5"] = "new" if dep["path"] == encoder else dep["md5"]
    YAML().dump(content, lock)
    assert not waiting() and state_of(study, load_paper()) == "complete"


def test_all_studies_are_listed_without_dvc_and_without_what_is_slow_to_import(project):
    folder = project / "studies/cut"
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text("base: small\nprotocol: clip_gradient\nseeds: [0]\nbaselines: []\n")
    make_pipelines(project)
    pretend_run(load_study())
    (project / "studies/bad").mkdir()
    (project / "studies/bad/params.yaml").write_text("base: small\nseeds: 0\n")
    result = run_stage(project, "list_studies")
    assert (result.returncode, result.stderr) == (0, "")
    assert "broken: studies/bad/params.yaml: seeds: got 0, expected a list, each entry a whole" in result.stdout
    lines = [re.split(r"\s{2,}", line.strip()) for line in result.stdout.splitlines()]
    assert lines[0] == ["study", "data set", "encoders", "protocol", "trainings", "state"]
    assert lines[2] == ["small", "small", "minilm_l6", "described", "30", "complete"]
    assert lines[4] == ["cut", "small", "minilm_l6", "clip_gradient", "15", "never run"]
    code = "import runpy, sys; runpy.run_module('commands.list_studies', run_name='__main__'); print(*sys.modules)"
    modules = tiny_project.run(project, sys.executable, "-c", code, PYTHONPATH=str(REPOSITORY)).splitlines()[-1].split()
    assert "threephase.project.preview" in modules and not {"dvc", "torch", "pandas", "numpy"} & {*modules}


def test_dvc_then_runs_what_was_told_and_nothing_else(study, tmp_path):
    root = study.copy(tmp_path / "project")
    assert tiny_project.run(root, sys.executable, "-m", "commands.preview_run") == "bbc: nothing would run\n"
    rates = {name: 1e-2 for name in load_study_of(root).params.variants} | {"three_phase": 2e-2}
    change(root, tiny_project.STUDY, {f"hyperparameters.{tiny_project.ENCODER}.lr_classifier": rates})
    told = tiny_project.run(root, sys.executable, "-m", "commands.preview_run")
    named = re.findall(r"^(train_\w+) (\S+), seeds 0, 1$", told, flags=re.MULTILINE)
    output = tiny_project.run(root, "dvc", "repro")
    ran = re.findall(r"Running stage '(train_\w+)@(\S+)-[01]'", output)
    assert "train_classifier minilm_l6-three_phase" in told and sorted(named) == sorted(set(ran))
    assert tiny_project.run(root, sys.executable, "-m", "commands.preview_run") == "bbc: nothing would run\n"


def load_study_of(root: Path) -> Study:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return load_study()
