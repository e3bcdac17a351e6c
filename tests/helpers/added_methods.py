"""The methods of the project and the one that docs/methods.md shows, as additions to a study."""

import re
from pathlib import Path

from small_project import REPOSITORY, SHARED, STUDY, change
from tiny_project import CLASS_WORDS, OF_TESTS

from threephase.study.schema import read_yaml

PAGE = (REPOSITORY / "docs/methods.md").read_text(encoding="utf-8")
NEW, FILE = "smoothed", "threephase/methods/smoothed.py"
# By method that trains an encoder its stage; those that then fit a classifier; and the methods that give a head.
WITH_DATA = ("co_finetuning", "traceback_dae", "random_pool_dae")
FITTED = ("prototypes", "cplae", "setfit")
TRAINED = (
    "supcon", "diverse_heads", "plain_heads", "joint_with_ce", "robust_augmentation", "model_augmentation",
    "self_training", *FITTED,
)  # fmt: skip
METHODS = (
    dict.fromkeys(TRAINED, "train_method")
    | dict.fromkeys(WITH_DATA, "train_method_with_data")
    | dict.fromkeys((NEW, "aligned_phases"), "train_method_from_dae")
)
HEADS = ("ncm_ft", "linear_ft")
# Further heads of trained encoders, by name the stage.
ON_ENCODERS = {
    "three_phase_probe": "fit_classifier_from_three_phase",
    "three_phase_nearest_mean": "fit_classifier_from_three_phase",
    "cl_ft_probe": "fit_classifier_from_cl_ft",
    "dae_ft_nearest_mean": "fit_classifier_from_dae",
    "supcon_probe": "fit_classifier_from_supcon",
}
# What of phases 1 and 2 they read.
READS = {
    "joint_with_ce": ["noise", "pairs"],
    **dict.fromkeys(("robust_augmentation", "model_augmentation", "aligned_phases"), ["pairs"]),
    **dict.fromkeys(("traceback_dae", "random_pool_dae", "cplae"), ["noise"]),
}
OTHER_DATASET = "data/newsgroups.yaml"


def block(language: str) -> str:
    """The page's block of code."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    return text


def phase_3(method: str) -> str:
    """The stage behind the encoder of a method."""
    return "fit_classifier" if method in FITTED else "train_classifier"


def add_method(root: Path) -> None:
    """What the page says: the file, the entry; the study then trains it and the project's own methods."""
    assert Path(FILE).name in PAGE
    (root / FILE).write_text(block("python"), encoding="utf-8")
    (root / "entry.yaml").write_text(block("yaml"), encoding="utf-8")
    change(root, SHARED, {f"methods.{NEW}": read_yaml(root / "entry.yaml")["methods"][NEW]})
    (root / "entry.yaml").unlink()
    change(root, SHARED, {"methods.setfit.settings.lr": 1e-3})  # its own rate is for an encoder that knows words
    change(root, STUDY, {"variants": [*OF_TESTS["variants"], *METHODS, *HEADS, *ON_ENCODERS]})
    write_other_data(root)


def write_other_data(root: Path) -> None:
    """The data set that methods name besides the study's own, as a file of few texts of the same words."""
    lines = ["text,label_text"]
    for label, words in CLASS_WORDS.items():
        lines += [f"{word} or {words.split()[0]} again,{label}" for word in words.split()]
    (root / "others.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    change(root, OTHER_DATASET, {"source": {"files": "others.csv"}, "sample_rows": 20, "expected": {}})
