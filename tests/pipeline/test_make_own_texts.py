"""``make add`` and ``make predict``: what of a reader's words reaches the commands."""

import pytest
import yaml
from small_project import make_project
from stand_ins import bare_project, error_of_make, executable, make, stand_ins


@pytest.fixture
def project(tmp_path):
    return bare_project(tmp_path)


ODD = 'it\'s „Zoë“ "2" $HOME `id` #1 ; -x.csv'


def test_a_value_with_any_sign_is_one_word_of_the_command(project):
    stand_ins(project)
    executable(project / ".venv/bin/python", """printf '<%s>' "$@" """)
    words = [f"{word}={word} {ODD}" for word in ("FILE", "TEXT", "LABEL", "OUTPUT")]
    options = "OPTIONS=--split-column 'a part' --separator ';'"
    expected = (
        f"<-m><commands.add_study><mine><--file=FILE {ODD}><--text-column=TEXT {ODD}><--label-column=LABEL {ODD}>"
    )
    result = make(project, "add", "STUDY=mine", *words, options)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == f"{expected}<--split-column><a part><--separator><;>"
    result = make(project, "predict", "STUDY=mine", *words)
    assert result.stdout == f"<-m><commands.predict><--study><mine><--output=OUTPUT {ODD}><--><FILE {ODD}>"
    assert result.returncode == 0
    result = make(project, "add", "STUDY=mine", "OPTIONS=--hub me/data@1 --split train=train")
    assert result.stdout == "<-m><commands.add_study><mine><--hub><me/data@1><--split><train=train>"


def test_a_study_is_added_from_a_file_and_columns_with_spaces_quotes_and_letters_beyond_ascii(project):
    make_project(project)
    stand_ins(project)
    file = project / "Rückmeldungen" / 'it\'s "all" of 2024.csv'
    file.parent.mkdir()
    rows = [f"{n},fine number {n},{'xy'[n % 2]}\n" for n in range(40)]
    file.write_text(f"id,Text „Zoë's“,le thème\n{''.join(rows)}", encoding="utf-8")
    words = ["add", "STUDY=mine", f"FILE={file.relative_to(project)}", "OPTIONS=--no-estimate"]
    result = make(project, *words, "TEXT=Text „Zoë's“", "LABEL=le thème")
    assert result.returncode == 0, result.stderr
    assert "\nmake repro STUDY=mine\n" in result.stdout
    definition = (project / "data/mine.yaml").read_text(encoding="utf-8")
    written = yaml.safe_load(definition)
    assert (written["text_columns"], written["label_columns"]) == (["Text „Zoë's“"], ["le thème"])
    assert written["source"]["files"] == str(file.relative_to(project))
    result = make(project, *words, "STUDY=other")
    assert "got columns id, Text „Zoë's“, le thème, expected one of texts and one of labels" in error_of_make(result)


@pytest.mark.parametrize(
    ("words", "missing", "expected"),
    [
        (["add"], "STUDY", "a name for it"),
        (["add", "STUDY=mine"], "FILE", "a table or a folder"),
        (["predict"], "FILE", "a table or -"),
    ],
)
def test_a_word_that_is_left_out_is_named(project, words, missing, expected):
    stand_ins(project)
    assert error_of_make(make(project, *words)).startswith(f"{missing}: got nothing, expected {expected}, as in: make ")


def test_a_value_with_a_space_and_no_quotes_is_refused(project):
    result = make(project, "add", "STUDY=mine", "FILE=my", "reviews.csv")
    assert result.returncode == 2 and "got reviews.csv, expected commands that make lists" in result.stderr
    assert "a value with spaces stands in quotes" in result.stderr
