"""A method is one file and one entry: the one that docs/methods.md shows, added to a finished study."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from added_methods import FILE, FITTED, HEADS, METHODS, NEW, ON_ENCODERS, READS, WITH_DATA, add_method, phase_3
from small_project import REPOSITORY
from test_contract import MODULES, TYPED, module_file, reachable
from test_pipeline import RUNS, predictions, same_but_for_labels
from tiny_project import (
    ENCODER,
    SEEDS,
    TEST_ROWS,
    contents,
    make_pipelines,
    read,
    run,
    run_recorded,
)

from threephase.base import paths, run_reports
from threephase.scores.metrics import METRICS
from threephase.study import closure

ON_HEAD = "train_classifier_on_head_from_pretrained"


@pytest.fixture(scope="module")
def with_methods(study, tmp_path_factory) -> tuple[Path, str]:
    """The finished study with all methods added, and what dvc printed."""
    root = study.copy(tmp_path_factory.mktemp("methods") / "project")
    add_method(root)
    make_pipelines(root)
    return root, run(root, "dvc", "repro")


def test_nothing_runs_but_the_methods_and_what_shows_the_study(with_methods):
    _, output = with_methods
    ran = [name for name in re.findall("Running stage '(.*)'", output) if not name.startswith(("collect", "render"))]
    cells = {method: f"{ENCODER}-{method}" for method in (*METHODS, *HEADS, *ON_ENCODERS)}
    assert sorted(ran) == sorted(
        [
            "resolve_settings",
            *(f"prepare_method_data@{method}" for method in WITH_DATA),
            *(f"{stage}@{cells[method]}-{seed}" for method, stage in METHODS.items() for seed in SEEDS),
            *(f"{phase_3(method)}@{cells[method]}-{seed}" for method in METHODS for seed in SEEDS),
            *(f"{ON_HEAD}@{cells[method]}-{seed}" for method in HEADS for seed in SEEDS),
            *(f"{stage}@{cells[head]}-{seed}" for head, stage in ON_ENCODERS.items() for seed in SEEDS),
            *(f"summarize_cell@{cell}" for cell in cells.values()),
        ]
    )


def test_no_other_settings_and_results_change(study, with_methods):
    root, _ = with_methods
    new = re.compile("|".join((*METHODS, *HEADS, *ON_ENCODERS)))
    shows = re.compile("collect_results|render_")
    for folder in ("settings", "splits", "encoders", "histories", "predictions", "vectors"):
        before, after = (contents(place / RUNS / folder) for place in (study.root, root))
        assert {name for name in after if name not in before} == {name for name in after if new.search(name)}
        changed = {name for name in before if before[name] != after[name]}
        assert all(folder == "settings" and shows.match(name) for name in changed), changed


def test_methods_are_rows_with_intervals_seconds_and_memory(with_methods):
    root, _ = with_methods
    results = pd.read_csv(root / "reports/results.csv").set_index("variant")
    page, stages = read(root, "reports/index.html"), METHODS | ON_ENCODERS | dict.fromkeys(HEADS, ON_HEAD)
    for method, stage in stages.items():
        rows = results.loc[method]
        assert set(rows["metric"]) == set(METRICS) and set(rows["n_test"]) == {TEST_ROWS}
        assert rows[["mean", "ci_low", "ci_high"]].notna().all(axis=None)
        for seed in SEEDS:
            for phase in ("encoder", "classifier") if method in METHODS else ("classifier",):
                where = (root, ENCODER, method, seed, phase)
                report = run_reports.read(*where, paths.history(*where))
                assert report["seconds"] > 0 and report["peak_memory_mb"] > 0
                trains = phase == "encoder" or method not in (*FITTED, *ON_ENCODERS)
                assert (report["updates"] > 0) == (report["sequence_updates"] > 0) == trains
        assert f"{stage}:" in read(root, "dvc.yaml")
    for title in (
        "Supervised contrastive loss",
        "Fine-tuning from class means",
        "Smoothed cross-entropy",
        "After the method",
        "Supervised contrastive loss, probe",
        "DAE + FT, nearest class mean",
    ):
        assert title in page
    differences = pd.read_csv(root / "reports/differences.csv")
    assert {frozenset({"supcon", NEW}), frozenset(HEADS), frozenset({NEW, "ft"})} <= set(
        map(frozenset, zip(differences["variant"], differences["other"], strict=True))
    )


def test_the_settings_are_the_entrys_and_else_those_of_phase_2(with_methods):
    root, _ = with_methods
    settings = {name: json.loads(read(root, f"runs/settings/train_method-{ENCODER}-{name}.json")) for name in METHODS}
    phase_2 = json.loads(read(root, f"runs/settings/train_contrastive-{ENCODER}-cl_ft.json"))["settings"]["contrastive"]
    assert settings[NEW]["settings"]["method"] == {
        "file": NEW,
        "makes": ["encoder"],
        "settings": phase_2 | {"epochs": 2, "smoothing": 0.1},
    }
    assert settings[NEW]["settings"]["start"] == "dae" and settings["supcon"]["settings"]["start"] == "pretrained"
    # Each depends on its own file and on no other method's.
    assert FILE in settings[NEW]["files"] and FILE not in settings["supcon"]["files"]
    assert "threephase/methods/supcon.py" in settings["supcon"]["files"]
    assert "threephase/phases/labelled_texts.py" in settings["supcon"]["files"]


def test_a_method_has_of_phases_1_and_2_what_it_reads_with_its_own_schedule(with_methods):
    root, _ = with_methods
    settings = {
        name: json.loads(read(root, f"runs/settings/{program}-{ENCODER}-{name}.json"))["settings"]
        for program, names in (("train_method", METHODS), ("train_contrastive", ["cl_ft"]), ("train_dae", ["dae"]))
        for name in names
    }
    for method in METHODS:
        own, reads = settings[method], READS.get(method, [])
        noise, pairs = ("noise" in reads, "pairs" in reads)
        assert ("denoising" in own, "contrastive" in own, "pairs" in own) == (noise, pairs, pairs)
        assert own.get("layers", []) == ["bottleneck"] * noise + ["contrastive_layer"] * pairs
        assert own.get("pairs") in (None, settings["cl_ft"]["pairs"])
        schedule = own["method"]["settings"]
        if noise:
            of_phase_1 = settings["dae"]["denoising"]
            of_schedule = of_phase_1.keys() & settings["cl_ft"]["contrastive"].keys() & schedule.keys()
            assert own["denoising"] == of_phase_1 | {key: schedule[key] for key in of_schedule}
        if pairs:
            assert own["contrastive"] == {key: schedule[key] for key in settings["cl_ft"]["contrastive"]}
    for method, of_pairs in {"aligned_phases": "three_phase", "robust_augmentation": "cl_ft"}.items():
        updates = [
            len(pd.read_csv(root / RUNS / f"histories/{ENCODER}-{name}/0-encoder.csv")) for name in (method, of_pairs)
        ]
        assert updates[0] == updates[1] > 1


def test_training_changes_the_encoder_and_lowers_the_loss(with_methods):
    root, _ = with_methods
    for method, stage in METHODS.items():
        start = f"encoders/{ENCODER}-dae/0" if stage == METHODS[NEW] else f"pretrained/{ENCODER}"
        weights = [
            (root / RUNS / place / "model.safetensors").read_bytes()
            for place in (start, *(f"encoders/{ENCODER}-{method}/{seed}" for seed in SEEDS))
        ]
        assert len(set(weights)) == 1 + len(SEEDS)
        history = pd.read_csv(root / RUNS / f"histories/{ENCODER}-{method}/0-encoder.csv")
        assert history["step"].tolist() == list(range(1, len(history) + 1))
        last = history["epoch"] == history["epoch"].max()  # of a teacher and a student the latter's
        losses = history.loc[last, "loss"]
        assert losses.tail(3).mean() < losses.head(3).mean()


def test_class_means_and_random_rows_are_two_heads_of_the_same_training(with_methods):
    root, _ = with_methods
    settings = [
        json.loads(read(root, f"runs/settings/train_classifier_on_head-{ENCODER}-{name}.json")) for name in HEADS
    ]
    means, random = (each["settings"] for each in settings)
    assert means.pop("method") == {
        "file": "ncm_ft",
        "makes": ["head"],
        "settings": {"directions": "class_means", "scale": 1.0},
    }
    assert random.pop("method") == {
        "file": "ncm_ft",
        "makes": ["head"],
        "settings": {"directions": "random", "scale": 1.0},
    }
    assert means == random and means["start"] == "pretrained"
    assert [candidate["lr"] for candidate in means["classifiers"]] == [5e-5, 1e-4, 2e-4]
    first = [pd.read_csv(root / RUNS / f"histories/{ENCODER}-{name}/0-classifier.csv")["loss"][0] for name in HEADS]
    assert first[0] != first[1]
    # No encoder is trained before phase 3.
    assert not any((root / RUNS / f"encoders/{ENCODER}-{name}").exists() for name in HEADS)


def test_label_flips_of_views_are_counted_on_the_validation_rows(with_methods):
    root, _ = with_methods
    command = (sys.executable, "-m", "commands.count_label_flips", "--encoder", ENCODER, "--seed", "0")
    header, *lines = (line.split() for line in run(root, *command).splitlines())
    assert header == ["way", "texts", "flipped", "right", "right_flipped"]
    assert [line[0] for line in lines] == ["substitution", "insertion", "masking"]
    examples = pd.read_parquet(root / RUNS / "splits/0/split.parquet")
    assert {int(line[1]) for line in lines} == {(examples["part"] == "validation").sum()}
    # Of the tiny encoder's texts a masked word is often the one that tells the class.
    assert all(0 <= float(share) <= 100 for line in lines for share in line[2:])
    assert any(float(line[2]) > 0 for line in lines)


def test_a_fitted_classifier_takes_no_step_and_gives_probabilities(with_methods):
    root, _ = with_methods
    for method in FITTED:
        (line,) = pd.read_csv(root / RUNS / f"histories/{ENCODER}-{method}/0-classifier.csv").to_dict("records")
        assert line["step"] == line["epoch"] == 0 and line["loss"] >= 0
        made = predictions(root, f"{ENCODER}-{method}", 0)
        found = made.filter(like="probability_").to_numpy()
        assert np.isfinite(found).all() and found.sum(axis=1) == pytest.approx(1, abs=1e-5)
        settings = json.loads(read(root, f"runs/settings/fit_classifier-{ENCODER}-{method}.json"))
        assert f"threephase/methods/{method}.py" in settings["files"] and settings["settings"]["start"] == method
        assert "classifiers" not in settings["settings"]
    assert (root / RUNS / f"encoders/{ENCODER}-setfit/0").is_dir()


def test_heads_read_the_encoder_of_their_variant_and_choose_as_the_baselines_do(with_methods):
    root, _ = with_methods
    baseline = json.loads(read(root, f"runs/settings/train_baselines-{ENCODER}-embedding_logistic.json"))["settings"]
    for head, stage in ON_ENCODERS.items():
        settings = json.loads(read(root, f"runs/settings/fit_classifier-{ENCODER}-{head}.json"))
        start, own = stage.removeprefix("fit_classifier_from_"), settings["settings"]
        strengths = baseline["strengths"] if head.endswith("_probe") else None
        assert own["method"] == {"file": "encoder_heads", "makes": ["classifier"], "settings": {"strengths": strengths}}
        assert (own["start"], own["selection_split"]) == (start, baseline["selection_split"])
        assert own["selection_metric"] == baseline["selection_metric"] and "classifiers" not in own
        assert "threephase/methods/encoder_heads.py" in settings["files"]
        where = (root, ENCODER, head, SEEDS[0], "classifier")
        report = run_reports.read(*where, paths.history(*where))
        assert any(f"encoders/{ENCODER}-{start}/{SEEDS[0]}/" in file for file in report["inputs"])
        assert not (root / RUNS / f"encoders/{ENCODER}-{head}").exists()
    read_by = {head: predictions(root, f"{ENCODER}-{head}", 0).filter(like="probability_") for head in ON_ENCODERS}
    assert len({frame.to_numpy().tobytes() for frame in read_by.values()}) == len(ON_ENCODERS)


def test_a_fitted_classifier_that_is_not_linear_cannot_be_kept(with_methods, tmp_path):
    root, _ = with_methods
    code = f"""
