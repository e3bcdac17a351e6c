"""A training of a method on pairs of a tiny encoder's texts, without a project around it."""

from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
from tiny_encoder import TEXTS

from threephase.data.randomness import torch_generator
from threephase.model.encoder_folder import load_pretrained
from threephase.model.kernels import seed_dropout
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.study.settings import BOTTLENECK, Contrastive, Machine, Schedule

MACHINE = Machine("cpu", "fp32", 1)
# As tiny_contrastive has it, for a method's settings.
SCHEDULE = {"lr": 5e-3, "epochs": 2, "batch_size": 4, "adam_eps": 1e-6, "warmup": 1 / 3, "clip_gradient": 1.0}
LABELS = ["fruit"] * 4 + ["metal"] * 4


class MethodRun(SimpleNamespace):
    """As much of a ``TrainingRun`` as a method that reads pairs asks for: eight texts of two classes."""

    def __init__(self, own: Schedule):
        """``own``: the method's settings, whose schedule phase 2's settings have."""
        schedule = {field.name: getattr(own, field.name) for field in fields(Contrastive)}
        pairs = SimpleNamespace(imbalance="normal", as_many_as=None)
        settings = SimpleNamespace(pairs=pairs, contrastive=Contrastive(**schedule))
        super().__init__(
            stage="train_method", variant="toy", seed=0, machine=MACHINE, classes=sorted(set(LABELS)), settings=settings
        )

    def contrastive_rows(self, imbalance: str, _: TextTokenizer) -> pd.DataFrame:
        assert imbalance == "normal"
        return pd.DataFrame({"text": TEXTS, "label": LABELS})

    def add_layer(self, encoder: SentenceEncoder, name: str) -> None:
        encoder.add_layer(name, torch_generator(self.seed, f"initial {name}"))


def start_of(folder: Path, *, behind_phase_1: bool = False) -> tuple[SentenceEncoder, TextTokenizer]:
    """A tiny encoder and its tokenizer, dropout seeded as a stage does it right before the training."""
    encoder = load_pretrained(folder, "mean")
    if behind_phase_1:
        encoder.add_layer(BOTTLENECK, torch_generator(1, "initial bottleneck"))
    seed_dropout(0, "dropout encoder")
    return encoder, TextTokenizer(folder, encoder.transformer.config, 32)
