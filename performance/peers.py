"""What a user would pick instead, as its documentation shows it (``default``) and at its best settings (``best``).

``best``: bf16 where ours runs in it, and batches grouped by length; their fused optimizer is their default already. Of
SetFit bf16 alone, as its sampler makes the batches, and by torch's autocast, as its ``use_amp`` comes too late to have
an effect. Embedding takes torch's backend, the weights in bf16, and batches of the size that was fastest.
"""

import random
import tempfile
from collections.abc import Callable
from functools import partial

import numpy as np

from performance.work import DELETION_RATIO, LEARNING_RATE, Work
from threephase.study.settings import Machine

PEERS = {
    "dae": ("sentence-transformers",),
    "contrastive": ("sentence-transformers", "setfit"),
    "classifier": ("transformers",),
    "embedding": ("sentence-transformers",),
}
SETTINGS = ("default", "best")
BEST_ENCODE_BATCH, BEST_ENCODE_BATCH_ON_CPU = 128, 64
MOST_SETFIT_ROWS = 500
GROUPED_BATCHES = 50  # those that transformers sorts together by length where there are 200 and more


def make_peer(name: str, setting: str, work: Work, machine: Machine) -> Callable[[Work], object]:
    """A function that does a work with the peer, its model loaded once."""
    best = setting == "best"
    bf16 = best and machine.precision == "bf16"
    if name == "setfit":
        return _setfit(work, bf16, machine.device)
    if name == "transformers":
        return _transformers(work, best, bf16, machine.device)
    return _sentence_transformers(work, best, bf16, machine.device)


def _sentence_transformers(work: Work, best: bool, bf16: bool, device: str) -> Callable[[Work], object]:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import losses

    embeds = work.phase == "embedding"
    weights = {"model_kwargs": {"dtype": torch.bfloat16}} if embeds and bf16 else {}
    model = SentenceTransformer(str(work.encoder), device=device, **weights)
    model.max_seq_length = min(work.max_length, model.max_seq_length)
    if embeds:
        size = {"batch_size": BEST_ENCODE_BATCH_ON_CPU if device == "cpu" else BEST_ENCODE_BATCH} if best else {}
        return lambda given: model.encode(given.texts, show_progress_bar=False, **size)
    # Its decoder stays in evaluation mode, as the trainer leaves it: no dropout there, where ours has some.
    make_loss = {"dae": losses.DenoisingAutoEncoderLoss, "contrastive": losses.CosineSimilarityLoss}
    loss = make_loss[work.phase](model)
    return lambda given: _train_sentence_transformer(model, loss, given, best, bf16)


def _train_sentence_transformer(model, loss, work: Work, best: bool, bf16: bool) -> None:
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments

    if work.phase == "dae":
        chance = random.Random(0)
        dataset = Dataset.from_dict({"noisy": [without_words(text, chance) for text in work.texts], "text": work.texts})
    else:
        left, right = ([work.texts[i] for i in rows] for rows in (work.left, work.right))
        dataset = Dataset.from_dict({"text_a": left, "text_b": right, "score": work.similarity})
    grouped = {"batch_sampler": _grouped_by_length} if best else {}
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(**_arguments(folder, work, bf16, model.device.type), **grouped)
        SentenceTransformerTrainer(model=model, args=arguments, train_dataset=dataset, loss=loss).train()


def _grouped_by_length(dataset, batch_size: int, drop_last: bool, valid_label_columns, generator, **_):
    from sentence_transformers.base.sampler import DefaultBatchSampler

    texts = [dataset[name] for name in dataset.column_names if name not in valid_label_columns]
    lengths = [max(map(len, row)) for row in zip(*texts, strict=True)]
    sampler = length_grouped_sampler(batch_size, lengths, generator)
    return DefaultBatchSampler(sampler, batch_size=batch_size, drop_last=drop_last)


