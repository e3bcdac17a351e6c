"""One cache and one remote for all studies: what one command deletes, and what another one sets."""

import re
import sys
from pathlib import Path

import pytest
from small_project import contents, error_line, link_code, make_pipelines, make_project, run_stage
from tiny_project import commit, run

from threephase.project.project import nested_config

PIPELINE = "stages:\n  make:\n    cmd: echo {name} ${{x}} > out\n    params: [x]\n    outs: [out]\n"


@pytest.fixture
def two_studies(tmp_path) -> Path:
    """A repository with a default project and two studies that share its cache, each with an output of its own."""
    root = tmp_path / "project"
    root.mkdir()
    link_code(root)
    run(root, "git", "init", "--quiet")
    for key, value in (("user.name", "A Tester"), ("user.email", "tester@example.org")):
        run(root, "git", "config", key, value)
    run(root, "dvc", "init", "--quiet")
    for folder in (root, root / "studies/a", root / "studies/b"):
        (folder / ".dvc").mkdir(parents=True, exist_ok=True)
        if folder != root:
            (folder / ".dvc/config").write_text(config_of(root))
            (folder / ".dvc/.gitignore").write_text("/tmp\n/cache\n/config.local\n")
        (folder / "dvc.yaml").write_text(PIPELINE.format(name=folder.name))
        (folder / "params.yaml").write_text("x: 1\n")
        run(folder, "dvc", "repro")
    commit(root)
    return root


def config_of(root: Path) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        return nested_config()


def cached(root: Path) -> set[str]:
    """The contents that the cache holds."""
    return {file.read_text().strip() for file in (root / ".dvc/cache/files").rglob("*") if file.is_file()}


def test_what_another_study_or_an_experiment_needs_stays_in_the_cache(two_studies):
    root = two_studies
    assert cached(root) == {"project 1", "a 1", "b 1"}
    run(root, "dvc", "--cd", "studies/a", "exp", "run", "--set-param", "x=2")
    run(root, "git", "checkout", "--", ".")
    run(root, "dvc", "--cd", "studies/a", "checkout")
    for value in (3, 4):
        (root / "studies/b/params.yaml").write_text(f"x: {value}\n")
        run(root, "dvc", "--cd", "studies/b", "repro")
    # A study without a lock, as in a clone.
    (root / "studies/new/.dvc").mkdir(parents=True)
    (root / "studies/new/.dvc/config").write_text(config_of(root))
    assert cached(root) == {"project 1", "a 1", "a 2", "b 1", "b 3", "b 4"}
    said = run(root, sys.executable, "-m", "commands.clean_cache", "--dry")
    assert said.splitlines()[-1] == "make gc would take 1 files and folders out of dvc's cache; nothing was removed"
    assert cached(root) == {"project 1", "a 1", "a 2", "b 1", "b 3", "b 4"}
    (root / "studies/b/large").write_bytes(bytes(2_000_000))
    run(root, "dvc", "--cd", "studies/b", "add", "large")
    for name in ("large", "large.dvc"):
        (root / "studies/b" / name).unlink()
    # Linked as an output that no lock names any more: its bytes stay on the disk.
    linked = root / ".dvc/cache/files/md5/00" / ("0" * 30)
    linked.parent.mkdir(exist_ok=True)
    linked.write_bytes(bytes(1_000_000))
    (root / "studies/b/linked").hardlink_to(linked)
    said = run(root, sys.executable, "-m", "commands.clean_cache", "--force")
    assert "\n2.0 MB freed\n" in said
    # An experiment is a commit of the whole repository, in which b's lock still names its first output.
    assert cached(root) == {"project 1", "a 1", "a 2", "b 1", "b 4"}
    # What the command is there for: dvc alone would have taken the studies' outputs away.
    run(root, "dvc", "gc", "--workspace", "--force")
    assert cached(root) == {"project 1"}


