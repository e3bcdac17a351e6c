"""What ``dvc repro`` runs again after an edit, in a finished study."""

import re
import sys

from small_project import change
from test_pipeline import TRAINED, VARIANTS, reports_of
from tiny_project import ENCODER, SEEDS, STUDY, STUDY_VALUES, read, run

from threephase.results.costs import FROM_CACHE


def names_run(output: str) -> set[str]:
    """The stages that dvc says it runs, a matrix's once."""
    return {name.split(":")[-1].split("@")[0] for name in re.findall("Running stage '(.*)'", output)}


def test_repro_again_runs_nothing(study):
    output = run(study.root, "dvc", "repro")
    assert "Data and pipelines are up to date." in output and "Running stage" not in output


def test_another_learning_rate_of_one_variant_runs_what_follows_from_it_again(study, tmp_path):
    root = study.copy(tmp_path / "project")
    rate = STUDY_VALUES[f"hyperparameters.{ENCODER}.lr_classifier"]
    by_variant = dict.fromkeys(VARIANTS, rate) | {"joint": 2 * rate}
    change(root, STUDY, {f"hyperparameters.{ENCODER}.lr_classifier": by_variant})
    output = run(root, "dvc", "repro")
    ran = re.findall("Running stage '(.*)'", output)
    joint = f"{ENCODER}-joint"
    assert [name for name in ran if name.startswith(("train", "summarize"))] == [
        *(f"train_classifier@{joint}-{seed}" for seed in SEEDS), f"summarize_cell@{joint}",
    ]  # fmt: skip
    # What shows the study's settings is made again, and nothing that only reads data.
    assert names_run(output) - {"train_classifier", "summarize_cell"} == {
        "resolve_settings", "collect_results", "render_tables", "render_representations", "render_report",
        "render_summary",
    }  # fmt: skip
    # The trainings that did not run again are timed as before.
    run(root, sys.executable, "-m", "commands.render_costs")
    assert read(root, "reports/costs.html").count(FROM_CACHE) == 1  # in general
    assert len(reports_of(root)) == len(reports_of(study.root))
    other = f"train_classifier@{TRAINED[0]}-{SEEDS[0]}"
    assert names_run(run(root, "dvc", "repro", "--dry", "--force", "--downstream", other)) == {
        "train_classifier", "train_classifier_ablation", "summarize_cell", "collect_results",
        "render_tables", "render_representations", "render_report", "render_summary",
    }  # fmt: skip
