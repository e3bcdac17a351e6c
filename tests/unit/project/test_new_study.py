"""Your own texts: one command makes a study that runs as it stands, or says why not. Over a base it is a few lines."""

import re
from pathlib import Path

import pandas as pd
import pytest
import tiny_project
from ruamel.yaml import YAML
from small_project import ENCODER, change, contents, error_line, make_project, run_stage, run_stages, use_encoder
from small_project import ROWS as SMALL_ROWS
from tiny_encoder import make_bert

from threephase.base.errors import UserError
from threephase.project import new_study
from threephase.project.project import project_files, yaml_text
from threephase.study.params import BASELINES
from threephase.study.read_params import load_dataset, load_study

CLASSES = {"fruit": "apple", "metal": "iron", "tree": "oak"}
GIVEN = {"--file": "reviews.csv", "--text-column": "review", "--label-column": "topic"}
DATA_STAGES = ("resolve_settings", "fetch_data", "prepare_data")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A project with its default study, as in a clone, and a messy table of 30 rows."""
    monkeypatch.chdir(tmp_path)
    make_project(tmp_path)
    (tmp_path / "studies").mkdir()
    messy_rows().to_csv(tmp_path / "reviews.csv", index=False, encoding="utf-8-sig")
    return tmp_path


def messy_rows() -> pd.DataFrame:
    rows = [
        (f'the  "{word}",\nnumber {i} \N{DECIDUOUS TREE}', topic) for topic, word in CLASSES.items() for i in range(10)
    ]
    frame = pd.DataFrame(rows, columns=["review", "topic"])
    return frame.assign(part=["test" if i % 5 == 0 else "train" for i in range(len(frame))], stars=3)


def add(root: Path, name: str = "my_data", estimate: bool = False, **changes: str | None):
    options = GIVEN | {f"--{key.replace('_', '-')}": value for key, value in changes.items()}
    words = [word for option, value in options.items() if value is not None for word in (option, value)]
    return run_stage(root, "add_study", name, *words, *["--no-estimate"] * (not estimate))


def test_what_was_read_is_told_and_labels_that_differ_in_case_or_spaces_are_named(project):
    rows = messy_rows()
    rows.loc[0, "topic"] = "Fruit"
    rows.to_csv(project / "reviews.csv", index=False)
    result = add(project, split_column="part")
    assert result.stderr == (
        "warning: labels 'Fruit' and 'fruit' differ in case or spaces alone and count as different classes\n"
    )
    said = re.sub(" +", " ", result.stdout)
    assert "| `metal` | 8 | 2 |" in said and "| `Fruit` | 0 | 1 |" in said


def test_a_small_class_trains_and_is_tested_in_the_study_as_in_the_report(project):
    rows = pd.concat([messy_rows(), messy_rows().iloc[:2].assign(review=list("ab"), topic="rare")])
    rows.to_csv(project / "reviews.csv", index=False)
    assert "| `rare` | 1 | 1 | ±45 points |" in re.sub(" +", " ", add(project).stdout)
    run_stages(project, *(f"{stage} --study my_data" for stage in DATA_STAGES))
    examples = pd.read_parquet(project / "studies/my_data/runs/data/examples.parquet")
    assert set(examples.loc[examples["label"] == "rare", "split"]) == {"train", "test"}


def test_contradicting_labels_and_a_sample_are_settled_as_asked_in_every_stage(project):
    rows = pd.concat([messy_rows(), messy_rows().iloc[[0, 1]].assign(topic="tree")])
    rows.to_csv(project / "reviews.csv", index=False)
    result = add(project, duplicates="drop", sample="20")
    assert "- Rows: 32 read, 20 stay, a sample (sample_rows 20): 16 training, 4 test." in result.stdout
    assert "reviews.csv row 1 (`fruit`), reviews.csv row 31 (`tree`); reviews.csv row 2 " in result.stdout
    run_stages(project, *(f"{stage} --study my_data" for stage in DATA_STAGES))
    examples = pd.read_parquet(project / "studies/my_data/runs/data/examples.parquet")
    assert examples["split"].value_counts().to_dict() == {"train": 16, "test": 4}
    assert not examples["text"].str.contains('"apple", number [01] ').any()
    assert error_line(add(project, "other", sample="0")).startswith("data/other.yaml: sample_rows: got 0, expected a n")


def test_updates_are_measured_and_the_report_stays_with_the_study(project):
    """On a tiny encoder, whose limit of 64 tokens the texts do not need."""
    use_encoder(project, make_bert(project / "encoder"))
    result = add(project, estimate=True)
    said = re.search(
        r"- Estimate: (\d+) (seconds|minutes) for 27 trainings and \d baselines, \d+ at once; ", result.stdout
    )
    assert said and "**It can be run: about " in result.stdout, result.stderr
    assert result.stdout.startswith((project / "studies/my_data/data.md").read_text(encoding="utf-8"))
    limit = load_study("my_data").params.hyperparameters["minilm_l6"].max_length
    assert limit % 8 == 0 and f"The limit (max_length) is {limit} and cuts " in result.stdout and limit < 64


def test_an_encoder_that_cannot_be_had_leaves_the_rest_of_the_report(project):
    change(project, ENCODER, {"source": "folder", "folder": "nowhere"})
    result = add(project, estimate=True)
    assert result.returncode == 0
    assert "- Tokens: not counted: nowhere: config.json is missing; mend the folder\n" in result.stdout
    assert "- Time, memory and disk: not measured: nowhere: config.json is missing" in result.stdout
    assert load_study("my_data").params.hyperparameters["minilm_l6"].max_length == 128


def test_a_whole_study_is_written_that_every_check_accepts(project):
    before = contents(project)
    result = add(project)
    assert (result.returncode, result.stderr) == (0, "")
    report = (project / "studies/my_data/data.md").read_text(encoding="utf-8")
    assert report.startswith("# The data of my_data\n\n**It can be run. What to look at first:**\n\n- 6 test rows: ")
    assert "- Rows: 30 read, 30 stay: 24 training, 6 test.\n" in report and "- Duplicates: none.\n" in report
    assert "- Time, memory and disk: not measured: --no-estimate was given\n" in report
    assert result.stdout == (
        f"{report}\n"
        "Read with text 'review', label 'topic', encoding 'utf-8', separator ',', quote '\"', the first row is the "
        "header.\n"
        "data/my_data.yaml and studies/my_data are written. The study, with checks and pages, or by dvc alone:\n"
        "make repro STUDY=my_data\n"
        "dvc --cd studies/my_data repro\n"
        "How much that trains: make preview STUDY=my_data\n"
        "To keep it in git, and for dvc exp run --temp or --queue, which copy only what git tracks:\n"
        "git add data/my_data.yaml studies/my_data reviews.csv\n"
    )
    # Nothing else has changed, such as the default study's pipeline.
    added = {name for name, content in contents(project).items() if before.get(name, ...) != content}
    assert all(name == "data/my_data.yaml" or name.startswith("studies") for name in added)
    run_stages(project, "check_studies", *(f"{stage} --study my_data" for stage in DATA_STAGES))
    examples = pd.read_parquet(project / "studies/my_data/runs/data/examples.parquet")
    assert examples["split"].value_counts().to_dict() == {"train": 24, "test": 6}
    assert examples["text"][0] == 'the "apple", number 0 \N{DECIDUOUS TREE}'
    study = load_study("my_data")
    for file, text in project_files(study).items():
        assert file.read_text(encoding="utf-8") == text
    assert study.params.protocol == "described" and study.params.seeds == [0, 1, 2]
    assert study.params.encoders == ["minilm_l6"] and study.params.draw_encoders
    assert study.params.primary_metric == "macro_f1" and not study.params.reproduces_paper
    # By the recipe that searches the learning rate where there is a phase 3; none whose only use is to explain another.
    of_recipes = [variant for variant in study.params.variants if study.shared.variants[variant].recipe]
    assert of_recipes == ["three_phase_ordinary", "cl_ft_ordinary", "ft_ordinary", "ncm_ft"]
    assert study.params.variants == [*of_recipes, "setfit"] and study.params.baselines == list(BASELINES)
    assert study.asks_what_to_use
    params = (project / "studies/my_data/params.yaml").read_text()
    # It stands by itself: an experiment with the default study changes nothing of it.
    assert "not chosen on your data" in " ".join(params.split()) and "base:" not in params
    assert YAML(typ="safe").load(project / "data/my_data.yaml")["source"] == {
        "files": "reviews.csv", "encoding": "utf-8", "separator": ",", "quote": '"', "header": True,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["mes avis d'été (1).csv", "avis #2: été.csv", "avis:"])
def test_a_file_of_any_name_is_what_dvc_watches(project, name):
    file = project / name if name.endswith(".csv") else project / name / "a.csv"
    file.parent.mkdir(exist_ok=True)
    (project / "reviews.csv").rename(file)
    assert add(project, file=str(file.relative_to(project).parts[0])).returncode == 0
    stages = YAML(typ="safe").load(project / "studies/my_data/dvc.yaml")["stages"]
    assert f"../../{name}" in stages["resolve_settings"]["deps"]
    run_stages(project, "resolve_settings --study my_data", "fetch_data --study my_data")


def test_all_of_it_is_written_or_nothing(project, monkeypatch):
    definition = new_study.dataset_definition("mine", {"files": "reviews.csv"}, ["review"], ["topic"])
    params = new_study.study_params("mine", load_study())
    before = contents(project)
    with pytest.raises(UserError, match="studies/mine/params.yaml: seeds: got"):
        new_study.write("mine", definition, params | {"seeds": []})
    assert contents(project) == before

    def interrupted(study):
        raise KeyboardInterrupt

    monkeypatch.setattr(new_study.project, "write_project", interrupted)
    with pytest.raises(KeyboardInterrupt):
        new_study.write("mine", definition, params)
    assert contents(project) == before


def test_splits_of_a_column_or_of_files_are_kept(project):
    assert add(project, "by_column", split_column="part").returncode == 0
    by_column = load_dataset("by_column")
    assert by_column.test_rows is None and by_column.source.split_column == "part"
    for part, rows in messy_rows().groupby("part"):
        rows.to_json(project / f"{part}.jsonl", orient="records", lines=True)
    words = ["--file", "train=train.jsonl", "--file", "test=test.jsonl", "--text-column", "review"]
    words += ["--label-column", "stars", "--label-column", "topic"]
    assert run_stage(project, "add_study", "by_file", *words).returncode == 0
    by_file = load_dataset("by_file")
    assert by_file.source.files == {"train": "train.jsonl", "test": "test.jsonl"}
    assert by_file.test_rows is None and by_file.label_columns == ["stars", "topic"]


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("small", {}, "name: got 'small', for which data/small.yaml exists; expected another name"),
        ("default", {}, "name: got 'default', for which params.yaml exists; expected another name"),
        ("other", {}, "name: got 'other', for which studies/other exists; expected another name"),
        ("kept", {}, "name: got 'kept', for which reports/published/kept exists; expected another name"),
        ("../mine", {}, "name: got '../mine', expected a name of at most 60 small letters, digits and"),
        ("mine", {"text_column": "text"}, "reviews.csv: got columns review, topic, part, stars, expected 'text' among"),
        ("mine", {"label_column": "label"}, "reviews.csv: got columns review, topic, part, stars, expected 'label' am"),
        ("mine", {"split_column": "fold"}, "reviews.csv: got columns review, topic, part, stars, expected 'fold' amon"),
        ("mine", {"split_column": "topic"}, "reviews.csv: row 1: split: got 'fruit', expected one of: train, validat"),
        ("mine", {"label_column": "stars"}, "own files reviews.csv: got one class only (3), expected at least two"),
        ("mine", {"label_column": "review"}, "reviews.csv: row 1: review: got a line break in the label "),
        ("mine", {"file": "no.csv"}, "FILE= (--file): no.csv: no such file"),
        ("mine", {"file": "params.yaml"}, "FILE= (--file): params.yaml: got '.yaml', expected a file that ends in"),
        ("mine", {"file": "train=reviews.csv"}, "FILE= (--file): reviews.csv: no such file"),
        ("mine", {"file": "empty.csv"}, "empty.csv: got 0 rows, expected some"),
    ],
)
def test_what_cannot_become_a_study_is_refused_before_anything_is_written(project, name, changes, said):
    (project / "empty.csv").write_text("review,topic\n", encoding="utf-8")
    for folder in ("studies/other", "reports/published/kept"):
        (project / folder).mkdir(parents=True)
    if name == "default":
        change(project, "params.yaml", {"name": "default"})
    if changes.get("file") == "train=reviews.csv":
        (project / "reviews.csv").unlink()
    before = contents(project)
    assert error_line(add(project, name, **changes)).startswith(said)
    assert contents(project) == before


def test_a_column_of_ids_is_no_label():
    examples = pd.DataFrame({"label": [str(number) for number in range(30)]})
    with pytest.raises(
        UserError, match=r"LABEL= \(--label-column\): got id with 30 labels in 30 rows, expected 5 rows"
    ):
        new_study.check_labels(examples, ["id"])


def test_files_that_do_not_name_one_split_each_are_refused(project):
    for files, said in (
        (
            ["reviews.csv", "more.csv"],
            "FILE= (--file): got reviews.csv, more.csv, expected one file or folder, or one f",
        ),
        (["train=a.csv", "train=b.csv"], "FILE= (--file): got train=a.csv, train=b.csv, expected each split once"),
        (
            ["train=reviews.csv", "test=reviews.csv"],
            "reviews.csv: got the same content as reviews.csv for split 'test'",
        ),
    ):
        words = [word for file in files for word in ("--file", file)]
        result = run_stage(project, "add_study", "mine", *words, "--text-column", "review", "--label-column", "topic")
        assert error_line(result).startswith(said)


def over_a_base(root: Path, name: str, **values) -> None:
    """A folder of studies/ with a params.yaml of a few lines, and nothing else."""
    (root / "studies" / name).mkdir(parents=True)
    (root / "studies" / name / "params.yaml").write_text(yaml_text(values))


def test_a_study_over_a_base_is_three_lines(project):
    over_a_base(project, "cut", base="small", protocol="clip_gradient", seeds=[0, 1])
    line = error_line(run_stage(project, "check_studies", "--study", "cut"))
    assert line.startswith("studies/cut/dvc.yaml: no such file, expected the pipeline of studies/cut/params.yaml")
    assert line.endswith("run: make pipelines")
    run_stages(project, "write_pipelines", "check_studies")
    cut, base = load_study("cut"), load_study()
    assert cut.protocol.clip_gradient is None and base.protocol.clip_gradient == 1
    assert cut.params.variants == base.params.variants and cut.dataset == base.dataset
    assert cut.params.hyperparameters == base.params.hyperparameters
    assert [str(file.relative_to("studies/cut")) for file in project_files(cut)][:2] == ["dvc.yaml", ".dvc/config"]
    run_stages(project, *(f"{stage} --study cut" for stage in DATA_STAGES))


def test_the_examples_of_the_page_are_studies(project):
    """Those of data/README.md, over the small study instead of the reader's."""
    page = (tiny_project.REPOSITORY / "data/README.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```yaml\n(base: .*?)```$", page, flags=re.MULTILINE | re.DOTALL)
    for number, text in enumerate(examples):
        over_a_base(project, f"example_{number}", **YAML(typ="safe").load(text) | {"base": "small"})
    run_stages(project, "write_pipelines", "check_studies")
    protocol, encoder = (load_study(f"example_{number}") for number in range(len(examples)))
    assert protocol.params.protocol == "clip_gradient" != encoder.params.protocol
    assert protocol.params.hyperparameters == load_study().params.hyperparameters
    assert encoder.params.encoders == list(encoder.params.hyperparameters) == ["minilm_l12"]
    assert "encoder: [minilm_l12]" in (project / "studies/example_1/dvc.yaml").read_text()


