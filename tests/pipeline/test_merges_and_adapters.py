"""Methods that start from several encoders, and those that train adapters, in a finished study."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from small_project import SHARED, STUDY, change, error_line, make_project, run_stage
from test_pipeline import RUNS
from tiny_project import ENCODER, OF_TESTS, contents, make_pipelines, read, run

from threephase.base import paths, run_reports

MERGES, ADAPTERS = ("mean_merge", "fisher_merge"), ("lora_three_phase", "lora_sum")
SEED = 0
PROJECTIONS = r"attention\.(self\.(query|key|value)|output\.dense)\.weight$"


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory) -> tuple[Path, str]:
    """The study with these methods added, for one seed, and what dvc printed."""
    root = study.copy(tmp_path_factory.mktemp("merges") / "project")
    change(root, STUDY, {"variants": [*OF_TESTS["variants"], *MERGES, *ADAPTERS], "seeds": [SEED]})
    make_pipelines(root)
    return root, run(root, "dvc", "repro")


def weights_of(root: Path, variant: str, file: str = "model.safetensors") -> dict[str, torch.Tensor]:
    return load_file(root / RUNS / f"encoders/{ENCODER}-{variant}/{SEED}" / file)


def settings_of(root: Path, program: str, variant: str) -> dict:
    return json.loads(read(root, f"runs/settings/{program}-{ENCODER}-{variant}.json"))["settings"]


def test_no_other_training_runs(finished):
    _, output = finished
    ran = re.findall(r"Running stage '(train_\w+)@[a-z0-9_]*-(\w+)-0'", output)
    assert sorted(ran) == sorted(
        [
            *(("train_method_from_several", name) for name in MERGES),
            *(("train_classifier", name) for name in MERGES),
            *(("train_method", name) for name in ADAPTERS),
            *(("train_classifier_on_head", name) for name in ADAPTERS),
        ]
    )


def test_both_starts_are_dependencies_of_a_merge(finished):
    root, _ = finished
    (block,) = re.findall(r"^  train_method_from_several:\n((?:    .*\n)*)", read(root, "dvc.yaml"), flags=re.MULTILINE)
    for start in ("dae", "cl_ft"):
        assert f"- runs/encoders/${{item.encoder}}-{start}/${{item.seed}}\n" in block
    for name in MERGES:
        assert settings_of(root, "train_method", name)["start"] == "dae"
        assert settings_of(root, "train_method", name)["others"] == ["cl_ft"]
        where = (root, ENCODER, name, SEED, "encoder")
        inputs = run_reports.read(*where, paths.history(*where))["inputs"]
        for start in ("dae", "cl_ft"):
            assert any(f"encoders/{ENCODER}-{start}/" in file for file in inputs)


def test_every_merged_weight_lies_between_both(finished):
    root, _ = finished
    first, second = (weights_of(root, name) for name in ("dae", "cl_ft"))
    merges = [weights_of(root, name) for name in MERGES]
    for weights in merges:
        for name, merged in weights.items():
            low, high = torch.minimum(first[name], second[name]), torch.maximum(first[name], second[name])
            room = 1e-5 * (1 + high.abs())
            assert ((merged >= low - room) & (merged <= high + room)).all(), name
    # The mean has one share for all weights, the other one does not.
    shares = []
    for weights in merges:
        apart = torch.cat([(first[name] - second[name]).flatten() for name in weights])
        moved = torch.cat([(weights[name] - second[name]).flatten() for name in weights])
        far = apart.abs() > 1e-3
        shares.append((moved[far] / apart[far]).std().item())
    assert shares[0] < 1e-2 < shares[1]


def test_added_layers_are_not_merged(finished):
    root, _ = finished
    for name in (*MERGES, "lora_sum"):
        folder = root / RUNS / f"encoders/{ENCODER}-{name}/{SEED}"
        assert not list(folder.glob("*Dense*")), name
    folder = root / RUNS / f"encoders/{ENCODER}-lora_three_phase/{SEED}"
    assert [file.name for file in sorted(folder.glob("*Dense*"))] == ["2_Dense_bottleneck", "3_Dense_contrastive_layer"]


def test_adapters_change_the_projections_of_attention_alone(finished):
    root, _ = finished
    start = load_file(root / RUNS / f"pretrained/{ENCODER}/model.safetensors")
    for name in ADAPTERS:
        for weight, tensor in weights_of(root, name).items():
            assert torch.equal(tensor, start[weight]) != bool(re.search(PROJECTIONS, weight)), weight


def test_the_settings_are_those_of_phases_1_and_2(finished):
    root, _ = finished
    settings = settings_of(root, "train_method", "lora_three_phase")
    assert settings["denoising"] == settings_of(root, "train_dae", "dae")["denoising"]
    for key in ("contrastive", "pairs"):
        assert settings[key] == settings_of(root, "train_contrastive", "three_phase")[key]
    assert settings["layers"] == ["bottleneck", "contrastive_layer"]


def test_reports_say_what_each_cost(finished):
    root, _ = finished
    reports = {}
    for name in (*MERGES, *ADAPTERS):
        where = (root, ENCODER, name, SEED, "encoder")
        reports[name] = run_reports.read(*where, paths.history(*where))
        assert reports[name]["seconds"] > 0 and reports[name]["rows"]["validation"] > 0
        history = pd.read_csv(root / RUNS / f"histories/{ENCODER}-{name}/{SEED}-encoder.csv")
        assert history["step"].tolist() == list(range(1, reports[name]["updates"] + 1))
    # The mean trains nothing; Fisher information repeats phase 1; the adapters' phases are tried at three rates.
    assert reports["mean_merge"]["sequence_updates"] == 0
    where = (root, ENCODER, "dae", SEED, "encoder")
    phase_1 = run_reports.read(*where, paths.history(*where))
    assert reports["fisher_merge"]["updates"] == phase_1["updates"]
    assert reports["fisher_merge"]["sequence_updates"] > phase_1["sequence_updates"]
    assert reports["lora_three_phase"]["sequence_updates"] > 3 * phase_1["sequence_updates"]
    results = pd.read_csv(root / "reports/results.csv")
    assert set(results["variant"]) >= {*MERGES, *ADAPTERS} and results["mean"].notna().all()


def test_a_repeated_phase_1_is_that_of_the_study(finished):
    """So the decoder that Fisher information needs is the one that phase 1 had."""
    root, _ = finished
    histories = [contents(root / RUNS / f"histories/{ENCODER}-{name}") for name in ("fisher_merge", "dae")]
    assert histories[0][f"{SEED}-encoder.csv"] == histories[1][f"{SEED}-encoder.csv"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"reads": ["dae", "supcon"]}, "reads: got 'supcon', expected one of: pretrained, dae, noise, pairs"),
        ({"reads": ["dae", "ft_ordinary"]}, "reads: got 'ft_ordinary', expected one of: pretrained, dae, noise, pairs"),
        ({"reads": ["dae", "dae"]}, "reads: got ['dae', 'dae'], expected a list of at least one entry, none of them"),
        (
            {"makes": ["head"]},
            "reads: got ['dae', 'cl_ft', 'noise', 'pairs'], expected its first alone, as the method makes no encoder",
        ),
        ({"settings.weights": "fischer"}, "settings.weights: got 'fischer', expected one of: 'fisher', 'equal'"),
        ({"settings.candidates": 0}, "settings.candidates: got 0, expected a number at least 1"),
    ],
)
def test_a_merge_that_cannot_be_is_refused(tmp_path, values, said):
    make_project(tmp_path)
    change(tmp_path, SHARED, {f"methods.mean_merge.{key}": value for key, value in values.items()})
    change(tmp_path, STUDY, {"variants": ["mean_merge"]})
    assert error_line(run_stage(tmp_path, "resolve_settings")).startswith(f"{SHARED}: methods.mean_merge.{said}")
