"""Our method setfit beside the package on the same few rows; writes reports/performance/few_shot/.

Timed is all that a training takes: reading the encoder, pairs, updates, logistic regression; scoring the test rows is
not. Every other seed begins with the package.
"""

import argparse
import dataclasses
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch

from performance.bench import FOLDER, about_machine, check_folder, check_peers, positive
from performance.work import inputs
from threephase.base.errors import UserError, run_stage
from threephase.base.files import write_table, write_text
from threephase.data.randomness import generator
from threephase.methods import setfit
from threephase.model import encoder_folder
from threephase.model.kernels import seed_dropout
from threephase.model.machine import choose_machine, set_up
from threephase.model.tokens import TextTokenizer
from threephase.results.tables import to_markdown
from threephase.scores.statistics import mean_interval
from threephase.study.methods import resolved_settings, settings_of
from threephase.study.read_params import load_shared
from threephase.study.settings import Machine

METHOD, POOLING, TOKENS = "setfit", "mean", 128
CONFIDENCE, MARGIN, LARGEST_SHARE = 0.9, 2.0, 0.5
LEAST_SEEDS = 3
Side = Callable[["FewRows"], Callable[[list[str]], np.ndarray]]  # trains, and gives probabilities of texts


@dataclass(frozen=True)
class FewRows:
    """As much of a training's run as the method asks for: so many rows of each class are all that is labelled."""

    rows: pd.DataFrame
    classes: list[str]
    seed: int
    machine: Machine
    stage: str = METHOD

    def adaptation_rows(self) -> pd.DataFrame:
        return self.rows

    def part(self, _: str) -> pd.DataFrame:
        return self.rows

    def trained_on(self, rows: pd.DataFrame, _: TextTokenizer) -> pd.DataFrame:
        return rows

    def class_ids(self, rows: pd.DataFrame) -> torch.Tensor:
        return torch.tensor([self.classes.index(label) for label in rows["label"]], device=self.machine.device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--data", default="snips2", help="that a study has prepared")
    parser.add_argument("--encoder", default="minilm_l6", help="an encoder that a study has fetched")
    parser.add_argument("--shots", type=positive, default=8, help="labelled rows of each class")
    parser.add_argument("--seeds", type=positive, default=10, help=f"at least {LEAST_SEEDS}")
    parser.add_argument("--output", type=Path, default=FOLDER / "few_shot", help="folder")
    arguments = parser.parse_args()
    if arguments.seeds < LEAST_SEEDS:
        raise UserError(f"--seeds: got {arguments.seeds}, expected at least {LEAST_SEEDS}, for an interval over seeds")
    check_peers(["contrastive"])
    file, folder = inputs(arguments.data, arguments.encoder)
    check_folder(arguments.output)
    machine = dataclasses.replace(choose_machine(load_shared().engine), threads=os.cpu_count() or 1)
    set_up(machine)
    examples = pd.read_parquet(file, columns=["text", "label", "split"])
    with tempfile.TemporaryDirectory() as exported:
        sides = {"ours": ours(folder, machine), "setfit": package(folder, Path(exported) / "encoder", machine)}
        table, right = compare(examples, sides, arguments.shots, arguments.seeds, machine)
    about = f"{arguments.data}, {arguments.shots} rows of each class, {arguments.encoder}; {about_machine(machine)}."
    write(table, right, arguments.output, about)


def drawn(examples: pd.DataFrame, shots: int, seed: int) -> pd.DataFrame:
    """So many training rows of each class, drawn by the seed; refuses a class with fewer."""
    train = examples[examples["split"] == "train"]
    scarce = train["label"].value_counts()
    if scarce.min() < shots:
        raise UserError(
            f"--shots: got {shots}, expected at most {scarce.min()}, the training rows of {scarce.idxmin()}"
        )
    order = generator(seed, "few rows").permutation(len(train))
    return train.iloc[order].groupby("label").head(shots)


def compare(
    examples: pd.DataFrame, sides: dict[str, Side], shots: int, seeds: int, machine: Machine
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """A row a seed with accuracy in percent and seconds by side; by side which test rows are right, (seeds, rows).

    Each side trains once before, uncounted, to import what it needs.
    """
    test, classes = examples[examples["split"] == "test"], sorted(examples["label"].unique())
    of_seed = [FewRows(drawn(examples, shots, seed), classes, seed, machine) for seed in range(seeds)]
    for train in sides.values():
        train(of_seed[0])
    table, right = [], {name: [] for name in sides}
    for few in of_seed:
        row = {"seed": few.seed}
        for name in list(sides)[:: -1 if few.seed % 2 else 1]:
            start = perf_counter()
            classify = sides[name](few)
            row[f"{name}_seconds"] = perf_counter() - start
            predicted = np.array(classes)[classify(test["text"].tolist()).argmax(axis=1)]
            right[name].append(100.0 * (predicted == test["label"].to_numpy()))
            row[f"{name}_accuracy"] = right[name][-1].mean()
        print(", ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)
        table.append(row)
    return pd.DataFrame(table).sort_index(axis=1), {name: np.stack(values) for name, values in right.items()}


def ours(folder: Path, machine: Machine) -> Side:
    """Our method with the settings of its entry."""
    shared = load_shared()
    known = {"clip_gradient": shared.training.clip_gradient_phases_1_2}
    settings = settings_of(resolved_settings(f"methods.{METHOD}", shared.methods[METHOD], known, fixed=False))

    def train(few: FewRows) -> Callable[[list[str]], np.ndarray]:
        encoder = encoder_folder.load_pretrained(folder, POOLING).to(machine.device)
        tokenizer = TextTokenizer(folder, encoder.transformer.config, TOKENS)
        seed_dropout(few.seed, "dropout encoder")
        setfit.train_encoder(few, encoder, tokenizer, settings)
        return setfit.fitted_classifier(few, encoder, tokenizer, settings)

    return train


def package(folder: Path, exported: Path, machine: Machine) -> Side:
    """The package's own trainer at its defaults, on the encoder with unit vectors, as the hub has it."""
    encoder_folder.export(encoder_folder.load_pretrained(folder, POOLING, normalized=True), folder, TOKENS, exported)

    def train(few: FewRows) -> Callable[[list[str]], np.ndarray]:
        from datasets import Dataset
        from setfit import SetFitModel, Trainer, TrainingArguments

        model = SetFitModel.from_pretrained(str(exported), device=machine.device)
        labels = few.class_ids(few.rows).tolist()
        with tempfile.TemporaryDirectory() as output:
            arguments = TrainingArguments(
                output_dir=output, report_to="none", save_strategy="no", show_progress_bar=False,
                logging_strategy="no", seed=few.seed,
            )  # fmt: skip
            rows = Dataset.from_dict({"text": few.rows["text"].tolist(), "label": labels})
            Trainer(model=model, args=arguments, train_dataset=rows).train()
        return lambda texts: model.predict_proba(texts, as_numpy=True)

    return train


def verdict(table: pd.DataFrame, right: dict[str, np.ndarray]) -> list[str]:
    """What the comparison comes to, as sentences."""
    interval = mean_interval(right["ours"] - right["setfit"], CONFIDENCE, LEAST_SEEDS)
    share = float((table["ours_seconds"] / table["setfit_seconds"]).median())
    equal = interval.low >= -MARGIN and interval.high <= MARGIN
    return [
        f"Accuracy, ours minus the package's: {interval.mean:+.2f} points, {CONFIDENCE:.0%} interval "
        f"[{interval.low:+.2f}, {interval.high:+.2f}]: {'within' if equal else 'not within'} {MARGIN:g} points.",
        f"Our time: {share:.2f} of the package's, the median of {len(table)} seeds: "
        f"{'at most' if share <= LARGEST_SHARE else 'more than'} {LARGEST_SHARE:g}.",
    ]


def write(table: pd.DataFrame, right: dict[str, np.ndarray], folder: Path, about: str) -> None:
    """The table as CSV and Markdown, what it comes to, and what was measured on what."""
    said = verdict(table, right)
    print("\n".join(said), flush=True)
    write_table(folder / "few_shot.csv", table)
    text = table.assign(**{name: table[name].map("{:.2f}".format) for name in table.columns.drop("seed")})
    write_text(folder / "few_shot.md", "\n\n".join([to_markdown(text), *said, about]) + "\n")


if __name__ == "__main__":
    run_stage(main)
