"""Contrastive pairs, and beside them two views of each text that differ in some word pieces.

Source: CoSeRec of Liu et al. 2021, https://arxiv.org/abs/2108.06479, and its code, for sequential recommendation; its
items are our word pieces. Loss: phase 2's of the pairs, in place of the source's task, + ``weight`` x InfoNCE of the
views (equation 12 in the code's words). A view is made in one of three ways, at random, for a share of the pieces:
substitution by the most similar piece, insertion of it before the piece, or masking. ``similar_pieces`` says what is
similar: the larger of co-occurrence in the training texts and similarity of the word vectors.
Ours: sentence vectors in the loss (the source: whole sequences) at a stated temperature; a mask token (there:
padding); the word vectors of the start throughout (there: from a certain epoch on those of each epoch); neither
cropping nor reordering, which the source has for long sequences. What an insertion pushes beyond the encoder's limit is
cut off. InfoNCE knows no classes. Cost: each side of a pair three times, and the table of similar pieces.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor

from threephase.base.errors import UserError
from threephase.data.randomness import generator
from threephase.model.kernels import keep_words, restore_words
from threephase.model.machine import autocast
from threephase.model.models import SentenceEncoder
from threephase.model.tokens import TextTokenizer
from threephase.phases.contrastive import pair_losses
from threephase.phases.optimization import Optimization
from threephase.phases.similar_pieces import most_similar
from threephase.phases.streams import paired_texts
from threephase.phases.training_run import TrainingRun
from threephase.phases.views import info_nce
from threephase.study.schema import checked, number
from threephase.study.settings import CONTRASTIVE_LAYER, Schedule, Streams

MASKS = ("[MASK]", "<mask>")


@dataclass(frozen=True)
class Settings(Schedule):
    """``substitution``, ``insertion``, ``masking``: the share of a text's pieces, of the first two at least one."""

    weight: float = checked(number(least=0))
    temperature: float = checked(number(above=0))
    substitution: float = checked(number(above=0, most=1))
    insertion: float = checked(number(above=0, most=1))
    masking: float = checked(number(above=0, most=1))

    def cost(self, streams: Streams) -> tuple[float, float]:
        return streams.pairs, 6 * streams.pairs


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    run.add_layer(encoder, CONTRASTIVE_LAYER)
    batches = paired_texts(run, tokenizer)
    views = Views(batches.sequences, encoder, tokenizer, settings, generator(run.seed, "views"))
    encoder.train()
    all_words = keep_words(encoder, [*batches.sequences, np.array([views.mask])])
    optimization = Optimization(run.stage, [encoder], settings, len(batches))

    def losses(batch: tuple, padded: list[tuple], pieces: int) -> Iterator[Tensor]:
        yield from pair_losses(encoder, batch, run.machine, pieces)
        with autocast(run.machine):
            first, second = (encoder(*view) for view in padded)
        yield settings.weight * info_nce(first, second, settings.temperature)

    for batch in batches:
        padded = [tokenizer.pad(views(*batch[:2]), run.machine.device) for _ in range(2)]
        loss = optimization.backward(partial(losses, batch, padded))
        optimization.log(loss, optimization.step())
    restore_words(encoder, all_words)
    return optimization, 3 * batches.sequence_updates


class Views:
    """Draws a view of each text of a batch; all texts begin and end with a special token, which stays."""

    def __init__(
        self,
        sequences: list[np.ndarray],
        encoder: SentenceEncoder,
        tokenizer: TextTokenizer,
        settings: Settings,
        random: np.random.Generator,
    ):
        """``sequences``: the token ids of all texts; ``encoder``: whose word vectors tell what is similar."""
        words = encoder.transformer.embeddings.word_embeddings.weight.detach().cpu()
        self.similar = most_similar([ids[1:-1] for ids in sequences], words)
        self.mask, self.longest, self.random = mask_of(tokenizer), tokenizer.max_length, random
        self.ways = {
            "substitution": partial(substituted, share=settings.substitution, similar=self.similar),
            "insertion": partial(inserted, share=settings.insertion, similar=self.similar),
            "masking": partial(masked, share=settings.masking, mask=self.mask),
        }

    def __call__(self, ids: Tensor, mask: Tensor | None) -> list[np.ndarray]:
        lengths = [ids.shape[1]] * len(ids) if mask is None else mask.sum(dim=1).tolist()
        texts = [row[:length] for row, length in zip(ids.cpu().numpy(), lengths, strict=True)]
        ways = list(self.ways)
        return [self.of_text(text, ways[self.random.integers(len(ways))]) for text in texts]

    def of_text(self, text: np.ndarray, way: str) -> np.ndarray:
        """A view of token ids made in one of the ``ways``; a text without pieces is its own."""
        if len(text) <= 2:
            return text
        inner = self.ways[way](text[1:-1], random=self.random)[: self.longest - 2]
        return np.concatenate([text[:1], inner, text[-1:]])


def mask_of(tokenizer: TextTokenizer) -> int:
    """The id of the encoder's mask token; refuses an encoder without one."""
    known = [number for name in MASKS if (number := tokenizer.tokenizer.token_to_id(name)) is not None]
    if not known:
        raise UserError(f"robust_augmentation: got an encoder without a mask token, expected {' or '.join(MASKS)}")
    return known[0]


def substituted(pieces: np.ndarray, share: float, similar: np.ndarray, random: np.random.Generator) -> np.ndarray:
    places = random.choice(len(pieces), max(1, int(share * len(pieces))), replace=False)
    changed = pieces.copy()
    changed[places] = similar[pieces[places]]
    return changed


def inserted(pieces: np.ndarray, share: float, similar: np.ndarray, random: np.random.Generator) -> np.ndarray:
    places = random.choice(len(pieces), max(1, int(share * len(pieces))), replace=False)
    return np.insert(pieces, places, similar[pieces[places]])


def masked(pieces: np.ndarray, share: float, mask: int, random: np.random.Generator) -> np.ndarray:
    changed = pieces.copy()
    changed[random.choice(len(pieces), int(share * len(pieces)), replace=False)] = mask
    return changed
