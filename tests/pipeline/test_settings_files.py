"""The settings of each stage: exactly those of its readers change with a key, and only its own code's with an edit."""

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from small_project import CODE, ENCODER, REPOSITORY, SHARED, STUDY, change, make_project, run_stages

from threephase.base import paths
from threephase.study import closure, resolve, topology
from threephase.study.read_params import load_paper, load_studies, load_study
from threephase.study.settings import BaselineSettings, Machine, TrainingSettings, read_settings

MACHINE = Machine("cpu", "fp32", 1)
OF = "hyperparameters.minilm_l6"
ABLATIONS = ("extra_imbalance", "no_imbalance", "no_imbalance_equal_updates")
VARIANTS = ("three_phase", "joint", "dae_ft", "cl_ft", *ABLATIONS, "ft")
# What shows the study: it has the complete settings.
SHOWN = {
    "collect_results", "render_tables", "render_report", "render_summary",
    "render_representations-minilm_l6",
}  # fmt: skip
PHASE_1 = {"train_dae-minilm_l6-dae", "train_joint-minilm_l6-joint"}
PHASE_2 = {f"train_contrastive-minilm_l6-{variant}" for variant in ("three_phase", "cl_ft", *ABLATIONS)}
PHASE_3 = {f"train_classifier-minilm_l6-{variant}" for variant in VARIANTS}
EMBEDDED, PLAIN = (
    "train_baselines-minilm_l6-embedding_logistic",
    {"train_baselines-majority", "train_baselines-tfidf_logistic"},
)
SUMMARIES = {f"summarize_cell-minilm_l6-{name}" for name in (*VARIANTS, "embedding_logistic")} | {
    "summarize_cell-majority", "summarize_cell-tfidf_logistic",
}  # fmt: skip
# A key, its other value, and every stage that reads it besides those that show it.
READERS = [
    (STUDY, f"{OF}.lr_classifier.joint", 3e-4, {"train_classifier-minilm_l6-joint"}),
    (STUDY, f"{OF}.lr_dae", 1e-4, PHASE_1),
    (STUDY, f"{OF}.deletion_ratio", 0.5, PHASE_1),
    (STUDY, f"{OF}.lr_contrastive", 1e-4, PHASE_2),
    (STUDY, f"{OF}.epochs_contrastive", 3, PHASE_2 | {"train_joint-minilm_l6-joint"}),
    (STUDY, f"{OF}.max_epochs_classifier", 9, PHASE_3),
    (STUDY, f"{OF}.max_length", 40, PHASE_1 | PHASE_2 | PHASE_3 | {EMBEDDED}),
    (STUDY, "seeds", [0], {EMBEDDED, *PLAIN} | SUMMARIES),
    (STUDY, "validation_share", 0.25, {"split_data"}),
    (STUDY, "reproduces_paper", True, set()),
    (SHARED, "training.head_dropout", 0.2, PHASE_3),
    (SHARED, "training.warmup_joint", 0.2, {"train_joint-minilm_l6-joint"}),
    (SHARED, "imbalance.extra.max_ratio", 12, {"split_data", "run_audit"}),
    (SHARED, "variants.three_phase.title", "Three", set()),
    (SHARED, "statistics.confidence", 0.9, SUMMARIES),
    (SHARED, "engine.threads", 3, PHASE_1 | PHASE_2 | PHASE_3 | {EMBEDDED}),
    (SHARED, "baseline_inverse_regularization", [1.0], {EMBEDDED, *PLAIN}),
    (SHARED, "sources.order", ["folder"], {"fetch_data", "prepare_data", "fetch_encoder-minilm_l6"}),
    (SHARED, "protocols.described.head_activation", "none", PHASE_3),
    (ENCODER, "title", "MiniLM", set()),
    (ENCODER, "pooling", "cls", PHASE_1 | PHASE_2 | PHASE_3 | {EMBEDDED, "fetch_encoder-minilm_l6"}),
]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A small project whose code is a copy that a test may edit."""
    make_project(tmp_path)
    for folder in CODE:
        (tmp_path / folder).unlink()
        shutil.copytree(REPOSITORY / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    forget_code()


def forget_code() -> None:
    for known in (closure._checksum, closure._imports):
        known.cache_clear()


def settings(threads: int = 1) -> dict[str, str]:
    """The text of every settings file of the project in the working directory, by its name."""
    forget_code()
    machine = Machine("cpu", "fp32", threads)
    settings_read = resolve.settings_of(load_study(), machine, load_paper())
    return {
        "-".join(filter(None, [resolved.program, resolved.item])): json.dumps(resolved.as_json())
        for resolved in settings_read
    }


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert set(before) == set(after)
    return {name for name in before if before[name] != after[name]}


@pytest.mark.parametrize(("file", "key", "value", "readers"), READERS, ids=[key for _, key, _, _ in READERS])
def test_exactly_the_readers_of_a_key_run_again(project, file, key, value, readers):
    before = settings()
    change(project, file, {key: value})
    after = settings(3 if key == "engine.threads" else 1)
    # A source's own definition says nothing that is shown but its title.
    assert changed(before, after) == readers | SHOWN


def test_what_differs_from_the_paper_is_shown_with_every_protocol(project):
    before = settings()
    change(project, SHARED, {"protocols.released.stopping": "patience"})
    assert changed(before, settings()) == {"render_report"}


def test_a_new_variant_runs_no_training_again(project):
    before = settings()
    new = {"title": "A new one", "encoder_from": "train_contrastive", "recipe": None, "imbalance": "none"}
    change(project, SHARED, {"variants.another": new})
    assert {
        name for name in changed(before, settings()) if name.startswith(("train_", "summarize_", "split_"))
    } == set()


def test_an_edit_of_a_method_runs_that_method_again_and_no_other(project):
    change(project, STUDY, {"variants": [*VARIANTS, "supcon"], f"{OF}.lr_classifier": 1e-3})
    before = settings()
    append(project / "threephase/methods/supcon.py", "\n# A changed line.\n")
    assert changed(before, settings()) == {"train_method-minilm_l6-supcon"}
    append(project / "threephase/phases/labelled_texts.py", "\n# A changed line.\n")
    change(project, SHARED, {"methods.supcon.settings.temperature": 0.2})
    trainings = {name for name in changed(before, settings()) if name.startswith(("train_", "summarize_"))}
    assert trainings == {"train_method-minilm_l6-supcon"}
    assert changed(before, settings()) == trainings | SHOWN
    change(project, STUDY, {f"{OF}.lr_contrastive": 1e-4})
    assert changed(before, settings()) == PHASE_2 | trainings | SHOWN


def test_of_phase_1_a_method_runs_again_for_what_it_reads(project):
    """Of its own schedule another learning rate of phase 1 is no part; the noise is."""
    change(project, STUDY, {"variants": [*VARIANTS, "supcon", "joint_with_ce"], f"{OF}.lr_classifier": 1e-3})
    before = settings()
    change(project, STUDY, {f"{OF}.lr_dae": 7e-4})
    assert not any(name.startswith("train_method-") for name in changed(before, settings()))
    change(project, STUDY, {f"{OF}.deletion_ratio": 0.3})
    methods = {name for name in changed(before, settings()) if name.startswith("train_method-")}
    assert methods == {"train_method-minilm_l6-joint_with_ce"}


def test_a_new_method_changes_no_settings_of_another_study(project):
    before = settings()
    entry = {"title": "A", "file": "supcon", "makes": ["encoder"], "reads": ["dae"], "recipe": None, "settings": {}}
    change(project, SHARED, {"methods.another": entry})
    # What shows a study knows the titles of all variants.
    assert changed(before, settings()) <= SHOWN


def test_a_hidden_file_in_the_reader_s_folder_fetches_nothing_again(project):
    Path("texts/x").mkdir(parents=True)
    Path("texts/x/1.txt").write_text("a")
    fetching = resolve.Resolved(topology.FETCH, "", {}, own_files=[Path("texts")])
    before = fetching.as_text()
    Path("texts/x/.DS_Store").write_text("b")
    assert fetching.as_text() == before
    Path("texts/x/2.txt").write_text("b")
    assert fetching.as_text() != before


def append(file: Path, text: str) -> None:
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")


@pytest.mark.parametrize(
    ("module", "readers"),
    [
        ("threephase/base/errors.py", set()),
        # Titles and commands, which reports print.
        ("threephase/study/params.py", SHOWN),
        ("threephase/study/topology.py", SHOWN),
        # Updates are counted by them: of how many candidates of phase 3.
        ("threephase/study/rules.py", SHOWN - {"render_tables"}),
        ("threephase/study/resolve.py", set()),
        ("threephase/report/page.py", {"render_report"}),
        # The summary of a study on own texts begins as its page does.
        ("threephase/report/judged.py", {"render_report", "render_summary"}),
        ("threephase/results/curves.py", {"collect_results", "render_report", "render_summary"}),
        ("threephase/data/splits.py", {"split_data"}),
        ("threephase/phases/denoising.py", PHASE_1),
        ("threephase/phases/classifier.py", PHASE_3),
        ("stages/train_contrastive.py", PHASE_2),
        ("threephase/report/templates/report.css", {"render_report"}),
    ],
)
def test_exactly_who_uses_a_module_runs_again_for_an_edit_of_it(project, module, readers):
    before = settings()
    append(project / module, "\n# A changed comment.\n" if module.endswith("py") else "\n")
    assert changed(before, settings()) == readers


def test_every_training_runs_again_for_another_engine(project):
    before = settings()
    append(project / "threephase/model/transformer.py", "\n# A changed line.\n")
    assert changed(before, settings()) == PHASE_1 | PHASE_2 | PHASE_3 | {EMBEDDED, *PLAIN} | {
        "render_representations-minilm_l6",
        "render_report",
    }


def test_the_stage_writes_what_the_trainings_read(project):
    run_stages(project, "resolve_settings")
    study, files = load_study(), {file.stem for file in Path("runs/settings").iterdir()}
    assert files == set(settings())
    for training in topology.trainings(study):
        is_baseline = training.stage in topology.BASELINE_STAGES
        make = resolve.baseline_settings if is_baseline else resolve.training_settings
        kind = BaselineSettings if is_baseline else TrainingSettings
        settings_read = read_settings(kind, study.folder, training.program, training.cell)
        # Nothing is lost in the file, which leaves out what another phase has.
        assert settings_read == make(study, training, MACHINE)
    complete = YAML(typ="safe", pure=True).load(Path(paths.RESOLVED))
    assert complete == json.loads(json.dumps(resolve.complete(study, MACHINE)))
    assert complete["training"]["patience"] == study.shared.training.patience and complete["seeds"] == [0, 1]


def test_of_a_study_the_trainings_say_neither_name_nor_place():
    """So that dvc knows a training of another study, in whose folder it has the same text."""
    with contextlib.chdir(REPOSITORY):
        studies, paper = load_studies(), load_paper()
        for name, study in studies.items():
            for resolved in resolve.settings_of(study, MACHINE, paper):
                if resolved.program.startswith("train_"):
                    text = json.dumps(resolved.as_json()["settings"])
                    assert name not in text and str(REPOSITORY) not in text and study.dataset.title not in text
