"""An experiment of a study on own texts, in a copy that has what git tracks: after exactly what add_study says."""

import shlex
import sys

from tiny_project import commit, make_tiny_project, run


def test_an_experiment_finds_all_files_of_the_study(tmp_path):
    root = make_tiny_project(tmp_path / "project")
    commit(root)
    (root / "texts.txt").write_text("".join(f"{label} {n}\n" for label in "xy" for n in range(20)))
    (root / "labels.txt").write_text("x\n" * 20 + "y\n" * 20)
    words = ("mine", "--file", "texts.txt", "--labels", "labels.txt", "--no-estimate")
    said = run(root, sys.executable, "-m", "commands.add_study", *words)
    (command,) = (line for line in said.splitlines() if line.startswith("git add "))
    run(root, *shlex.split(command))
    experiment = ("dvc", "--cd", "studies/mine", "exp", "run", "--temp", "-S", "seeds=[7]", "prepare_data")
    said = run(root, *experiment)
    assert "Running stage 'prepare_data'" in said and "Ran experiment(s): " in said
    run(root, "git", "rm", "--cached", "--quiet", "labels.txt")
    assert "labels.txt" in run(root, *experiment, "--force", expected=255)
