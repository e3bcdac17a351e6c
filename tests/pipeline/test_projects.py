"""A study as a DVC project of its own: its generated files, its base, and what it takes from another study's runs."""

import contextlib
import re
import shutil
import sys
from pathlib import Path

import pytest
from small_project import REPOSITORY, change, error_line, make_project, run_stage
from tiny_project import ENCODER, SEEDS, STUDY, commit, contents, make_pipelines, make_tiny_project, read, run

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.project.project import project_files
from threephase.report.finished import finished_published
from threephase.report.page import render_page
from threephase.results.costs import FROM_CACHE
from threephase.study.read_params import base_files, load_published, load_studies, load_study
from threephase.study.topology import cells

CACHED, RUNNING = r"Stage '(.*)' is cached - skipping run", r"Running stage '(.*)':"
OTHER = "base: bbc\nseeds: [0, 1]\nvariants: [three_phase, ft]\nbaselines: [majority]\ndraw_encoders: false\n"


def write_study(root: Path, name: str, params: str) -> None:
    (root / "studies" / name).mkdir(parents=True)
    (root / "studies" / name / STUDY).write_text(params, encoding="utf-8")


def test_every_generated_file_in_git_is_the_one_that_the_params_give():
    with contextlib.chdir(REPOSITORY):
        studies = load_studies()
        assert len(studies) > 20
        for study in studies.values():
            generated = project_files(study)
            for file, text in generated.items():
                assert file.is_file() and file.read_text(encoding="utf-8") == text, f"{file}: run make pipelines"
            if study.folder != Path():
                command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", str(study.folder))
                # What a run of the study leaves besides is the user's.
                left = (
                    str(paths.reports(study.folder)),
                    *(str(study.folder / name) for name in (paths.RESOLVED, paths.LOCK)),
                )
                own = {file for file in run(REPOSITORY, *command).split() if not file.startswith(left)}
                assert own == {*map(str, generated), str(study.file)}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A small project in which a test may write studies."""
    monkeypatch.chdir(tmp_path)
    return make_project(tmp_path)


def test_a_study_has_the_keys_of_its_base_with_its_own_over_them(project):
    write_study(project, "large", "base: small\nseeds: [3]\nhyperparameters: {minilm_l6: {lr_dae: 0.5}}\n")
    write_study(project, "larger", "base: large\nseeds: [4]\nvariants: [ft]\n")
    small, large, larger = (load_study(name).params for name in ("", "large", "larger"))
    assert (small.name, large.name, larger.name) == ("small", "large", "larger")
    assert (large.seeds, larger.seeds) == ([3], [4]) and large.variants == small.variants
    first, second, third = (study.hyperparameters["minilm_l6"] for study in (small, large, larger))
    # A mapping's keys one by one: what the study does not say is its base's.
    assert first.lr_dae != second.lr_dae == third.lr_dae == 0.5 and first.epochs_dae == second.epochs_dae
    assert larger.variants == ["ft"] and larger.validation_share == small.validation_share
    assert base_files("larger") == [Path("studies/large/params.yaml"), Path("params.yaml")]
    assert base_files("small") == []


def test_of_a_base_with_two_encoders_only_those_that_are_run_are_taken(project):
    settings = load_study().params.hyperparameters["minilm_l6"]
    change(
        project, STUDY, {"encoders": ["minilm_l6", "minilm_l12"], "variants": {"minilm_l6": ["ft"], "minilm_l12": []}}
    )
    change(project, STUDY, {"hyperparameters.minilm_l12": {**vars(settings), "lr_dae": 0.25}})
    write_study(project, "one", "base: small\nseeds: [0]\nencoders: [minilm_l12]\nvariants: [joint]\n")
    write_study(project, "same", "base: small\nseeds: [0]\nencoders: [minilm_l12]\nbaselines: [majority]\n")
    own, same = load_study("one").params, load_study("same").params
    assert list(own.hyperparameters) == list(same.hyperparameters) == ["minilm_l12"]
    assert own.hyperparameters["minilm_l12"].lr_dae == 0.25
    assert own.variants == ["joint"] and same.variants == {"minilm_l12": []}


@pytest.mark.parametrize(
    ("studies", "said"),
    [
        (
            {"one": "base: two", "two": "base: one"},
            "studies/two/params.yaml: base: got 'one', which itself builds on 'two'",
        ),
        ({"one": "base: one"}, "studies/one/params.yaml: base: got 'one', which itself builds on 'one'; expected no"),
        ({"one": "base: three"}, "studies/one/params.yaml: base: got 'three', expected one of: small, one"),
        (
            {"one": "base: small\nname: two"},
            "studies/one/params.yaml: name: got 'two', expected the folder's name 'one'",
        ),
        (
            {"small": "base: one", "one": ""},
            "studies/small: got the default study's name (params.yaml), expected another",
        ),
    ],
    ids=["circle", "itself", "unknown", "name", "default"],
)
def test_a_base_that_leads_nowhere_is_refused(project, studies, said):
    for name, params in studies.items():
        write_study(project, name, f"seeds: [0]\n{params}\n")
    with pytest.raises(UserError) as refused:
        load_study("one")
    assert str(refused.value).startswith(said)
    assert error_line(run_stage(project, "check_studies", "--study", "one")).startswith(said)
    # It stops no other study, but for a name that two have.
    if "small" not in studies:
        result = run_stage(project, "check_studies")
        assert result.returncode == 0 and f"warning: another study is broken: {said}" in result.stderr


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory) -> tuple[Path, str]:
    """The finished default study and one beside it that differs in phase 3 only; what dvc said of that one."""
    root = study.copy(tmp_path_factory.mktemp("projects") / "project")
    rate = f"hyperparameters: {{{ENCODER}: {{lr_classifier: 2.0e-2}}}}\n"
    write_study(root, "other", OTHER + rate)
    make_pipelines(root)
    commit(root)
    return root, run(root, "dvc", "--cd", "studies/other", "repro")


@pytest.fixture
def finished_copy(finished, tmp_path) -> Path:
    """The same projects, for a test that changes them."""
    return shutil.copytree(finished[0], tmp_path / "project", symlinks=True)


def trainings_in(stages: list[str]) -> set[str]:
    return {name for name in stages if name.startswith("train_")}


def test_a_study_that_differs_in_phase_3_takes_the_rest_from_the_cache(finished):
    root, output = finished
    ran, cached = re.findall(RUNNING, output), re.findall(CACHED, output)
    both = ("three_phase", "ft")
    stages = dict(zip(both, ("train_classifier", "train_classifier_from_pretrained"), strict=True))
    assert trainings_in(ran) == {f"{stages[variant]}@{ENCODER}-{variant}-{seed}" for variant in both for seed in SEEDS}
    encoders = {"train_dae": "dae", "train_contrastive": "three_phase"}
    assert trainings_in(cached) == {
        *(f"{stage}@{ENCODER}-{variant}-{seed}" for stage, variant in encoders.items() for seed in SEEDS),
        "train_baselines@majority",
    }
    shared = {"fetch_data", "prepare_data", f"fetch_encoder@{ENCODER}", *(f"split_data@{seed}" for seed in SEEDS)}
    assert shared <= set(cached)
    for folder in ("data", "pretrained", "splits", f"encoders/{ENCODER}-three_phase"):
        assert contents(root / "studies/other/runs" / folder) == contents(root / "runs" / folder), folder
    # dvc wrote nothing into what git keeps of the study, and each study has results of its own.
    left = {f"?? studies/other/{name}" for name in ("dvc.lock", "reports/", "resolved.yaml")}
    assert set(run(root, "git", "status", "--porcelain").splitlines()) == left
    assert read(root, "studies/other/reports/results.csv") != read(root, "reports/results.csv")
    assert "Data and pipelines are up to date." in run(root, "dvc", "repro")


def test_a_restored_training_says_that_it_was_not_timed_here(finished):
    root, _ = finished
    run(root, sys.executable, "-m", "commands.render_costs", "--study", "other")
    page = read(root, "studies/other/reports/costs.html")
    # Once in general; of the trainings two encoders and a baseline, a seed each.
    assert page.count(FROM_CACHE) == 1 + 3 * len(SEEDS)
    assert not (root / "studies/other/runs/reports" / f"{ENCODER}-dae").exists()
    own = contents(root / "studies/other/runs/reports")
    # A command that is no stage leaves code of its own beside that of the stages; that changes nothing.
    assert "Data and pipelines are up to date." in run(root, "dvc", "--cd", "studies/other", "repro")
    assert set(own) == {
        f"{ENCODER}-{variant}/{seed}-classifier.json" for variant in ("three_phase", "ft") for seed in SEEDS
    }


def test_the_same_trainings_as_the_default_study_all_come_from_the_cache(finished_copy):
    root = finished_copy
    write_study(root, "same", OTHER)
    make_pipelines(root)
    output = run(root, "dvc", "--cd", "studies/same", "repro")
    assert trainings_in(re.findall(RUNNING, output)) == set()
    for cell in (f"{ENCODER}-three_phase", f"{ENCODER}-ft", "majority"):
        folder = f"runs/predictions/{cell}"
        assert contents(root / "studies/same" / folder) == contents(root / folder)
    # The default study has it from a study in the same way.
    forgotten = [*(f"runs/{name}" for name in ("predictions", "encoders", "histories", "vectors")), "dvc.lock"]
    for name in forgotten:
        shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()
    output = run(root, "dvc", "repro", f"summarize_cell@{ENCODER}-three_phase")
    assert trainings_in(re.findall(RUNNING, output)) == set()


@pytest.mark.parametrize(
    "params",
    [
        "variants: [ft]\nbaselines: []\ndraw_encoders: true\n",
        "variants: []\nbaselines: [tfidf_logistic, embedding_logistic]\ndraw_encoders: true\n",
    ],
    ids=["ft", "baselines"],
)
def test_a_study_that_trains_no_encoder_is_complete_and_can_be_published(finished_copy, params, request):
    root, name = finished_copy, request.node.callspec.id
    write_study(root, name, f"base: bbc\nseeds: [0, 1]\n{params}")
    make_pipelines(root)
    output = run(root, "dvc", "--cd", f"studies/{name}", "repro")
    assert trainings_in(re.findall(RUNNING, output)) == set()
    assert "complete" in run(root, sys.executable, "-m", "commands.check_results", "--study", name)
    assert (root / f"studies/{name}/reports/pictures/representations-{ENCODER}/representations.csv").is_file()
    run(root, sys.executable, "-m", "commands.publish_results", "--study", name)
    with contextlib.chdir(root):
        kept = {finished.name: finished for finished in finished_published(load_published())}[name]
        page = render_page(kept, texts=False, with_costs=True)
    titles = {kept.study.title(variant) for _, variant in cells(kept.study)}
    assert titles and all(title in page for title in titles)
    assert ("This study trains no variant." in page) == (not kept.study.params.trained())
    assert set(kept.results["variant"]) == {variant for _, variant in cells(kept.study)}


@pytest.mark.parametrize("where", [(), ("--cd", "studies/other")], ids=["default", "other"])
@pytest.mark.parametrize("change", ["variants=[ft]", "baselines=[majority,tfidf_logistic]", "++encoders=[minilm_l12]"])
def test_a_setting_of_an_experiment_that_the_pipeline_does_not_fit_is_refused(finished_copy, where, change):
    root = finished_copy
    output = run(root, "dvc", *where, "exp", "run", "-S", change, "resolve_settings", expected=255)
    errors = [line for line in output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "Traceback" not in output
    folder = f"{where[1]}/" if where else ""
    expected = f"error: {folder}dvc.yaml: got another pipeline than {folder}params.yaml asks for"
    if "encoders" in change:
        expected = (
            f"error: {folder}params.yaml: hyperparameters: got none for the encoder 'minilm_l12', only for: minilm_l6"
        )
    assert errors[0].startswith(expected)


def test_a_second_run_with_the_same_results_changes_nothing_in_git(tmp_path):
    """The lock is the proof: what two runs may differ in is no output of dvc."""
    root = make_tiny_project(tmp_path / "project")
    change(root, STUDY, {"seeds": [0], "variants": ["three_phase", "joint", "ft"], "baselines": ["majority"]})
    make_pipelines(root)
    run(root, "dvc", "repro")
    commit(root)
    first = contents(root / "runs")
    for folder in ("runs", ".dvc/cache", ".dvc/tmp", "reports/tables", "reports/pictures"):
        shutil.rmtree(root / folder)
    again = run(root, "dvc", "repro", "--force")
    assert "is cached" not in again and f"train_joint@{ENCODER}-joint-0" in re.findall(RUNNING, again)
    assert run(root, "git", "status", "--porcelain") == ""
    second = contents(root / "runs")
    # What may differ lies beside the outputs, and does: seconds to the millisecond.
    differing = {name for name in first if first[name] != second[name]}
    assert set(first) == set(second) and differing and all(name.startswith("reports/") for name in differing)
