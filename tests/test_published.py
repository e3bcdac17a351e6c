"""What git keeps of a finished study: complete, without texts and weights, and refused where anything is missing."""

import html
import json
import re

import pandas as pd
import pytest
from tiny_project import ENCODER, contents, run

from stages.common import paths

BENCHMARK = "bbc"
PUBLISH = "python -m stages.publish_results --benchmark bbc"


@pytest.fixture(scope="module")
def published(study, tmp_path_factory):
    root = study.copy(tmp_path_factory.mktemp("published") / "project")
    run(root, *PUBLISH.split())
    return root


def test_predictions_of_every_cell_and_seed_are_kept(published):
    found = pd.read_parquet(published / paths.published(BENCHMARK) / "predictions.parquet")
    runs = pd.read_csv(published / paths.published(BENCHMARK) / "runs.csv", keep_default_na=False)
    scored = runs[(runs["split"] == "test") & (runs["metric"] == "accuracy")]
    for row in scored.itertuples():
        own = found[(found["encoder"] == row.encoder) & (found["variant"] == row.variant) & (found["seed"] == row.seed)]
        own = own[own["split"] == "test"]
        assert 100 * (own["label"] == own["predicted"]).mean() == pytest.approx(row.value)
    assert len(found.groupby(["encoder", "variant", "seed"])) == len(scored)


def test_run_reports_are_kept_whole(published):
    lines = (published / paths.published(BENCHMARK) / "run_reports.jsonl").read_text(encoding="utf-8").splitlines()
    reports = [json.loads(line) for line in lines]
    files = list((published / paths.RUNS / BENCHMARK / "reports").rglob("*.json"))
    assert len(reports) == len(files)
    own = json.loads((published / paths.report(BENCHMARK, ENCODER, "ft", 0, "classifier")).read_text(encoding="utf-8"))
    assert own in reports


def test_no_text_and_no_weight_is_kept(published):
    examples = pd.read_parquet(published / "data/bbc/examples.parquet")
    texts = [text.encode() for text in examples["text"] if len(text) > 20]
    for name, content in contents(published / paths.published(BENCHMARK)).items():
        assert not name.endswith(".safetensors") and len(content) < 2_000_000, name
        assert not [text for text in texts if text in content], name


def test_the_published_page_names_rows_by_id_where_the_readers_own_shows_their_texts(published):
    examples = pd.read_parquet(published / "data/bbc/examples.parquet").set_index("example_id")["text"]
    listed = pd.read_csv(published / paths.mistakes(BENCHMARK) / "disagreements.csv")["example_id"][:20]
    assert len(listed) > 0
    own, shared = (
        html.unescape((published / folder / "index.html").read_text(encoding="utf-8"))
        for folder in (paths.REPORTS / BENCHMARK, paths.published(BENCHMARK))
    )
    for example_id in listed:
        assert example_id in own and example_id in shared
        assert f"<bdi>{examples[example_id][:200].rstrip()}" in own
        assert examples[example_id][:200] not in shared
    assert not [text for text in examples if len(text) > 10 and text[:60] in shared]


def test_publishing_again_gives_the_same_bytes(published):
    folder = published / paths.published(BENCHMARK)
    before = contents(folder)
    run(published, *PUBLISH.split())
    assert contents(folder) == before and not list(folder.parent.glob(".*"))


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("reports/bbc/claims.csv", "reports/bbc/claims.csv: no such file; run: dvc repro benchmarks/bbc/dvc.yaml"),
        ("reports/bbc/figures", "reports/bbc/figures: no such file; run: dvc repro benchmarks/bbc/dvc.yaml"),
        ("reports/bbc/pictures", "reports/bbc/pictures: no such file; run: dvc repro benchmarks/bbc/dvc.yaml"),
        (f"runs/bbc/reports/{ENCODER}-ft/0-classifier.json", "runs/bbc/reports: 1 run reports are missing"),
        (f"runs/bbc/predictions/{ENCODER}-ft/0.parquet", "expected the predictions of seed 0"),
    ],
)
def test_a_study_that_is_not_complete_is_refused(study, tmp_path, gone, said):
    root = study.copy(tmp_path / "project")
    (root / gone).rename(root / "gone")
    printed = run(root, *PUBLISH.split(), expected=2)
    assert printed.startswith("error: ") and said in printed and printed.count("\n") == 1
    assert not (root / paths.published(BENCHMARK)).exists()


@pytest.mark.parametrize(
    "name",
    [
        "results.csv", "runs.csv", "differences.csv", f"cells/{ENCODER}-ft.json", "pictures/mistakes/confusion.csv",
        "pictures/mistakes/disagreements.csv",
    ],
)  # fmt: skip
def test_tables_that_the_predictions_do_not_give_are_refused(study, tmp_path, name):
    root = study.copy(tmp_path / "project")
    file = root / paths.REPORTS / BENCHMARK / name
    content = file.read_text(encoding="utf-8")
    number = re.search(r"\d\d\.\d{4,}", content)[0]
    file.unlink()
    file.write_text(content.replace(number, str(float(number) + 1e-3), 1), encoding="utf-8")
    said = run(root, *PUBLISH.split(), expected=2)
    assert said.startswith(f"error: reports/bbc/{name}: got other numbers than the predictions of the runs give")
    assert not (root / paths.published(BENCHMARK)).exists()