from pathlib import Path
from threephase.base.errors import UserError
from threephase.phases.remade_classifier import write_remade
from threephase.study.read_params import load_study
try:
    write_remade(load_study(), {ENCODER!r}, "prototypes", 0, Path({str(tmp_path)!r}))
except UserError as refused:
    print(refused)
"""
    assert run(root, sys.executable, "-c", code).strip() == (
        "params.yaml: variants: prototypes: got a method whose classifier no folder keeps; expected one that phase 3 "
        "trains, or that is linear on the encoder's vectors"
    )


def test_poisoned_test_labels_change_no_weight_of_a_method_and_no_head(with_methods, tmp_path):
    finished, output = with_methods
    root = tmp_path / "project"
    shutil.copytree(finished, root, symlinks=True)
    file = root / RUNS / "data/examples.parquet"
    examples = pd.read_parquet(file)
    test, names = examples["split"] == "test", sorted(examples["label"].unique())
    examples.loc[test, "label"] = examples.loc[test, "label"].map(dict(zip(names, names[1:] + names[:1], strict=True)))
    file.unlink()
    examples.to_parquet(file, index=False)
    for method in (*METHODS, *HEADS, *ON_ENCODERS):
        for folder in ("encoders", "histories", "predictions") if method in METHODS else ("histories", "predictions"):
            shutil.rmtree(root / RUNS / folder / f"{ENCODER}-{method}")
    commands = re.findall("^> (.*)$", output, flags=re.MULTILINE)
    run_recorded(
        root,
        [
            line
            for line in commands
            if re.search(r"(train_method|train_classifier|train_classifier_on_head|fit_classifier) .*--seed 0$", line)
        ],
    )
    for method in (*METHODS, *HEADS, *ON_ENCODERS):
        cell = f"{ENCODER}-{method}"
        for folder in ("encoders", "histories") if method in METHODS else ("histories",):
            made, clean = (contents(place / RUNS / folder / cell) for place in (root, finished))
            assert made and made == {name: clean[name] for name in made}
        clean, poisoned = (predictions(place, cell, 0) for place in (finished, root))
        assert same_but_for_labels(clean, poisoned) and not clean["label"].equals(poisoned["label"])


@pytest.mark.parametrize("method", ["ncm_ft", "setfit", *ON_ENCODERS])
def test_what_a_method_gives_is_kept_and_predicts_what_the_study_did(with_methods, tmp_path, method):
    root, _ = with_methods
    code = f"""
