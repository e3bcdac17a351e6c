"""The hyper-parameter search: its rules, the folders its trials run in, and a tiny search with real stages."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from small_project import BENCHMARK, REPOSITORY, change, contents, error_line, make_project, run_stage
from tiny_project import ENCODER, make_tiny_project, run_recorded

from stages.common import paths, search
from stages.common.config import load_study
from stages.common.engine.switches import for_variant
from stages.common.errors import UserError
from stages.common.files import write_text
from stages.common.search import TOLERANCE, Search, Trial, best_of, introduction, points, trials_table

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


def trial(score: float, point: search.Point | None = None, phase: str = "phase 1", variant: str = "dae_ft") -> Trial:
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
    chosen = next(number for number, one in enumerate(trials) if one is best_of(trials))
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
    (tmp_path / "stages").symlink_to(REPOSITORY / "stages")
    return tmp_path


def new_search(folder: str = "search") -> Search:
    return Search(load_study("small"), ENCODER, SEED, Path(folder))


def test_a_reported_seed_is_refused(project):
    before = contents(project)
    with pytest.raises(UserError, match=f"{BENCHMARK}: seeds: got 1, which is reported; expected another seed"):
        Search(load_study("small"), ENCODER, 1, Path("search"))
    options = ("--benchmark", "small", "--encoder", ENCODER, "--table", "docs/table.md", "--seed", "0")
    assert error_line(run_stage(project, "search_hyperparameters", *options)).startswith(f"{BENCHMARK}: seeds: got 0")
    assert contents(project) == before


def test_a_stage_that_fails_ends_the_search_with_its_reason(project):
    with pytest.raises(UserError, match="split_data in .*examples.parquet: no such file") as error:
        new_search().run()
    assert "\n" not in str(error.value)


def test_a_workspace_has_its_own_params_and_shares_the_rest(project, monkeypatch):
    original = (project / BENCHMARK).read_bytes()
    # Small numbers as ruamel writes them must be read as numbers again, and a map by variant be replaced.
    point = {"lr_dae": 1e-5, "epochs_dae": 3, "lr_classifier": 2e-7}
    folder = new_search()._workspace("phase_1", point, None)
    expected = YAML(typ="safe", pure=True).load(project / BENCHMARK)
    assert isinstance(expected["hyperparameters"][ENCODER]["lr_classifier"], dict)
    expected["hyperparameters"][ENCODER] |= point
    assert YAML(typ="safe", pure=True).load(folder / BENCHMARK) == expected
    assert (project / BENCHMARK).read_bytes() == original
    for shared in ("stages", "data", "encoders", "params.yaml", ".engine.json"):
        assert (folder / shared).is_symlink() and (folder / shared).resolve() == (project / shared).resolve()
    assert folder.is_relative_to(project / "search") and not (folder / "runs").exists()
    monkeypatch.chdir(folder)
    settings = load_study("small").benchmark.hyperparameters[ENCODER]
    assert (settings.lr_dae, settings.epochs_dae, for_variant(settings, "lr_classifier", "ft")) == (1e-5, 3, 2e-7)


def test_a_workspace_starts_from_the_runs_of_another_and_leaves_them_alone(project):
    searched = new_search()
    start = searched._workspace("split", {}, None)
    handed_on = Path("runs/small/splits/100/split.parquet")
    write_text(start / handed_on, "drawn")
    first, second = (searched._workspace("phase_1", {"lr_dae": lr}, start) for lr in (1e-5, 5e-5))
    assert first != second and (first / handed_on).read_text() == (second / handed_on).read_text() == "drawn"
    write_text(first / handed_on, "changed")
    write_text(first / "runs/small/more.txt", "made here")
    assert (start / handed_on).read_text() == (second / handed_on).read_text() == "drawn"
    assert not (start / "runs/small/more.txt").exists()


def test_a_workspace_holds_nothing_of_an_earlier_search(project):
    (project / "data/small/examples.parquet").write_bytes(b"rows")
    earlier = new_search()._workspace("phase_1", {"lr_dae": 1e-5}, None)
    write_text(earlier / "runs/small/predictions/old.parquet", "old")
    again = new_search()._workspace("phase_1", {"lr_dae": 1e-5}, None)
    assert again == earlier and not (again / "runs").exists()
    # What the workspace only links to is still there.
    assert (again / "data/small/examples.parquet").read_bytes() == b"rows"


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
    assert table["variant"].tolist() == ["DAE + FT"] * 3 + ["Three phases"] * 2
    assert table["validation score"].tolist() == ["81.2", "82.0", "90.0", "80.0", "95.0"]
    assert table["settings"][0] == "epochs_dae 1, lr_dae 1e-05" and set(table["sequences"]) == {1234}


def test_the_introduction_says_what_was_chosen_how_and_by_which_command(project):
    report = {"device": "cuda", "gpu": "Some GPU", "cpu_model": "Some CPU", "precision": "bf16", "threads": 3}
    report |= {"versions": {"torch": "2.0"}}
    text = introduction(load_study("small"), ENCODER, 123, report)
    assert "Run on cuda (Some GPU), bf16, 3 threads,\ntorch 2.0." in text
    assert text.startswith("# Hyper-parameters of small, all-MiniLM-L6-v2\n")
    assert "seed 123" in text and "Macro F1" in text and f"within {TOLERANCE:g} of the best" in text
    assert "stages.search_hyperparameters --benchmark small --encoder minilm_l6 --seed 123 --table" in text
    change(project, BENCHMARK, {"long_tail_ratio": None, "long_tail_largest": None})
    assert "Accuracy" in introduction(load_study("small"), ENCODER, 123, report)


def apart_from_runs(root: Path) -> dict[str, bytes | None]:
    """What is in a project, without its runs and Python's caches."""
    return {name: content for name, content in contents(root).items() if not re.search("^runs|__pycache__", name)}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A project of the tiny study, its study and the trials of a search in it, run in its folder."""
    root, threads = make_tiny_project(tmp_path_factory.mktemp("search") / "project"), torch.get_num_threads()
    lists = {
        "train_contrastive_ablation": [CONTROL],
        "train_classifier": ["three_phase", "joint", "cl_ft"],
        "train_classifier_ablation": [CONTROL],
        "summarize_cell": [*SEARCHED, CONTROL, "embedding_logistic"],
    }
    change(root, "benchmarks/bbc/params.yaml", {f"run_variants.{key}": value for key, value in lists.items()})
    stages = ("fetch_data --dataset bbc", "prepare_data --dataset bbc", f"fetch_encoder --encoder {ENCODER}")
    run_recorded(root, [f"python -m stages.{stage}" for stage in stages])
    before = apart_from_runs(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for name, grid in GRIDS.items():
            patch.setattr(search, name, grid)
        study = load_study("bbc")
        trials = Search(study, ENCODER, SEED, paths.RUNS / "bbc/search").run()
    torch.set_num_threads(threads)
    assert apart_from_runs(root) == before, "the search changes the project outside of its folder"
    return root, study, trials


def weights(trial: Trial, variant: str) -> bytes:
    return (trial.workspace / paths.trained_encoder("bbc", ENCODER, variant, SEED) / "model.safetensors").read_bytes()


def test_every_phase_starts_from_the_best_of_the_one_before(searched):
    root, study, trials = searched
    names = [("phase 1", "dae_ft")] * 2 + [("phase 2", "three_phase"), *(("phase 3", name) for name in SEARCHED)]
    assert [(one.phase, one.variant) for one in trials] == names
    assert [one.point for one in trials[:2]] == list(points(GRIDS["PHASE_1"]))
    denoised = best_of(trials[:2])
    assert denoised is trials[1], [one.score for one in trials[:2]]
    chosen = denoised.point | trials[2].point
    assert weights(trials[0], "dae_ft") != weights(trials[1], "dae_ft")
    for later in trials[2:]:
        assert weights(later, "dae_ft") == weights(denoised, "dae_ft")
        content = YAML(typ="safe", pure=True).load(later.workspace / paths.benchmark_params("bbc"))
        assert content["hyperparameters"][ENCODER].items() >= (chosen | later.point).items()
    for later, variant in zip(trials[3:6], SEARCHED, strict=False):
        assert weights(later, variant) and weights(later, "three_phase") == weights(trials[2], "three_phase")
    # Not the runs of a benchmark: only what the search made.
    assert [folder.name for folder in (root / "runs/bbc").iterdir()] == ["search"]


def test_scores_are_those_of_validation_rows_and_no_test_row_is_predicted(searched):
    root, study, trials = searched
    for one in trials[3:]:
        rows = pd.read_parquet(one.workspace / paths.predictions("bbc", ENCODER, one.variant, SEED))
        assert set(rows["split"]) == {"validation"}, one.variant
        classes = sorted(pd.read_parquet(root / "data/bbc/examples.parquet")["label"].unique())
        expected = f1_score(rows["label"], rows["predicted"], labels=classes, average="macro", zero_division=0)
        assert one.score == pytest.approx(100 * expected), one.variant
    for one, phase in zip(trials, ["encoder"] * 3 + ["classifier"] * 4, strict=True):
        report = one.workspace / paths.report("bbc", ENCODER, one.variant, SEED, phase)
        assert one.sequence_updates == json.loads(report.read_bytes())["sequence_updates"] > 0


def test_an_encoder_is_scored_by_logistic_regression_on_unit_vectors(searched):
    from stages.common.engine.encoder_folder import load_trained
    from stages.common.engine.tokens import TextTokenizer

    root, study, trials = searched
    for one in trials[:3]:
        folder = one.workspace / paths.trained_encoder("bbc", ENCODER, one.variant, SEED)
        encoder = load_trained(folder).eval()
        tokenizer = TextTokenizer(folder, encoder.transformer.config, encoder.transformer.config.max_tokens)
        split = pd.read_parquet(one.workspace / paths.splits("bbc", SEED) / "split.parquet")
        rows = pd.read_parquet(root / "data/bbc/examples.parquet").merge(split, on="example_id")
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
        assert one.score == pytest.approx(100 * max(scores), abs=0.01)
