"""Cross-entropy on the target's texts and on another labelled data set's together: one encoder, one head a data set.

Loss: cross-entropy of a target batch + cross-entropy of an upstream batch of the same size, each behind a linear head
of its own. Source: co-finetuning of Arnab et al. 2022, https://arxiv.org/abs/2207.03807, which trains on upstream and
downstream sets at the same time in place of one after the other. How it draws from the sets we take from none of its
text: a batch of each in every step, with equal weights and a class-balanced one of the target, is ours.
Changed for texts: the pre-trained encoder has never seen the upstream labels, where its networks begin with those.
Both heads are thrown away: phase 3 begins a new one, as behind every other method.
Cost: a target and an upstream text for each labelled text of an epoch.
"""

from dataclasses import dataclass
from functools import partial

from torch import nn

from threephase.data.randomness import torch_generator
from threephase.model.kernels import keep_words, restore_words
from threephase.model.models import SentenceEncoder, linear
from threephase.model.tokens import TextTokenizer
from threephase.phases.labelled_texts import BalancedBatches, class_losses
from threephase.phases.optimization import Optimization
from threephase.phases.other_texts import OtherTexts
from threephase.phases.training_run import TrainingRun
from threephase.study.settings import Schedule, Streams


@dataclass(frozen=True)
class Settings(Schedule):
    """``batch_size``: of each of the two sets."""

    def cost(self, streams: Streams) -> tuple[float, float]:
        texts = self.epochs * streams.labelled
        return texts, 2 * texts


def train_encoder(run: TrainingRun, encoder: SentenceEncoder, tokenizer: TextTokenizer, settings: Settings) -> tuple:
    target = BalancedBatches(run, tokenizer, settings)
    upstream = OtherTexts(run, tokenizer, settings.batch_size)
    heads = [
        linear(encoder.hidden_size, len(of.classes), torch_generator(run.seed, f"initial head of {name}"))
        for name, of in (("target", run), ("upstream", upstream))
    ]
    model = nn.ModuleList([encoder, *heads]).to(run.machine.device).train()
    all_words = keep_words(encoder, [*target.sequences, *upstream.sequences])
    optimization = Optimization(run.stage, model, settings, len(target))
    for batches in zip(target, upstream, strict=False):
        losses = [
            partial(class_losses, encoder, head, batch, run.machine) for head, batch in zip(heads, batches, strict=True)
        ]
        loss = optimization.backward(*losses)
        optimization.log(loss, optimization.step())
    restore_words(encoder, all_words)
    return optimization, target.sequence_updates + upstream.sequence_updates