from pathlib import Path
from threephase.phases.remade_classifier import write_remade
from threephase.study.read_params import load_study
folder = Path({str(tmp_path / "kept")!r})
folder.mkdir()
print(write_remade(load_study(), {ENCODER!r}, {method!r}, 0, folder).variant)
"""
    # It refuses a folder whose probabilities are not those of the study.
    assert run(root, sys.executable, "-c", code).strip().endswith(method)
    config = json.loads((tmp_path / "kept/config.json").read_text())
    assert config["head_sizes"][1:] == [4] and config["unit_length"] == (method != "ncm_ft")


def test_a_method_runs_again_for_the_modules_that_its_file_imports_and_nothing_else_for_it(monkeypatch):
    of_methods = [name for name in MODULES if name.startswith("threephase.methods.")]
    assert of_methods
    monkeypatch.chdir(REPOSITORY)
    for method in of_methods:
        for stage in ("train_method", "train_classifier_on_head", "fit_classifier"):
            expected = reachable(f"stages.{stage}") | reachable(method)
            files = {module_file(module).relative_to(REPOSITORY) for module in expected}
            assert files == set(closure.modules_of(stage, by_name=[method]))
    for program in (name for name in TYPED if name.startswith("stages.")):
        assert not reachable(program) & set(of_methods), program