def test_dvc_runs_the_study_on_your_own_texts_and_one_over_it_takes_what_it_shares(tmp_path):
    root = tiny_project.make_tiny_project(tmp_path / "project")
    messy_rows().to_csv(root / "reviews.csv", index=False)
    result = add(root)
    assert result.returncode == 0, result.stderr
    change(root, "studies/my_data/params.yaml", {"seeds": [0]})
    tiny_project.run(root, "dvc", "--cd", "studies/my_data", "repro", "summarize_cell@minilm_l6-ft_ordinary")
    assert (root / "studies/my_data/reports/metrics/minilm_l6-ft_ordinary.json").is_file()
    over_a_base(root, "cut", base="my_data", protocol="clip_gradient", seeds=[0])
    tiny_project.make_pipelines(root)
    said = tiny_project.run(root, "dvc", "--cd", "studies/cut", "repro", "split_data", "fetch_encoder")
    for stage in ("fetch_data", "prepare_data", "split_data@0", "fetch_encoder@minilm_l6"):
        assert f"Stage '{stage}' is cached - skipping run" in said, said


def test_an_edit_of_the_readers_file_is_read_again(project):
    """Another study may have put the rows of before into dvc's cache."""
    settings = project / "runs/settings/fetch_data.json"
    assert f"      - {SMALL_ROWS}\n" in (project / "dvc.yaml").read_text(encoding="utf-8")
    run_stages(project, "resolve_settings")
    before = settings.read_text(encoding="utf-8")
    with (project / SMALL_ROWS).open("a", encoding="utf-8") as rows:
        rows.write("one more of them,fruit\n")
    run_stages(project, "resolve_settings")
    assert settings.read_text(encoding="utf-8") != before
