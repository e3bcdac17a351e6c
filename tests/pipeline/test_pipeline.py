"""The whole pipeline through ``dvc repro`` on a tiny encoder: what it leaves, that it repeats, what it follows."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from tiny_project import ENCODER, SEEDS, STUDY_VALUES, TEST_ROWS, contents, read, run_recorded

from threephase.model.encoder_folder import load_trained
from threephase.model.tokens import TextTokenizer
from threephase.scores.metrics import METRICS

VARIANTS = (
    "three_phase", "joint", "dae_ft", "cl_ft", "extra_imbalance", "no_imbalance", "no_imbalance_equal_updates", "ft",
)  # fmt: skip
WITH_ENCODER = [f"{ENCODER}-{variant}" for variant in (*VARIANTS, "embedding_logistic")]
CELLS = [*WITH_ENCODER, "majority", "tfidf_logistic"]
TRAINED = [f"{ENCODER}-{variant}" for variant in VARIANTS]
PRETRAINED = f"{ENCODER}-ft"
# Encoders of phases 1 and 2: phase 1's is shared, the others are a variant's own.
ENCODERS = [f"{ENCODER}-dae", *(cell for cell in TRAINED if cell not in (PRETRAINED, f"{ENCODER}-dae_ft"))]
RESULT_COLUMNS = [
    "dataset", "encoder", "protocol", "variant", "metric", "n_seeds", "n_test", "mean", "std",
    "ci_low", "ci_high", "ci_kind", "paper", "delta", "verdict", "command", "note",
]  # fmt: skip
RUNS, REPORTS = Path("runs"), Path("reports")
TRAINING = ("split_data", "train_dae", "train_contrastive", "train_joint", "train_classifier", "train_baselines")


def training_commands(study, seed: int, *words: str) -> list[str]:
    """The commands of a seed's split and trainings, and of all seeds', that contain all ``words``, in dvc's order."""
    return [
        command
        for command in study.commands
        if command.split('/stages" ')[1].split()[0] in TRAINING
        if command.endswith(f"--seed {seed}") or "--seed" not in command
        if all(word in command for word in words)
    ]


def reports_of(root: Path) -> list[dict]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted((root / RUNS / "reports").rglob("*.json"))]


def predictions(root: Path, cell: str, seed: int) -> pd.DataFrame:
    return pd.read_parquet(root / RUNS / f"predictions/{cell}/{seed}.parquet")


def test_results_have_a_row_for_every_cell_and_metric(study):
    results = pd.read_csv(study.root / REPORTS / "results.csv", keep_default_na=False)
    assert list(results.columns) == RESULT_COLUMNS
    cells = [f"{row.encoder}-{row.variant}" if row.encoder else row.variant for row in results.itertuples()]
    assert sorted(zip(cells, results["metric"], strict=True)) == sorted((c, m) for c in CELLS for m in METRICS)
    assert set(results["n_seeds"]) == {len(SEEDS)} and set(results["n_test"]) == {TEST_ROWS}
    numbers = results[["mean", "std", "ci_low", "ci_high"]].astype(float)
    assert numbers.notna().all(axis=None) and numbers["mean"].between(0, 100).all()
    assert (numbers["ci_low"] <= numbers["mean"]).all() and (numbers["mean"] <= numbers["ci_high"]).all()
    assert set(results["ci_kind"]) == {"test rows only"}
    # The paper has no such data set, and every command names a stage that dvc ran.
    assert (results[["paper", "delta", "verdict"]] == "").all(axis=None)
    ran = set(re.findall("Running stage '(.*)'", study.output))
    assert {command.removeprefix("dvc repro ") for command in results["command"]} <= ran


