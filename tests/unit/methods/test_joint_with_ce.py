"""The three losses of a step by hand, and that their gradients add up."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from threephase.methods.joint_with_ce import losses
from threephase.phases.labelled_texts import class_losses
from threephase.phases.optimization import Optimization
from threephase.study.settings import Machine, Schedule

MACHINE = Machine("cpu", "fp32", 1)
VOCABULARY, CLASSES = 4, 2


class Encoder(nn.Module):
    """A text's vector stands in a table at its first token."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.tensor([[1.0, 0], [0.6, 0.8], [2, 0], [0, 3]]))
        embeddings = nn.Module()
        embeddings.word_embeddings = nn.Embedding(VOCABULARY, 2)
        self.transformer = nn.Module()
        self.transformer.embeddings = embeddings

    def forward(self, ids, mask, stop_before=None):
        return self.table[ids[:, 0]]


class Decoder(nn.Module):
    """Knows nothing: every token is as likely as any other."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(VOCABULARY))

    def forward(self, transformer, target_ids, memory, predicted):
        return memory.new_zeros(int(predicted.sum()), 2)


def step() -> tuple:
    """Encoder, decoder, head that knows nothing, and a batch of each stream."""
    head = nn.Linear(2, CLASSES)
    for parameter in head.parameters():
        nn.init.zeros_(parameter)
    texts = (torch.tensor([[0, 1], [2, 3]]), None)
    pairs = (torch.tensor([[0], [1]]), None, torch.tensor([0]), torch.tensor([1]), torch.tensor([1.0]))
    labelled = (torch.tensor([[0], [1], [2], [3]]), None, torch.tensor([0, 1, 1, 0]))
    return Encoder(), Decoder(), head, ((texts, texts), pairs, labelled)


def optimization(*modules: nn.Module) -> Optimization:
    return Optimization("a test", modules, Schedule(0.1, 1, 4, 1e-6, 0.0, None), 1)


@pytest.mark.parametrize("pieces", [1, 2])
def test_the_loss_of_a_step_is_the_sum_of_three(pieces):
    encoder, decoder, head, batches = step()
    alone = [
        sum(loss.item() for loss in of_stream(pieces)) for of_stream in losses(encoder, decoder, head, batches, MACHINE)
    ]
    # One of four tokens, a cosine of 0.6 that is to be 1, one of two classes.
    assert alone == pytest.approx([math.log(4), 0.16, math.log(2)])
    total = optimization(encoder, decoder, head).backward(*losses(encoder, decoder, head, batches, MACHINE))
    assert total == pytest.approx(2.23944, abs=1e-5)


def test_the_gradients_add_up():
    encoder, decoder, head, batches = step()
    nn.init.eye_(head.weight)
    gradients = []
    streams = losses(encoder, decoder, head, batches, MACHINE)
    for chosen in (*([stream] for stream in streams[1:]), streams):
        optimization(encoder, decoder, head).backward(*chosen)
        gradients.append(encoder.table.grad.clone())
        encoder.table.grad = None
    assert gradients[0].abs().sum() > 0 and gradients[1].abs().sum() > 0
    assert torch.allclose(gradients[2], gradients[0] + gradients[1])


def test_pieces_of_different_size_make_the_loss_of_the_batch():
    encoder, _, head, (*_, labelled) = step()
    nn.init.eye_(head.weight)
    ids, mask, class_ids = labelled
    of_three = partial(class_losses, encoder, head, (ids[:3], mask, class_ids[:3]), MACHINE)
    (whole,) = of_three(1)
    parts = [loss.item() for loss in of_three(2)]
    assert len(parts) == 2 and sum(parts) == pytest.approx(whole.item())
    # Vectors (1, 0), (0.6, 0.8) and (2, 0) of the classes 0, 1, 1 are the logits.
    by_hand = [math.log1p(math.exp(-1)), math.log1p(math.exp(-0.2)), math.log1p(math.exp(2))]
    assert whole.item() == pytest.approx(sum(by_hand) / 3)
