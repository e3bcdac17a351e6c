"""The hyper-parameter search: its rules, the folders its trials run in, and a tiny search with real stages."""

import dataclasses
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from small_project import STUDY, change, contents, error_line, make_pipelines, make_project, run_stage
from tiny_project import ENCODER, make_tiny_project
from tiny_project import make_pipelines as make_tiny_pipelines
from tiny_project import run as run_in

from threephase.base import paths
from threephase.base.errors import UserError
from threephase.base.files import write_text
from threephase.results import search
from threephase.results.search import TOLERANCE, Search, Trial, best_of, introduction, points, trials_table
from threephase.study.read_params import load_study
from threephase.study.rules import for_variant
from threephase.study.schema import read_yaml

SEED = 100
# One of each way to an encoder, and a control, which is not searched.
SEARCHED = ["three_phase", "joint", "cl_ft", "ft"]
CONTROL = "no_imbalance_equal_updates"
# A rate of phase 1 that spoils the encoder comes first, so that the best point is not the first one.
GRIDS = {
    "PHASE_1": {"epochs_dae": [1], "lr_dae": [5e-2, 1e-2]},
    "PHASE_2": {"epochs_contrastive": [1], "lr_contrastive": [1e-3]},
    "PHASE_3": {"max_epochs_classifier": [3], "lr_classifier": [1e-2]},
}


def trial(score: float, point: search.Point | None = None, phase: str = "phase 1", variant: str = "dae") -> Trial:
    return Trial(phase, variant, point or {"lr_dae": 1e-5}, score, 1234, Path("nowhere"))


def test_of_equally_good_points_the_first_is_chosen():
    assert best_of([trial(70.0)]).score == 70.0
    scores = [80.0, 82.9, 83.5, 84.0, 83.9]
    # 82.9 is below 84 by more than the tolerance.
    assert best_of([trial(score) for score in scores]).score == 83.5
    exactly = [trial(84.0 - TOLERANCE), trial(84.0)]
    assert best_of(exactly) is exactly[0]


@given(st.lists(st.floats(0, 100), min_size=1, max_size=12))
def test_the_chosen_trial_is_good_and_none_before_it_is(scores):
    trials = [trial(score) for score in scores]
    chosen = next(number for number, attempt in enumerate(trials) if attempt is best_of(trials))
    assert scores[chosen] >= max(scores) - TOLERANCE
    assert all(score < max(scores) - TOLERANCE for score in scores[:chosen])


def test_points_come_with_the_first_setting_changing_last():
    assert list(points({"epochs": [1, 2], "lr": [1e-5, 5e-5, 1e-4]})) == [
        {"epochs": epochs, "lr": lr} for epochs in (1, 2) for lr in (1e-5, 5e-5, 1e-4)
    ]


@pytest.mark.parametrize(("grid", "cost"), [("PHASE_1", "epochs_dae"), ("PHASE_2", "epochs_contrastive"),
                                            ("PHASE_3", "max_epochs_classifier")])  # fmt: skip