def test_runs_and_claims_are_complete(study):
    runs = pd.read_csv(study.root / REPORTS / "runs.csv", keep_default_na=False)
    assert len(runs) == len(CELLS) * len(SEEDS) * len(METRICS) * 2
    assert runs.groupby(["encoder", "variant", "seed", "split", "metric"]).size().eq(1).all()
    claims = pd.read_csv(study.root / REPORTS / "claims.csv")
    assert len(claims) == 6 and claims["claim"].nunique() == 4
    # Two seeds do not tell what another one would change.
    assert set(claims["verdict"]) == {"too few seeds"}
    assert claims[["difference", "ci_low", "ci_high", "mcnemar_p"]].notna().all(axis=None)
    assert claims[["p_value", "detectable"]].isna().all(axis=None)
    differences = pd.read_csv(study.root / REPORTS / "differences.csv", keep_default_na=False)
    pairs = {frozenset(pair) for pair in zip(differences["variant"], differences["other"], strict=True)}
    assert len(differences) == len(pairs) == len(CELLS) * (len(CELLS) - 1) / 2


def test_metrics_hold_numbers_only(study):
    metrics = {file.stem: json.loads(file.read_bytes()) for file in (study.root / REPORTS / "metrics").iterdir()}
    assert sorted(metrics) == sorted(CELLS)
    for name, values in metrics.items():
        assert list(values) == ["accuracy", "macro_f1"], name
        assert all(type(value) is float for value in values.values()), name


def test_tables_pictures_page_and_summary(study):
    reports = study.root / REPORTS
    assert sorted(file.name for file in (reports / "tables").iterdir()) == ["claims.md", "results.md", "results.tex"]
    representations, mistakes = ("representations.csv", "separation.csv"), ("confusion.csv", "disagreements.csv")
    pictures = {f"representations-{ENCODER}/{name}" for name in representations} | {f"mistakes/{n}" for n in mistakes}
    drawn = reports / "pictures"
    assert {str(file.relative_to(drawn)) for file in drawn.rglob("*.*")} == pictures
    page, summary = read(study.root, REPORTS / "index.html"), read(study.root, "reports/summary.txt")
    for title in ("Three phases", "Fine-tuning", "Majority class", "Control: no correction, as many updates"):
        assert title in page and title in summary
    assert str(REPORTS / "index.html") in summary
    assert "not recorded" not in page[page.index('id="representations"') : page.index('id="data"')]
    needed = re.findall(r'(?:src|href)="(?!data:|#|http)([^"]*)', page)
    assert {address.partition("#")[0] for address in needed} == {"studies.html", "costs.html"}


def test_reports_say_who_with_what_and_how_fast(study):
    reports = reports_of(study.root)
    assert len(reports) == len(SEEDS) * (len(CELLS) + len(TRAINED) - 1)
    for report in reports:
        # Who, resolved settings, rows, time, memory, processor, versions, code.
        assert {"stage", "encoder", "variant", "seed", "phase"} <= set(report)
        part = "unlabelled" if report["stage"] == "train_dae" else "train"  # phase 1 is not told which rows have labels
        assert report["settings"] and report["rows"][part] > 0 and report["seconds"] > 0
        assert report["peak_memory_mb"] > 0 and report["cpu_model"] and {"torch", "python"} <= set(report["versions"])
        assert "cpu_flags" in report and "revision" in report
        if report["stage"] != "train_baselines":
            assert (report["device"], report["precision"]) == ("cpu", "fp32") and report["threads"] >= 1
            assert report["updates"] > 0 and report["sequences_per_second"] > 0
            assert len(report["inputs"]) >= 3 and all(len(value) == 64 for value in report["inputs"].values())


def test_a_text_above_the_limit_is_counted_once_where_it_is_used(study):
    examples = pd.read_parquet(study.root / "runs/data/examples.parquet")
    (long,) = examples.loc[examples["text"].str.len() > 500, "example_id"]
    parts_of = {
        "train_dae": {"train", "unlabelled"},
        "train_contrastive": {"train"},
        "train_joint": {"train", "unlabelled"},
        "train_classifier": {"train", "validation", "test"},
    }
    counted = set()
    for report in reports_of(study.root):
        if report["stage"] in parts_of:
            split = pd.read_parquet(study.root / RUNS / f"splits/{report['seed']}/split.parquet")
            (part,) = split.loc[split["example_id"] == long, "part"]
            assert report["truncated_texts"] == (part in parts_of[report["stage"]]), (report["stage"], part)
            counted.add(report["truncated_texts"])
    assert counted == {0, 1}


