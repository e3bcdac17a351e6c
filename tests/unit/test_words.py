"""What the pages for readers promise: commands that exist, links that lead somewhere, short sentences."""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(["README.md", "data/README.md", *(f"docs/{page.name}" for page in REPOSITORY.glob("docs/*.md"))])
MOST_WORDS, MANY_WORDS, MOST_LONG = 30, 25, 5
WORDS_OF_README, FIRST_SCREEN = 1500, 40
RETIRED = (
    "stages/common", "stages.common", "run_variants", "add_benchmark", "verify_benchmark", "run_benchmark",
    "BENCHMARK=", "docs/imbalance.md", "paper/README.md",
)  # fmt: skip
KEPT_AS_MADE = ("reports/published/", "dvc.lock")


@cache
def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


@cache
def tracked() -> frozenset[str]:
    """The files of the repository, and of a working copy those that git would take in."""
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.splitlines()
    return frozenset(name for name in names if (REPOSITORY / name).is_file())


def sentences(text: str) -> list[str]:
    """The sentences of a page's prose: without code, tables, headings, comments and the targets of links."""
    text = re.sub(r"<!--.*?-->|^```.*?^```$", "\n\n", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(?:#.*|\|.*|!\[.*| {4}.*)$", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    blocks = re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text)
    parts = (part for block in blocks for part in re.split(r"(?<=[.!?])[\"*)]*\s+", " ".join(block.split())))
    return [part for part in parts if re.search(r"\w", part)]


def length(sentence: str) -> int:
    return sum(bool(re.search(r"\w", word)) for word in sentence.split())


def test_sentences_are_short():
    long = [
        (page, length(sentence), sentence)
        for page in PAGES
        for sentence in sentences(text_of(page))
        if length(sentence) > MANY_WORDS
    ]
    assert not [line for line in long if line[1] > MOST_WORDS]
    assert len(long) <= MOST_LONG, long


def test_the_counter_of_words_knows_prose_from_the_rest():
    text = "# Title\n\nOne two [three](a/b.md). Four\nfive.\n\n- six `a b`\n- seven\n\n    code here\n\n| a | b |\n"
    assert [length(sentence) for sentence in sentences(text)] == [3, 2, 3, 1]


def test_the_readme_is_short_and_says_the_most_important_first():
    text = text_of("README.md")
    assert len(text.split()) <= WORDS_OF_README
    first = "\n".join(text.splitlines()[:FIRST_SCREEN])
    for word in (
        "## What was found",
        "make repro",
        "make test",
        "minutes",
        "GB of disk",
        "memory",
        "## What to distrust",
    ):
        assert word in first, word


def test_files_of_code_that_a_page_names_exist():
    for page in PAGES:
        for name in re.findall(r"`([\w/]+/\w+\.py)`", text_of(page)):
            assert name in tracked(), f"{page}: {name}"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_that_a_git_host_shows(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if re.match(r"https?://", target):
            continue
        path, _, heading = target.partition("#")
        file = (REPOSITORY / page).parent.joinpath(path).resolve() if path else REPOSITORY / page
        name = file.relative_to(REPOSITORY).as_posix()
        assert name in tracked() and not name.endswith(".html"), f"{page}: {target}"
        assert not heading or heading in {anchor(line) for line in text_of(name).splitlines() if line.startswith("#")}


def anchor(heading: str) -> str:
    """A heading's address as git hosts make it."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("# ").lower()).replace(" ", "-")


def code_of(page: str) -> str:
    """All that stands as code in a page."""
    return "\n".join(re.findall(r"`[^`\n]+`|^ {4}.*$|^```.*?^```$", text_of(page), flags=re.MULTILINE | re.DOTALL))


def test_the_methods_that_published_studies_train_are_named():
    page = text_of("docs/methods.md")
    params = [YAML(typ="safe").load(file) for file in REPOSITORY.glob("reports/published/*/params.yaml")]
    trained = {variant for study in params for variant in study["variants"]}
    told = set(re.findall("`([a-z_]+)`", page.split("\n\n")[-1]))
    assert told and told == trained & set(re.findall(r"^\| `(\w+)`", page, flags=re.MULTILINE))


def test_every_goal_of_make_exists():
    makefile = text_of("Makefile")
    for page in PAGES:
        for goal in re.findall(r"\bmake ([a-z][a-z-]*)", code_of(page)):
            assert re.search(rf"^{goal}:", makefile, flags=re.MULTILINE), f"{page}: make {goal}"


def modules() -> list[str]:
    pattern = r"python -m ((?:commands|performance)\.\w+)"
    return sorted({name for page in PAGES for name in re.findall(pattern, text_of(page))})


@pytest.mark.parametrize("module", modules())
def test_every_command_answers_help(module):
    help_text = subprocess.run((sys.executable, "-m", module, "--help"), cwd=REPOSITORY, capture_output=True, text=True)
    assert help_text.returncode == 0, help_text.stderr
    options = {
        option
        for page in PAGES
        for line in re.findall(rf"python -m {re.escape(module)}\b([^`\n]*)", text_of(page))
        for option in re.findall(r"--[a-z][a-z-]*", line.partition("#")[0].partition(" -->")[0])
    }
    assert not {option for option in options if option not in help_text.stdout}


def test_retired_names_are_gone():
    own = Path(__file__).relative_to(REPOSITORY).as_posix()
    for name in tracked():
        if name == own or name.startswith(KEPT_AS_MADE):
            continue
        try:
            text = text_of(name)
        except UnicodeDecodeError:
            continue
        assert not [word for word in RETIRED if word in text], name
