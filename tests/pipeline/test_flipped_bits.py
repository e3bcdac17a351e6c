"""A bit that flips in what stages hand to each other is named in one line, whose advice makes the same bytes again."""

import random
import re
from pathlib import Path

import pytest
from distributed_project import DISTRIBUTE, copy, made, make_study
from flipped import flip
from small_project import change
from test_doctor import DOCTOR
from tiny_project import STUDY, make_pipelines, run

CELL = "minilm_l6-cl_ft"
# A file of each kind and a stage that reads it; what lies behind comes first, as a refusal takes away what was there.
READ = {
    "reports/results.csv": "render_tables",
    f"runs/histories/{CELL}/0-classifier.csv": "collect_results",
    f"reports/cells/{CELL}.json": "collect_results",
    f"runs/vectors/{CELL}/0.safetensors": "render_representations@minilm_l6",
    f"runs/predictions/{CELL}/0.parquet": f"summarize_cell@{CELL}",
    f"runs/encoders/{CELL}/0/model.safetensors": f"train_classifier@{CELL}-0",
    "runs/pretrained/minilm_l6/tokenizer.json": f"train_contrastive_from_pretrained@{CELL}-0",
    "runs/splits/0/split.parquet": "train_baselines@majority",
    "runs/data/examples.parquet": "split_data@0",
    "runs/data/raw.parquet": "prepare_data",
    "runs/settings/fetch_data.json": "fetch_data",
}
OTHER = "got other content than dvc noted when it was made; type: "


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    """A small finished study."""
    root = make_study(tmp_path_factory.mktemp("flipped") / "project")
    change(root, STUDY, {"variants": ["cl_ft"], "draw_encoders": True})
    make_pipelines(root)
    run(root, "dvc", "repro")
    return root


def follow(root: Path, said: str, file: str) -> None:
    """Remove what the one line about a file says is to be removed."""
    (line,) = re.findall("^error: .*$", said, re.MULTILINE)
    (output,) = re.findall(f"^error: {re.escape(file)}: {OTHER}rm -r (.*) && make doctor && make repro$", line)
    assert file.startswith(output) and "Traceback" not in said
    run(root, "rm", "-r", output)


def test_a_flipped_bit_is_named_and_what_is_to_be_typed_makes_the_same_bytes(study):
    draw, expected = random.Random(0), made(study)
    for file, stage in READ.items():
        flip(study / file, draw)
        follow(study, run(study, "dvc", "repro", "--single-item", "--force", stage, expected=255), file)
    run(study, *DOCTOR)
    run(study, "dvc", "repro")
    assert made(study) == expected


def test_a_flipped_bit_in_a_file_that_a_training_only_copies_is_named(study, tmp_path):
    root, name = copy(study, tmp_path), "runs/pretrained/minilm_l6/special_tokens_map.json"
    flip(root / name, random.Random(0))
    stage = f"train_contrastive_from_pretrained@{CELL}-0"
    follow(root, run(root, "dvc", "repro", "--single-item", "--force", stage, expected=255), name)
    assert not (root / f"runs/encoders/{CELL}/0").exists()


def test_a_worker_verifies_what_this_run_made_and_not_what_an_earlier_lock_says(study, tmp_path):
    root = copy(study, tmp_path)
    run(root, "dvc", "status")  # dvc knows the files of this copy
    change(root, STUDY, {"validation_share": 0.25, "variants": [], "draw_encoders": False})
    make_pipelines(root)
    flip(root / "runs/data/examples.parquet", random.Random(0))
    said = run(root, *DISTRIBUTE, "--workers", "1", expected=2)
    assert "split_data@0: failed" in said
    assert f"runs/data/examples.parquet: {OTHER}rm -r runs/data/examples.parquet && make doctor && make repro" in said
    run(root, "rm", "-r", "runs/data/examples.parquet")
    run(root, *DOCTOR)
    run(root, *DISTRIBUTE, "--workers", "1")


def test_what_cannot_be_read_by_hand_is_one_line(study, tmp_path):
    root = copy(study, tmp_path)
    for file, arguments in {
        "runs/data/examples.parquet": ["split_data", "--seed", "0"],
        "runs/settings/fetch_data.json": ["fetch_data"],
        "reports/results.csv": ["render_tables"],
        f"runs/vectors/{CELL}/0.safetensors": ["render_representations", "--encoder", "minilm_l6", "--seed", "0"],
    }.items():
        before = (root / file).read_bytes()
        (root / file).unlink()
        (root / file).write_bytes(b"\xff" + before[1:-20])
        said = run(root, "python3", "stages", *arguments, expected=2)
        assert said.startswith(f"error: {file}: can't be read: ") and said.count("\n") == 1 and len(said) < 300
        (root / file).write_bytes(before)