def test_only_safetensors_hold_weights_and_nothing_temporary_is_left(study):
    for folder in (study.root / RUNS / "encoders").iterdir():
        for file in folder.rglob("*"):
            assert file.is_dir() or file.suffix in {".safetensors", ".json", ".txt"}, file
            assert file.is_dir() or file.stat().st_size < 1e6 or file.suffix == ".safetensors", file
    assert not [file for file in study.root.rglob("*.tmp") if ".dvc" not in file.parts]


@torch.no_grad()
def test_every_exported_encoder_encodes_in_sentence_transformers_as_here(study):
    from sentence_transformers import SentenceTransformer

    # Among them are texts of one word, of other scripts, and above the limit.
    texts = pd.read_parquet(study.root / "runs/data/examples.parquet")["text"].tolist()
    folders = sorted((study.root / RUNS / "encoders").glob("*/*"))
    limit = STUDY_VALUES[f"hyperparameters.{ENCODER}.max_length"]
    assert len(folders) == (len(TRAINED) - 1) * len(SEEDS)
    for folder in folders:
        theirs, ours = SentenceTransformer(str(folder), device="cpu"), load_trained(folder).eval()
        tokenizer = TextTokenizer(folder, ours.transformer.config, limit)
        expected = theirs.encode(texts, convert_to_tensor=True, show_progress_bar=False)
        made = ours(*tokenizer.pad(tokenizer(texts), "cpu"))
        torch.testing.assert_close(made, expected, atol=1e-4, rtol=0, msg=lambda text, at=folder: f"{at}: {text}")


def test_histories_cover_every_update(study):
    for phase, cells in {"classifier": TRAINED, "encoder": ENCODERS}.items():
        for cell in cells:
            for seed in SEEDS:
                history = pd.read_csv(study.root / RUNS / f"histories/{cell}/{seed}-{phase}.csv")
                report = study.root / RUNS / f"reports/{cell}/{seed}-{phase}.json"
                updates = json.loads(report.read_bytes())["updates"]
                assert history["step"].tolist() == list(range(1, updates + 1))
                assert history[["loss", "learning_rate"]].notna().all(axis=None)
                epochs = history["epoch"].max() if phase == "classifier" else 0
                assert history["validation_metric"].count() == epochs


def test_every_cell_of_a_seed_has_the_same_rows(study):
    for seed in SEEDS:
        rows = [predictions(study.root, cell, seed)[["example_id", "split", "label"]] for cell in CELLS]
        assert all(other.equals(rows[0]) for other in rows)
    test, validation = (
        [set(predictions(study.root, PRETRAINED, seed).query(f"split == '{part}'")["example_id"]) for seed in SEEDS]
        for part in ("test", "validation")
    )
    assert test[0] == test[1] and validation[0] != validation[1] and not test[0] & validation[0]


def test_the_imbalance_settings_train_on_different_rows(study):
    # Otherwise comparisons of what they lead to would compare nothing.
    for seed in SEEDS:
        files = [f"splits/{seed}/contrastive_{name}.parquet" for name in ("none", "normal", "extra")]
        assert len({len(pd.read_parquet(study.root / RUNS / file)) for file in files}) == len(files)


def test_a_second_fresh_run_gives_the_same_bytes(study, second_study):
    second, _ = second_study
    for folder in ("data", "settings", "splits", "encoders", "histories", "predictions", "vectors"):
        first = contents(study.root / RUNS / folder)
        assert first and first == contents(second / RUNS / folder), folder
    assert contents(study.root / REPORTS / "pictures") == contents(second / REPORTS / "pictures")
    for file in (
        *(
            f"{name}.csv"
            for name in ("results", "runs", "differences", "claims", "curves", "class_counts", "plots/scores")
        ),
        "tables/results.md",
        "summary.txt",
        "index.html",
    ):
        assert (study.root / REPORTS / file).read_bytes() == (second / REPORTS / file).read_bytes(), file
    assert read(study.root, "resolved.yaml") == read(second, "resolved.yaml")