def length_grouped_sampler(batch_size: int, lengths: list[int], generator=None):
    """The sampler of transformers, grouping as in a long training: where batches are few it sorts fewer at once."""
    from transformers.trainer_pt_utils import LengthGroupedSampler, get_length_grouped_indices

    class Sampler(LengthGroupedSampler):
        def __iter__(self):
            return iter(get_length_grouped_indices(self.lengths, self.batch_size, GROUPED_BATCHES, self.generator))

    return Sampler(batch_size, lengths=lengths, generator=generator)


def without_words(text: str, chance: random.Random) -> str:
    """The noise of phase 1 as one would write it for the peer: every word deleted by chance, at least one kept."""
    words = text.split()
    kept = [word for word in words if chance.random() >= DELETION_RATIO]
    return " ".join(kept or [chance.choice(words)])


def _setfit(work: Work, bf16: bool, device: str) -> Callable[[Work], object]:
    """The contrastive phase of SetFit alone, at its defaults but for batch size and number of updates."""
    import torch
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    model = SetFitModel.from_pretrained(str(work.encoder), device=device)
    model.model_body.max_seq_length = min(work.max_length, model.model_body.max_seq_length)
    # It lists all pairs of the rows that it is given, 12 million of 4,000. The same few in each work, of whose pairs it
    # draws a small part, are set-up and short.
    rows = np.unique(np.concatenate([work.left, work.right]))
    rows = np.random.default_rng(0).permutation(rows)[:MOST_SETFIT_ROWS]
    texts, class_ids = [work.texts[row] for row in rows], work.class_ids[rows].tolist()

    def train(given: Work) -> None:
        steps = -(-given.examples // given.batch_size)
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder, batch_size=given.batch_size, max_steps=steps, report_to="none", save_strategy="no",
                show_progress_bar=False, logging_strategy="no",
            )  # fmt: skip
            dataset = Dataset.from_dict({"text": texts, "label": class_ids})
            trainer = Trainer(model=model, args=arguments, train_dataset=dataset)
            # Around each forward pass anew, as autocast keeps the weights that it has cast.
            trainer.st_trainer.compute_loss_context_manager = partial(
                torch.autocast, device, torch.bfloat16, enabled=bf16
            )
            trainer.train_embeddings(texts, class_ids, args=arguments)

    return train


def _transformers(work: Work, best: bool, bf16: bool, device: str) -> Callable[[Work], object]:
    import transformers
    from datasets import Dataset

    class GroupingTrainer(transformers.Trainer):
        def _get_train_sampler(self, dataset):
            return length_grouped_sampler(self.args.train_batch_size, [len(ids) for ids in dataset["input_ids"]])

    classes = int(work.class_ids.max()) + 1
    model = transformers.AutoModelForSequenceClassification.from_pretrained(str(work.encoder), num_labels=classes)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(work.encoder))
    longest = min(work.max_length, model.config.max_position_embeddings)

    collator = transformers.DataCollatorWithPadding(tokenizer)
    make_trainer = GroupingTrainer if best else transformers.Trainer

    def tokenized(rows: dict) -> dict:
        return tokenizer(rows["text"], truncation=True, max_length=longest)

    def train(given: Work) -> None:
        dataset = Dataset.from_dict({"text": given.texts, "label": given.class_ids})
        dataset = dataset.map(tokenized, batched=True, remove_columns="text")
        with tempfile.TemporaryDirectory() as folder:
            arguments = transformers.TrainingArguments(**_arguments(folder, given, bf16, device))
            make_trainer(model=model, args=arguments, train_dataset=dataset, data_collator=collator).train()

    return train


def _arguments(folder: str, work: Work, bf16: bool, device: str) -> dict[str, object]:
    """What the trainers of both libraries are told: the work, and nothing that only writes."""
    return {
        "output_dir": folder, "num_train_epochs": 1, "per_device_train_batch_size": work.batch_size,
        "learning_rate": LEARNING_RATE, "save_strategy": "no", "logging_strategy": "no", "report_to": "none",
        "disable_tqdm": True, "use_cpu": device == "cpu", "bf16": bf16,
    }  # fmt: skip
