"""What parameters stand for where one value depends on another: the rules that decide a result."""

from typing import Any

from stages.common.settings import Benchmark, Hyperparameters, Study


def pooling_of(study: Study, encoder: str) -> str:
    """``mean`` or ``cls``: the protocol's pooling for this encoder."""
    return "cls" if study.protocol.pooling == "cls" else study.shared.encoders[encoder].pooling


def selection_metric(benchmark: Benchmark) -> str:
    """What the best epoch is chosen by: macro F1 where the training part is long-tailed, else accuracy."""
    return "accuracy" if benchmark.long_tail_ratio is None else "macro_f1"


def for_variant(settings: Hyperparameters, name: str, variant: str) -> Any:
    """The value of ``lr_classifier`` or ``max_epochs_classifier`` for one variant."""
    value = getattr(settings, name)
    return value[variant] if isinstance(value, dict) else value