def test_the_first_point_of_every_grid_is_the_cheapest(grid, cost):
    # The rule "the first of equally good points" takes the cheapest only where epochs never fall.
    epochs = [point[cost] for point in points(getattr(search, grid))]
    assert epochs == sorted(epochs)


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A small project as the working directory."""
    monkeypatch.chdir(make_project(tmp_path))
    return tmp_path


@pytest.fixture
def prepared(project) -> Path:
    """The small project with something where its prepared data and its encoder are."""
    write_text(paths.examples(Path()), "rows")
    write_text(paths.pretrained_encoder(Path(), ENCODER) / "model.safetensors", "weights")
    return project


def new_search(name: str = "small") -> Search:
    return Search(load_study(name), ENCODER, SEED, Path("search"))


def test_a_reported_seed_is_refused(project):
    before = contents(project)
    with pytest.raises(UserError, match=f"{STUDY}: seeds: got 1, which is reported; expected another seed"):
        Search(load_study("small"), ENCODER, 1, Path("search"))
    options = ("--study", "small", "--encoder", ENCODER, "--table", "docs/table.md", "--seed", "0")
    assert error_line(run_stage(project, "search_hyperparameters", *options)).startswith(f"{STUDY}: seeds: got 0")
    assert contents(project) == before


def test_what_a_search_starts_from_must_be_there(project):
    with pytest.raises(UserError, match="^runs/data/examples.parquet: not there, .*; run: dvc repro prepare_"):
        new_search().run()
    write_text(paths.examples(Path()), "rows")
    with pytest.raises(UserError, match=f"^runs/pretrained/{ENCODER}: not there, .* fetch_encoder@{ENCODER}$"):
        new_search().run()


def test_a_stage_that_fails_ends_the_search_with_its_reason(prepared):
    with pytest.raises(UserError, match="split_data in .*: ") as error:
        new_search().run()
    assert "split-" not in str(error.value) and "search/split: " in str(error.value)


def test_a_workspace_has_its_own_params_and_settings_and_shares_the_rest(prepared, monkeypatch):
    original = (prepared / STUDY).read_bytes()
    # Small numbers as ruamel writes them must be read as numbers again, and a map by variant be replaced.
    point = {"lr_dae": 1e-5, "epochs_dae": 3, "lr_classifier": 2e-7}
    expected = load_study()
    assert isinstance(expected.params.hyperparameters[ENCODER].lr_classifier, dict)
    folder = new_search()._workspace("phase_1", point)
    assert (prepared / STUDY).read_bytes() == original
    for shared in ("stages", "threephase", "data", "encoders", "paper", "shared.yaml", ".engine.json"):
        assert (folder / shared).is_symlink() and (folder / shared).resolve() == (prepared / shared).resolve()
    assert folder.is_relative_to(prepared / "search")
    assert (folder / paths.examples(Path())).read_text() == "rows"
    settings = json.loads((folder / "runs/settings" / f"train_dae-{ENCODER}-dae.json").read_text())["settings"]
    assert (settings["denoising"]["lr"], settings["denoising"]["epochs"]) == (1e-5, 3)
    monkeypatch.chdir(folder)
    searched_study = load_study()
    changed = searched_study.params.hyperparameters[ENCODER]
    assert (changed.lr_dae, changed.epochs_dae, for_variant(changed, "lr_classifier", "ft")) == (1e-5, 3, 2e-7)
    assert searched_study.shared == expected.shared and searched_study.dataset == expected.dataset
    for key in ("name", "seeds", "protocol", "validation_share", "long_tail_ratio", "long_tail_largest", "train_rows"):
        assert getattr(searched_study.params, key) == getattr(expected.params, key), key
    for key in ("deletion_ratio", "lr_contrastive", "batch_size", "max_length", "adam_eps", "freeze_encoder"):
        assert getattr(changed, key) == getattr(expected.params.hyperparameters[ENCODER], key), key


def test_a_study_over_a_base_with_few_variants_is_the_default_one_of_a_workspace(project, monkeypatch):
    folder = project / "studies/few"
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text("base: small\nprotocol: clip_gradient\nseeds: [0]\nvariants: [ft]\n")
    make_pipelines(project)
    write_text(paths.examples(Path("studies/few")), "rows")
    write_text(paths.pretrained_encoder(Path("studies/few"), ENCODER) / "model.safetensors", "weights")
    searched = new_search("few")
    assert searched._searched_variants() == ["ft"]
    monkeypatch.chdir(searched._workspace("phase_1", {"lr_dae": 1e-5}))
    assert load_study().params.name == "few" and load_study().protocol.clip_gradient is None
    # Phases 1 and 2 are searched for three_phase whatever the study trains.
    assert load_study().params.variants == ["three_phase", "ft"]


def test_a_workspace_starts_from_the_runs_of_another_and_leaves_them_alone(prepared):
    searched = new_search()
    start = searched._workspace("split", {})
    handed_on = Path("runs/splits/100/split.parquet")
    write_text(start / handed_on, "drawn")
    first, second = (searched._workspace("phase_1", {"lr_dae": lr}, start) for lr in (1e-5, 5e-5))
    assert first != second and (first / handed_on).read_text() == (second / handed_on).read_text() == "drawn"
    write_text(first / handed_on, "changed")
    write_text(first / "runs/more.txt", "made here")
    assert (start / handed_on).read_text() == (second / handed_on).read_text() == "drawn"
    assert not (start / "runs/more.txt").exists()
    settings = f"runs/settings/train_dae-{ENCODER}-dae.json"
    assert (first / settings).read_text() != (start / settings).read_text() == (second / settings).read_text()


def test_a_workspace_holds_nothing_of_an_earlier_search(prepared):
    earlier = new_search()._workspace("phase_1", {"lr_dae": 1e-5})
    write_text(earlier / "runs/predictions/old.parquet", "old")
    again = new_search()._workspace("phase_1", {"lr_dae": 1e-5})
    assert again == earlier and not (again / "runs/predictions").exists()
    # What the workspace only links to is still there.
    assert paths.examples(Path()).read_text() == (again / paths.examples(Path())).read_text() == "rows"


def test_the_table_marks_one_trial_a_phase_and_variant(project):
    phase_3 = {"max_epochs_classifier": 4, "lr_classifier": 5e-4}
    trials = [
        trial(81.24, {"epochs_dae": 1, "lr_dae": 1e-5}),
        trial(81.95, {"epochs_dae": 2, "lr_dae": 1e-5}),
        trial(90.0, phase_3, "phase 3", "dae_ft"),
        trial(80.0, phase_3, "phase 3", "three_phase"),
        trial(95.0, phase_3, "phase 3", "three_phase"),
    ]
    table = trials_table(trials, load_study("small"))
    assert list(table.columns) == ["phase", "variant", "settings", "validation score", "sequences", "chosen"]
    assert table["chosen"].tolist() == ["yes", "", "yes", "", "yes"]
    assert table["variant"].tolist() == ["Denoising autoencoder"] * 2 + ["DAE + FT"] + ["Three phases"] * 2
    assert table["validation score"].tolist() == ["81.2", "82.0", "90.0", "80.0", "95.0"]
    assert table["settings"][0] == "epochs_dae 1, lr_dae 1e-05" and set(table["sequences"]) == {1234}


def test_the_introduction_says_what_was_chosen_how_and_by_which_command(project):
    report = {"device": "cuda", "gpu": "Some GPU", "cpu_model": "Some CPU", "precision": "bf16", "threads": 3}
    report |= {"versions": {"torch": "2.0"}}
    text = introduction(load_study("small"), ENCODER, 123, report)
    assert "Run on cuda (Some GPU), bf16, 3 threads,\ntorch 2.0." in text
    assert text.startswith("# Hyper-parameters of small, all-MiniLM-L6-v2\n")
    assert "seed 123" in text and "Macro F1" in text and f"within {TOLERANCE:g} of the best" in text
    assert "commands.search_hyperparameters --encoder minilm_l6 --seed 123 --table" in text
    other = dataclasses.replace(load_study("small"), folder=Path("studies/small"))
    assert "search_hyperparameters --study small --encoder" in introduction(other, ENCODER, 123, report)
    change(project, STUDY, {"long_tail_ratio": None, "long_tail_largest": None})
    assert "Accuracy" in introduction(load_study("small"), ENCODER, 123, report)


def apart_from_search(root: Path) -> dict[str, bytes | None]:
    """What is in a project, without the search's folder and Python's caches."""
    return {name: content for name, content in contents(root).items() if not re.search("search|__pycache__", name)}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A project of the tiny study, its study and the trials of a search in it, run in its folder."""
    root, threads = make_tiny_project(tmp_path_factory.mktemp("search") / "project"), torch.get_num_threads()
    change(root, STUDY, {"variants": [*SEARCHED, CONTROL]})
    make_tiny_pipelines(root)
    for stage in ("resolve_settings", "fetch_data", "prepare_data", f"fetch_encoder --encoder {ENCODER}"):
        run_in(root, sys.executable, "-m", "stages", *stage.split())
    before = apart_from_search(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name, grid in GRIDS.items():
            patch.setattr(search, name, grid)
        study = load_study()
        trials = Search(study, ENCODER, SEED, study.folder / paths.RUNS / "search").run()
    torch.set_num_threads(threads)
    assert apart_from_search(root) == before, "the search changes the project outside of its folder"
    return root, study, trials


def weights(trial: Trial, variant: str) -> bytes:
    return (paths.trained_encoder(trial.workspace, ENCODER, variant, SEED) / "model.safetensors").read_bytes()


def test_every_phase_starts_from_the_best_of_the_one_before(searched):
    root, study, trials = searched
    names = [("phase 1", "dae")] * 2 + [("phase 2", "three_phase"), *(("phase 3", name) for name in SEARCHED)]
    assert [(attempt.phase, attempt.variant) for attempt in trials] == names
    assert [attempt.point for attempt in trials[:2]] == list(points(GRIDS["PHASE_1"]))
    denoised = best_of(trials[:2])
    assert denoised is trials[1], [attempt.score for attempt in trials[:2]]
    chosen = denoised.point | trials[2].point
    assert weights(trials[0], "dae") != weights(trials[1], "dae")
    for later in trials[2:]:
        assert weights(later, "dae") == weights(denoised, "dae")
        content = read_yaml(later.workspace / paths.PARAMS)
        assert content["hyperparameters"][ENCODER].items() >= (chosen | later.point).items()
    for later, variant in zip(trials[3:6], SEARCHED, strict=False):
        assert weights(later, variant) and weights(later, "three_phase") == weights(trials[2], "three_phase")
    # Not the runs of the study: only what the search made.
    assert {folder.name for folder in (root / "runs").iterdir()} == {"search", "data", "pretrained", "settings"}


def test_scores_are_those_of_validation_rows_and_no_test_row_is_predicted(searched):
    root, study, trials = searched
    for attempt in trials[3:]:
        rows = pd.read_parquet(attempt.workspace / paths.predictions(Path(), ENCODER, attempt.variant, SEED))
        assert set(rows["split"]) == {"validation"}, attempt.variant
        classes = sorted(pd.read_parquet(root / paths.examples(Path()))["label"].unique())
        expected = f1_score(rows["label"], rows["predicted"], labels=classes, average="macro", zero_division=0)
        assert attempt.score == pytest.approx(100 * expected), attempt.variant
    for attempt, phase in zip(trials, ["encoder"] * 3 + ["classifier"] * 4, strict=True):
        report = attempt.workspace / paths.run_report(Path(), ENCODER, attempt.variant, SEED, phase)
        assert attempt.sequence_updates == json.loads(report.read_bytes())["sequence_updates"] > 0


def test_an_encoder_is_scored_by_logistic_regression_on_unit_vectors(searched):
    from threephase.model.encoder_folder import load_trained
    from threephase.model.tokens import TextTokenizer

    root, study, trials = searched
    for attempt in trials[:3]:
        folder = attempt.workspace / paths.trained_encoder(Path(), ENCODER, attempt.variant, SEED)
        encoder = load_trained(folder).eval()
        tokenizer = TextTokenizer(folder, encoder.transformer.config, encoder.transformer.config.max_tokens)
        split = pd.read_parquet(attempt.workspace / paths.splits(Path(), SEED) / "split.parquet")
        rows = pd.read_parquet(root / paths.examples(Path())).merge(split, on="example_id")
        x, y = {}, {}
        for part in ("train", "validation"):
            texts = rows.loc[rows["part"] == part, "text"].tolist()
            with torch.no_grad():
                vectors = encoder(*tokenizer.pad(tokenizer(texts), "cpu")).numpy()
            x[part] = vectors / np.sqrt((vectors**2).sum(axis=1, keepdims=True))
            y[part] = rows.loc[rows["part"] == part, "label"].to_numpy()
        scores = []
        for c in study.shared.baseline_inverse_regularization:
            model = LogisticRegression(C=c, max_iter=1000).fit(x["train"], y["train"])
            scores.append(f1_score(y["validation"], model.predict(x["validation"]), average="macro", zero_division=0))
        assert attempt.score == pytest.approx(100 * max(scores), abs=0.01)