def same_but_for_labels(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    return left.drop(columns="label").equals(right.drop(columns="label"))


def test_poisoned_test_labels_change_no_weight_and_no_choice_of_epoch(study, tmp_path):
    seed, root = SEEDS[1], study.copy(tmp_path / "project")
    for folder in ("splits", "encoders", "histories", "predictions", "vectors", "reports"):
        shutil.rmtree(root / RUNS / folder)
    examples = pd.read_parquet(root / "runs/data/examples.parquet")
    test = examples["split"] == "test"
    names = sorted(examples["label"].unique())
    following = dict(zip(names, names[1:] + names[:1], strict=True))
    examples.loc[test, "label"] = examples.loc[test, "label"].map(following)
    (root / "runs/data/examples.parquet").unlink()
    examples.to_parquet(root / "runs/data/examples.parquet", index=False)
    other_splits = [command for command in training_commands(study, SEEDS[0]) if "split_data" in command]
    run_recorded(root, other_splits + training_commands(study, seed))
    for folder in ("encoders", "histories"):
        made = contents(root / RUNS / folder)
        clean = contents(study.root / RUNS / folder)
        assert made and made == {name: clean[name] for name in made}, folder
    for cell in CELLS:
        clean, poisoned = predictions(study.root, cell, seed), predictions(root, cell, seed)
        assert same_but_for_labels(clean, poisoned), cell
        changed = clean["label"] != poisoned["label"]
        assert (changed == (clean["split"] == "test")).all(), cell
    best = {(r["variant"], r["seed"]): r["best_epoch"] for r in reports_of(study.root) if "best_epoch" in r}
    poisoned = {(r["variant"], r["seed"]): r["best_epoch"] for r in reports_of(root) if "best_epoch" in r}
    assert len(poisoned) == len(TRAINED) and poisoned.items() <= best.items()


def test_variants_whose_rows_are_the_same_are_the_same_training(study, tmp_path):
    """Common random numbers: initial layers, pairs, batch order, noise, dropout and head come from the seed alone."""
    seed, root = SEEDS[0], study.copy(tmp_path / "project")
    rows = root / RUNS / f"splits/{seed}"
    (rows / "contrastive_normal.parquet").unlink()
    shutil.copyfile(rows / "contrastive_none.parquet", rows / "contrastive_normal.parquet")
    commands = training_commands(study, seed, "--variant three_phase") + training_commands(study, seed, "equal_updates")
    assert len(commands) == 4
    run_recorded(root, commands)
    expected, other = f"{ENCODER}-no_imbalance", f"{ENCODER}-extra_imbalance"
    for cell in (f"{ENCODER}-three_phase", f"{ENCODER}-no_imbalance_equal_updates"):
        for folder in ("encoders", "histories", "predictions"):
            of = {name: files_of_seed(root / RUNS / folder / name, seed) for name in (cell, expected, other)}
            assert of[cell] and of[cell] == of[expected], (cell, folder)
            assert of[cell] != of[other], (cell, folder)


def files_of_seed(folder: Path, seed: int) -> dict[str, bytes]:
    return {name: content for name, content in contents(folder).items() if re.match(rf"{seed}\W", name)}


@pytest.mark.parametrize("cell", ENCODERS)
def test_every_encoder_that_is_handed_on_is_its_own(study, cell):
    weights = [(study.root / RUNS / f"encoders/{cell}/{seed}/model.safetensors").read_bytes() for seed in SEEDS]
    pretrained = (study.root / RUNS / f"pretrained/{ENCODER}/model.safetensors").read_bytes()
    assert len({*weights, pretrained}) == len(SEEDS) + 1
