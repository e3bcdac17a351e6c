"""Our side: the functions that the stages call, on a work's texts.

Pooling is the paper's mean, and what no time depends on is as in the paper's text.
"""

import dataclasses

import numpy as np
import torch

from performance.work import DELETION_RATIO, LEARNING_RATE, Work
from threephase.model.embedding import embed
from threephase.model.encoder_folder import load_pretrained
from threephase.model.kernels import keep_words, restore_words
from threephase.model.machine import set_up
from threephase.model.models import DenoisingDecoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.classifier import new_classifier, prepare_rows, train_classifier
from threephase.phases.contrastive import PairBatches, train_contrastive
from threephase.phases.denoising import DenoisingBatches, train_denoising
from threephase.phases.pairs import Pairs
from threephase.study.settings import BOTTLENECK, CONTRASTIVE_LAYER, Classifying, Contrastive, Denoising, Machine

SEED, POOLING = 0, "mean"
COMMON = {"lr": LEARNING_RATE, "clip_gradient": 1.0}
DENOISING = {"epochs": 1, "deletion_ratio": DELETION_RATIO, "adam_eps": 1e-6, "warmup": 1 / 2}
CONTRASTIVE = {"epochs": 1, "adam_eps": 1e-6, "warmup": 1 / 3}
CLASSIFYING = {
    "max_epochs": 1, "min_updates": 0, "adam_eps": 1e-8, "warmup": 0.2, "weight_decay": 0.01, "freeze_encoder": False,
    "head_hidden_size": 100, "head_dropout": 0.3, "head_activation": "relu", "stopping": "patience", "patience": 5,
    "selection_metric": "accuracy",
}  # fmt: skip


class Ours:
    """One phase's model, loaded once; calling it does a work and leaves the model trained."""

    def __init__(self, work: Work, machine: Machine):
        set_up(machine)
        torch.manual_seed(SEED)
        self.machine, common = machine, COMMON | {"batch_size": work.batch_size}
        self.denoising = Denoising(**common, **DENOISING)
        self.contrasting = Contrastive(**common, **CONTRASTIVE)
        self.classifying = Classifying(**common, **CLASSIFYING)
        self.encoder = load_pretrained(work.encoder, POOLING)
        config, random = self.encoder.transformer.config, torch.Generator().manual_seed(SEED)
        self.tokenizer = TextTokenizer(work.encoder, config, min(work.max_length, config.max_tokens))
        if work.phase == "dae":
            self.encoder.add_layer(BOTTLENECK, random)
            self.decoder = DenoisingDecoder(config, random).to(machine.device)
        if work.phase == "contrastive":
            self.encoder.add_layer(CONTRASTIVE_LAYER, random)
        self.encoder.to(machine.device)
        if work.phase == "classifier":
            self.sequences = self.tokenizer(work.all_texts)
            classes = int(work.class_ids.max()) + 1
            self.model = new_classifier(self.encoder, classes, self.classifying, SEED).to(machine.device)

    def __call__(self, work: Work) -> None:
        getattr(self, work.phase)(work)

    def dae(self, work: Work) -> None:
        batches = DenoisingBatches(work.texts, self.denoising, self.tokenizer, SEED, self.machine.device)
        train_denoising(self.encoder, self.decoder, batches, self.denoising, self.machine)

    def contrastive(self, work: Work) -> None:
        pairs = Pairs(work.left, work.right, work.similarity)
        batches = PairBatches(work.texts, pairs, self.contrasting, self.tokenizer, SEED, self.machine.device)
        train_contrastive(self.encoder, batches, self.contrasting, self.machine)

    def classifier(self, work: Work) -> None:
        class_ids = torch.from_numpy(work.class_ids).to(self.machine.device)
        all_words = keep_words(self.encoder, self.sequences)
        rows = prepare_rows(work.texts, class_ids, self.model, self.tokenizer, self.machine)
        # The loop scores an epoch; the peers do not, so that one batch stands for the selection rows.
        few = slice(work.batch_size)
        selection = dataclasses.replace(rows, sequences=rows.sequences[few], class_ids=rows.class_ids[few])
        train_classifier(self.model, rows, selection, self.tokenizer, self.classifying, self.machine, SEED)
        restore_words(self.encoder, all_words)

    def embedding(self, work: Work) -> np.ndarray:
        return embed(self.encoder, self.tokenizer(work.texts), self.tokenizer, self.machine).cpu().numpy()
