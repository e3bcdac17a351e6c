"""The phases' computation as one would write it on Hugging Face's models: what the engine is held against."""

import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM

from threephase.model.models import DenoisingDecoder
from threephase.phases.optimization import linear_schedule


class PlainUpdates:
    """Backward, clipping, AdamW and schedule, as torch's documentation writes them."""

    def __init__(
        self,
        modules: Iterable[nn.Module],
        lr: float,
        eps: float,
        total: int,
        warmup: float,
        decay: float,
        clip: float | None,
    ):
        self.parameters = list(dict.fromkeys(weight for module in modules for weight in module.parameters()))
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=lr, eps=eps, weight_decay=decay, foreach=False, fused=False
        )
        self.warmup_steps, self.clip, self.step = math.ceil(warmup * total), clip, 0
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: linear_schedule(step, self.warmup_steps, total)
        )

    def __call__(self, loss: Tensor) -> float:
        """One update; returns the loss."""
        loss.backward()
        if self.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        self.step += 1
        return loss.item()


def without_dropout(model: nn.Module) -> nn.Module:
    """The engine's model with every probability set to 0."""
    for part in model.modules():
        if isinstance(getattr(part, "dropout", None), float):
            part.dropout = 0.0
    return model


def mean_vectors(model: nn.Module, ids: Tensor, mask: Tensor | None) -> Tensor:
    """Mean of the token vectors of Hugging Face's ``model``, (texts, hidden size)."""
    mask = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask
    hidden = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    return torch.stack([row[: int(kept.sum())].mean(0) for row, kept in zip(hidden, mask, strict=True)])


def tied_decoder(folder: Path, encoder: nn.Module, ours: DenoisingDecoder) -> nn.Module:
    """Hugging Face's decoder with the layers of ``encoder`` and what ``ours`` adds to them."""
    config = AutoConfig.from_pretrained(folder, is_decoder=True, add_cross_attention=True)
    writer = AutoModelForCausalLM.from_pretrained(folder, config=config).eval()
    copy_decoder(ours, writer)
    for name, weight in list(encoder.named_parameters()):
        place, _, last = name.rpartition(".")
        setattr(writer.base_model.get_submodule(place), last, weight)
    writer.tie_weights()
    return writer


def copy_decoder(ours: DenoisingDecoder, theirs: nn.Module) -> None:
    """Give a causal language model of Hugging Face the weights that our decoder adds to the encoder's."""
    head = theirs.cls.predictions.transform if hasattr(theirs, "cls") else theirs.lm_head
    layer_norm = head.LayerNorm if hasattr(head, "LayerNorm") else head.layer_norm
    bias = theirs.cls.predictions.bias if hasattr(theirs, "cls") else theirs.lm_head.bias
    head.dense.load_state_dict(ours.dense.state_dict())
    layer_norm.load_state_dict(ours.layer_norm.state_dict())
    with torch.no_grad():
        bias.copy_(ours.bias)
    for cross, layer in zip(ours.cross, theirs.base_model.encoder.layer, strict=True):
        layer.crossattention.self.value.load_state_dict(cross.value.state_dict())
        layer.crossattention.output.load_state_dict(cross.output.state_dict())


def reconstruction_loss(writer: nn.Module, memory: Tensor, ids: Tensor, mask: Tensor | None) -> Tensor:
    """Cross-entropy of the next tokens of the undamaged texts, given one vector a text."""
    logits = writer(input_ids=ids[:, :-1], encoder_hidden_states=memory[:, None], use_cache=False).logits
    predicted = torch.ones_like(ids[:, 1:], dtype=torch.bool) if mask is None else mask[:, 1:]
    return F.cross_entropy(logits[predicted], ids[:, 1:][predicted])
