"""Another data set's batches, which of its texts are refused, and the loss of both sets by hand."""

import math
from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from threephase.base.errors import UserError
from threephase.phases import other_texts
from threephase.phases.labelled_texts import class_losses
from threephase.phases.optimization import Optimization
from threephase.phases.other_texts import OtherTexts
from threephase.study.settings import Machine, Schedule

ROWS = pd.DataFrame({"text": ["0", "1", "2", "3", "4"], "label": ["b", "a", "c", "a", "b"]})


class Tokenizer:
    """A text is its number."""

    def __call__(self, texts: list[str]) -> list[np.ndarray]:
        return [np.array([int(text)]) for text in texts]

    def pad(self, sequences: list[np.ndarray], device: str) -> tuple[torch.Tensor, None]:
        return torch.from_numpy(np.stack(sequences)), None


@pytest.fixture
def run(monkeypatch) -> SimpleNamespace:
    """As much of a training's run as the batches ask for."""
    monkeypatch.setattr(other_texts, "read_table", lambda _: ROWS)
    examples = pd.DataFrame({"text": ["3", "Seen", "4"], "part": ["train", "test", "unlabelled"]})
    return SimpleNamespace(
        seed=0, stage="train_method", folder=Path(), variant="co", inputs=[], examples=examples,
        machine=SimpleNamespace(device="cpu"), trained_on=lambda rows, _: rows,
    )  # fmt: skip


def test_all_texts_come_once_a_round_with_their_classes(run):
    texts = OtherTexts(run, Tokenizer(), 2)
    assert texts.classes == ["a", "b", "c"]
    batches = list(islice(texts, 4))
    assert all(len(ids) == len(classes) == 2 for ids, _, classes in batches) and texts.sequence_updates == 8
    drawn = [int(text) for ids, *_ in batches for text in ids]
    # Two batches a round: the fifth text, too few for another batch, is left out.
    assert all(set(Counter(drawn[start : start + 4]).values()) == {1} for start in (0, 4))
    for ids, _, classes in batches:
        assert [texts.classes[number] for number in classes] == [ROWS["label"][int(text)] for text in ids]
    assert [str(file) for file in run.inputs] == ["runs/method_data/co.parquet"]
    assert [ids.tolist() for ids, *_ in islice(OtherTexts(run, Tokenizer(), 2), 4)] == [b[0].tolist() for b in batches]


def test_a_batch_holds_no_more_than_all_texts(run):
    for ids, *_ in islice(OtherTexts(run, Tokenizer(), 99), 2):
        assert sorted(ids[:, 0].tolist()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_texts_that_the_study_scores_are_refused(run, part, monkeypatch):
    run.examples["part"] = run.examples["part"].replace("test", part)
    monkeypatch.setattr(other_texts, "read_table", lambda _: pd.DataFrame({"text": ["seen", "1"], "label": ["a", "b"]}))
    with pytest.raises(UserError) as refused:
        OtherTexts(run, Tokenizer(), 2)
    said = (
        "train_method: shared.yaml: methods.co.reads: got 1 texts that are validation or test texts of the study too, "
        "expected none; name another data set"
    )
    assert str(refused.value) == said


def test_the_loss_is_the_sum_over_both_sets_and_each_head_learns_from_its_own():
    """Heads that know nothing, of two and of three classes."""
    encoder, heads = nn.Module(), nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 3)])
    table = nn.Parameter(torch.tensor([[1.0, 0], [0, 1]]))
    encoder.forward = lambda ids, mask: table[ids[:, 0]]
    for parameter in heads.parameters():
        nn.init.zeros_(parameter)
    ids = torch.tensor([[0], [1]])
    batches = [(ids, None, torch.tensor([0, 1])), (ids, None, torch.tensor([2, 2]))]
    machine = Machine("cpu", "fp32", 1)
    losses = [partial(class_losses, encoder, head, batch, machine) for head, batch in zip(heads, batches, strict=True)]
    total = Optimization("a test", [heads], Schedule(0.1, 1, 2, 1e-6, 0.0, None), 1).backward(*losses)
    assert total == pytest.approx(math.log(2) + math.log(3))
    # Mean over texts of (probability - label) x vector.
    assert heads[0].weight.grad.tolist() == [[-0.25, 0.25], [0.25, -0.25]]
    assert heads[1].bias.grad.tolist() == pytest.approx([1 / 3, 1 / 3, -2 / 3])
