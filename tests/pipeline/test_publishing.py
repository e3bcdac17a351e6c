"""What git keeps of a finished study: complete, without texts and weights, and refused where anything is missing."""

import html
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from tiny_project import ENCODER, contents, run

from threephase.base import paths
from threephase.base.files import write_table
from threephase.report.finished import finished_published
from threephase.report.page import render_page
from threephase.results.costs import FROM_CACHE
from threephase.results.prediction_checksums import checksums, content_sha256
from threephase.study.read_params import load_published
from threephase.study.schema import read_yaml

FOLDER = paths.published("bbc")
PUBLISH = "python -m commands.publish_results"


@pytest.fixture(scope="module")
def published(study, tmp_path_factory):
    root = study.copy(tmp_path_factory.mktemp("published") / "project")
    run(root, *PUBLISH.split())
    return root


def page_of(root: Path) -> str:
    """The page that is made of what git keeps of the study."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        (finished,) = finished_published(load_published())
        return render_page(finished, texts=False, with_costs=True)


def test_predictions_of_every_cell_and_seed_are_kept(published):
    kept = pd.read_parquet(published / FOLDER / "predictions.parquet")
    runs = pd.read_csv(published / FOLDER / "runs.csv", keep_default_na=False)
    scored = runs[(runs["split"] == "test") & (runs["metric"] == "accuracy")]
    for row in scored.itertuples():
        own = kept[(kept["encoder"] == row.encoder) & (kept["variant"] == row.variant) & (kept["seed"] == row.seed)]
        own = own[own["split"] == "test"]
        assert 100 * (own["label"] == own["predicted"]).mean() == pytest.approx(row.value)
    assert len(kept.groupby(["encoder", "variant", "seed"])) == len(scored)


def test_run_reports_are_kept_whole(published):
    lines = (published / FOLDER / "run_reports.jsonl").read_text(encoding="utf-8").splitlines()
    reports = [json.loads(line) for line in lines]
    files = list((published / paths.RUNS / "reports").rglob("*.json"))
    assert len(reports) == len(files)
    file = published / paths.run_report(Path(), ENCODER, "ft", 0, "classifier")
    assert json.loads(file.read_text(encoding="utf-8")) in reports


def test_the_params_stand_alone_and_the_checksums_are_those_of_the_runs_own_files(published):
    kept = read_yaml(published / FOLDER / "params.yaml")
    assert {"name": "bbc"} | kept == read_yaml(published / "params.yaml")
    lines = pd.read_csv(published / FOLDER / "checksums.csv")
    assert len(lines) == len(list((published / paths.RUNS / "predictions").glob("*/*.parquet")))
    for line in lines.itertuples():
        own = published / paths.RUNS / "predictions" / line.cell / f"{line.seed}.parquet"
        assert content_sha256(pd.read_parquet(own)) == line.sha256


def test_predictions_are_kept_in_little_and_lose_nothing(published, tmp_path):
    kept = pd.read_parquet(published / FOLDER / "predictions.parquet")
    lines = pd.read_csv(published / FOLDER / "checksums.csv")
    pd.testing.assert_frame_equal(checksums(kept), lines, check_dtype=False)
    write_table(tmp_path / "plain.parquet", kept)
    sizes = [file.stat().st_size for file in (published / FOLDER / "predictions.parquet", tmp_path / "plain.parquet")]
    assert sizes[0] < 0.9 * sizes[1], sizes


def test_the_published_page_shows_what_it_cost_and_the_readers_own_does_not(published):
    own, shared = (published / paths.REPORTS / "index.html").read_text(encoding="utf-8"), page_of(published)
    assert "Trainings behind it" in shared and "Peak memory" in shared
    assert "Trainings behind it" not in own and "Peak memory" not in own
    assert '<a href="../index.html">All studies' in shared and '<a href="studies.html">All studies' in own


def test_a_training_from_the_cache_is_published_as_one(study, tmp_path):
    root = study.copy(tmp_path / "project")
    (root / paths.run_report(Path(), ENCODER, "ft", 0, "classifier")).unlink()
    run(root, *PUBLISH.split())
    reports = (root / FOLDER / "run_reports.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(reports) == len(list((root / paths.RUNS / "reports").rglob("*.json")))
    page = page_of(root)
    assert page.count(FROM_CACHE) == 1 and f"{len(reports)} of {len(reports) + 1}" in page


def test_no_text_and_no_weight_is_kept(published):
    examples = pd.read_parquet(published / paths.examples(Path()))
    texts = [text.encode() for text in examples["text"] if len(text) > 20]
    for name, content in contents(published / FOLDER).items():
        assert not name.endswith(".safetensors") and len(content) < 2_000_000, name
        assert not [text for text in texts if text in content], name


def test_the_published_page_names_rows_by_id_where_the_readers_own_shows_their_texts(published):
    examples = pd.read_parquet(published / paths.examples(Path())).set_index("example_id")["text"]
    listed = pd.read_csv(published / paths.mistakes(paths.REPORTS) / "disagreements.csv")["example_id"][:20]
    assert len(listed) > 0
    own = html.unescape((published / paths.REPORTS / "index.html").read_text(encoding="utf-8"))
    shared = html.unescape(page_of(published))
    for example_id in listed:
        assert example_id in own and example_id in shared
        assert f"<bdi>{examples[example_id][:200].rstrip()}" in own
        assert examples[example_id][:200] not in shared
    assert not [text for text in examples if len(text) > 10 and text[:60] in shared]


def test_publishing_again_gives_the_same_bytes(published):
    folder = published / FOLDER
    before = contents(folder)
    run(published, *PUBLISH.split())
    assert contents(folder) == before and not list(folder.parent.glob(".*"))


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("reports/claims.csv", "reports/claims.csv: no such file; run: make repro STUDY=bbc"),
        ("reports/curves.csv", "reports/curves.csv: no such file; run: make repro STUDY=bbc"),
        ("reports/pictures", "reports/pictures: no such file; run: make repro STUDY=bbc"),
        (f"runs/predictions/{ENCODER}-ft/0.parquet", "expected the predictions of seed 0"),
    ],
)
def test_a_study_that_is_not_complete_is_refused(study, tmp_path, gone, said):
    root = study.copy(tmp_path / "project")
    (root / gone).rename(root / "gone")
    printed = run(root, *PUBLISH.split(), expected=2)
    assert printed.startswith("error: ") and said in printed and printed.count("\n") == 1
    assert not (root / FOLDER).exists()


@pytest.mark.parametrize(
    "name",
    [
        "results.csv", "runs.csv", "differences.csv", f"cells/{ENCODER}-ft.json", "pictures/mistakes/confusion.csv",
        "pictures/mistakes/disagreements.csv",
    ],
)  # fmt: skip
def test_tables_that_the_predictions_do_not_give_are_refused(study, tmp_path, name):
    root = study.copy(tmp_path / "project")
    file = root / paths.REPORTS / name
    content = file.read_text(encoding="utf-8")
    number = re.search(r"\d\d\.\d{4,}", content)[0]
    file.unlink()
    file.write_text(content.replace(number, str(float(number) + 1e-3), 1), encoding="utf-8")
    said = run(root, *PUBLISH.split(), expected=2)
    assert said.startswith(f"error: reports/{name}: got other numbers than the predictions of the runs give")
    assert not (root / FOLDER).exists()