def test_nothing_goes_without_a_yes(two_studies):
    (two_studies / "studies/b/params.yaml").write_text("x: 3\n")
    run(two_studies, "dvc", "--cd", "studies/b", "repro")
    before = cached(two_studies)
    said = run(two_studies, sys.executable, "-m", "commands.clean_cache", expected=2)
    assert "error: dvc gc: ended without cleaning" in said and cached(two_studies) == before


@pytest.fixture
def project(tmp_path) -> Path:
    """A small project with a study besides the default one, as dvc projects."""
    root = make_project(tmp_path / "project")
    (root / "studies/cut").mkdir(parents=True)
    (root / "studies/cut/params.yaml").write_text("base: small\nprotocol: clip_gradient\nseeds: [0]\n")
    run(root, "git", "init", "--quiet")
    run(root, "dvc", "init", "--quiet")
    make_pipelines(root)
    return root


@pytest.mark.parametrize("url", ["s3://bucket/folder", "../far"])
def test_one_command_sets_the_remote_of_all_studies_for_good(project, url):
    # As make remote does it.
    run(project, "dvc", "remote", "add", "--quiet", "--default", "--force", "storage", url)
    run(project, sys.executable, "-m", "commands.write_pipelines")
    expected = url if "://" in url else str(project.parent / "far")
    for folder in (project, project / "studies/cut"):
        assert run(folder, "dvc", "remote", "list").split() == ["storage", expected, "(default)"]
    before = contents(project / "studies")
    make_pipelines(project)
    assert contents(project / "studies") == before


def test_a_study_has_the_link_type_of_the_repository_and_its_cache(project):
    settings = "[core]\n    check_update = false\n[cache]\n"
    (project / ".dvc/config").write_text(f'{settings}    type = "hardlink,copy"\n')
    make_pipelines(project)
    expected = f'{settings}    dir = ../../../.dvc/cache\n    type = "hardlink,copy"\n'
    assert (project / "studies/cut/.dvc/config").read_text() == expected


def test_a_config_that_cannot_be_read_is_refused(project):
    (project / ".dvc/config").write_text("type = hardlink\n")
    assert error_line(run_stage(project, "write_pipelines")).startswith(".dvc/config: ")


SAVES = "runs/unfinished"
OF_TRAININGS = (
    f"{SAVES}/train_dae-minilm_l6-dae-0",
    f"{SAVES}/train_contrastive-minilm_l6-extra_imbalance-1",
    f"{SAVES}/train_joint-minilm_l6-joint-1",
    f"{SAVES}/train_classifier-minilm_l6-dae_ft-0",
    f"studies/cut/{SAVES}/train_classifier-minilm_l6-ft-0",
)
OF_NONE = (
    f"{SAVES}/train_classifier-minilm_l12-ft-0",  # an encoder, a variant, a seed that the study has no more
    f"{SAVES}/train_contrastive-minilm_l6-supcon-0",
    f"{SAVES}/train_dae-minilm_l6-dae-10",
    f"studies/cut/{SAVES}/train_joint-minilm_l6-joint-1",  # the default study has it
)


def test_saves_go_when_their_study_has_no_such_training(project):
    (project / "studies/refused").mkdir()
    (project / "studies/refused/params.yaml").write_text("base: none\nseeds: [0]\n")
    refused = f"studies/refused/{SAVES}/train_dae-minilm_l6-dae-0"
    before = {*OF_TRAININGS, *OF_NONE, refused}
    for name in before:
        (project / name).mkdir(parents=True)
        (project / name / "1-5.safetensors").touch()

    def left() -> set[str]:
        return {str(place.relative_to(project)) for place in project.rglob(f"{SAVES}/*")}

    said = run(project, sys.executable, "-m", "commands.clean_cache", "--dry")
    assert re.findall("(.*): saves of a training that its study has no more", said) == sorted(OF_NONE)
    assert "out of dvc's cache and remove 4 folders of saves; nothing was removed" in said and left() == before
    run(project, sys.executable, "-m", "commands.clean_cache", expected=2)  # nobody has said yes
    assert left() == before
    run(project, sys.executable, "-m", "commands.clean_cache", "--force")
    assert left() == before - {*OF_NONE}
