"""Two experiments side by side, as the README shows them: ``dvc exp run``, then params, metrics and plots diff."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from small_project import change
from tiny_project import ENCODER, SEEDS, SHARED, STUDY, commit, run

REPORTS = Path("reports")
RESOLVED = "resolved.yaml"
ONE_SEED = ("-S", f"seeds=[{SEEDS[0]}]")
# Baselines run all seeds at once, and so again.
TRAINING = re.compile(r'^> python3 .*/stages" (fetch|prepare|split|train_(?!baselines))', flags=re.MULTILINE)


@pytest.fixture(scope="module")
def committed(study, tmp_path_factory) -> Path:
    """The finished study in a repository whose last commit holds its locks and metrics."""
    root = study.copy(tmp_path_factory.mktemp("experiments") / "project")
    commit(root)
    return root


@pytest.fixture(scope="module")
def experiment(committed) -> tuple[Path, str]:
    """The study with its first seed only, run as an experiment; its folder and what dvc printed."""
    return committed, run(committed, "dvc", "exp", "run", *ONE_SEED)


def metrics_of(root: Path) -> dict[str, dict[str, float]]:
    return {file.stem: json.loads(file.read_bytes()) for file in (root / REPORTS / "metrics").iterdir()}


def test_what_is_committed_is_what_a_reader_wants(committed):
    listed = run(committed, "git", "ls-files").splitlines()
    assert {"dvc.yaml", "dvc.lock", "resolved.yaml"} <= set(listed)
    assert f"{REPORTS}/metrics/{ENCODER}-three_phase.json" in listed
    # Neither weights nor texts, and nothing that another run would change without another result.
    assert not [name for name in listed if name.startswith("runs/") or name.endswith((".parquet", ".tmp"))]
    assert [name for name in listed if name.startswith("reports/") and "/metrics/" not in name] == []
    assert ".engine.json" not in listed


def test_fewer_seeds_train_nothing_and_leave_nothing_of_the_other_seeds(experiment, study):
    root, output = experiment
    assert not TRAINING.search(output)
    results, runs = (pd.read_csv(root / REPORTS / f"{table}.csv") for table in ("results", "runs"))
    assert set(results["n_seeds"]) == {1} and results["std"].isna().all() and set(runs["seed"]) == {SEEDS[0]}
    before = pd.read_csv(study.root / REPORTS / "runs.csv")
    assert runs.equals(before[before["seed"] == SEEDS[0]].reset_index(drop=True))
    curves = pd.read_csv(root / REPORTS / "plots/learning_curves.csv")
    assert set(curves["seed"]) == {SEEDS[0]}
    assert set(pd.read_csv(root / REPORTS / "claims.csv")["n_seeds"]) == {1}
    for file in (REPORTS / "summary.txt", REPORTS / "tables/results.md"):
        assert "mean of 1 seed " in " ".join((root / file).read_text(encoding="utf-8").split())


def test_params_diff(experiment):
    root, _ = experiment
    changed = json.loads(run(root, "dvc", "params", "diff", "--json"))
    assert changed == dict.fromkeys((STUDY, RESOLVED), {"seeds": {"old": str(list(SEEDS)), "new": str([SEEDS[0]])}})


def test_params_diff_shows_what_no_stage_names(study, tmp_path):
    root = study.copy(tmp_path / "project")
    commit(root)
    key = f"hyperparameters.{ENCODER}.freeze_encoder"
    change(root, STUDY, {key: True})
    change(root, SHARED, {"training.patience": 3})
    run(root, "dvc", "repro", "resolve_settings")
    changed = json.loads(run(root, "dvc", "params", "diff", "--json"))
    assert set(changed) == {STUDY, RESOLVED} and set(changed[STUDY]) == {key}
    # An edit of what all studies share shows as well.
    assert changed[RESOLVED]["training.patience"]["new"] == 3 and set(changed[RESOLVED]) == {key, "training.patience"}


def test_metrics_diff_and_show(experiment, study):
    root, _ = experiment
    before, after = metrics_of(study.root), metrics_of(root)
    changed = json.loads(run(root, "dvc", "metrics", "diff", "--json"))
    expected = {name for name in before if before[name] != after[name]}
    assert expected and {Path(file).stem for file in changed} == expected
    for file, values in changed.items():
        for metric, value in values.items():
            assert (value["old"], value["new"]) == (before[Path(file).stem][metric], after[Path(file).stem][metric])
    shown = json.loads(run(root, "dvc", "metrics", "show", "--json"))[""]["data"]
    assert {Path(file).stem: values["data"] for file, values in shown.items()} == after
    table = run(root, "dvc", "metrics", "show")
    assert len([line for line in table.splitlines() if line.startswith("reports/")]) == len(after)


def test_plots_diff_and_show(experiment, study):
    root, _ = experiment
    run(root, "dvc", "plots", "diff")
    page = (root / "dvc_plots/index.html").read_text(encoding="utf-8")
    # Nothing that a reader would commit by mistake.
    assert "??" not in run(root, "git", "status", "--porcelain")
    scores = [pd.read_csv(folder / REPORTS / "plots/scores.csv") for folder in (study.root, root)]
    for table in scores:
        assert all(str(score) in page for score in table["score"])
    assert '"HEAD"' in page and '"workspace"' in page and "learning_curves" in page
    run(root, "dvc", "plots", "show")
    page = (root / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert str(scores[1].loc[0, "score"]) in page and str(scores[0].loc[0, "score"]) not in page


def test_the_experiment_is_compared_with_the_commit_by_its_predictions(experiment, study):
    root, output = experiment
    name = re.search(r"Ran experiment\(s\): (\S+)", output)[1]
    for first, second in (("HEAD", "workspace"), ("HEAD", name)):
        run(root, "python", "-m", "commands.compare_revisions", "--first", first, "--second", second)
        rows = pd.read_csv(root / f"reports/compare/{first}-{second}/comparison.csv", keep_default_na=False)
        assert set(rows["cell"]) == set(metrics_of(study.root)) and set(rows["metric"]) == {"accuracy", "macro_f1"}
        # Fewer seeds train nothing, so that what both have is the same.
        assert set(rows["note"]) == {f"the same predictions; seed {SEEDS[1]} only in A"}
        assert set(rows["seeds"]) == {SEEDS[0]} and (rows["difference"] == 0).all()
    assert "??" not in run(root, "git", "status", "--porcelain")


def test_exp_show_has_a_row_for_each_experiment(experiment):
    root, output = experiment
    name = re.search(r"Ran experiment\(s\): (\S+)", output)[1]
    table = run(root, "dvc", "exp", "show", "--csv").splitlines()
    assert len(table) == 4 and table[0].startswith("Experiment,rev,")
    assert [line for line in table if line.startswith(f"{name},")]


def test_an_experiment_in_a_temporary_folder_runs_nothing_that_is_finished(experiment, tmp_path):
    root = shutil.copytree(experiment[0], tmp_path / "project", symlinks=True)
    run(root, "git", "checkout", "--quiet", ".")
    run(root, "dvc", "checkout", "--force")
    output = run(root, "dvc", "exp", "run", "--temp")
    assert "Running stage" not in output


def test_what_was_once_run_comes_from_the_run_cache(study, tmp_path):
    root = study.copy(tmp_path / "project")
    (root / "dvc.lock").unlink()
    for folder in ("runs", "reports"):
        shutil.rmtree(root / folder)
    cell = f"{ENCODER}-three_phase"
    output = run(root, "dvc", "repro", f"summarize_cell@{cell}")
    # But for the settings, of which a part lies in git and in no cache: data, encoder, splits, trainings, summary.
    assert re.findall("Running stage '(.*)'", output) == ["resolve_settings"]
    assert output.count("is cached - skipping run") == 4 + 4 * len(SEEDS)
    for file in (f"runs/predictions/{cell}/{SEEDS[1]}.parquet", f"reports/metrics/{cell}.json", RESOLVED):
        assert (root / file).read_bytes() == (study.root / file).read_bytes()
