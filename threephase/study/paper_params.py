"""The parameters of the comparison with the paper, ``paper/params.yaml``."""

from dataclasses import dataclass

from threephase.study.schema import checked, named, not_empty, number

POSITIVE = number(above=0, most=1e9)


def _named_lists(value: dict[str, list[str]]) -> str | None:
    return named([name for names in value.values() for name in names])


def _named_values(value: dict[str, str]) -> str | None:
    return named(list(value.values()))


@dataclass(frozen=True)
class EncoderCost:
    """What an encoder's size makes of time and disk."""

    layer_weights_million: float = checked(POSITIVE)
    vocabulary_weights_million: float = checked(POSITIVE)
    file_mb: float = checked(POSITIVE)


@dataclass(frozen=True)
class DeviceCost:
    """How fast a device trains, and where the figures come from."""

    teraflops: float = checked(POSITIVE)
    updates_per_second: float = checked(POSITIVE)
    source: str = checked(not_empty)


@dataclass(frozen=True)
class Costs:
    """What the plan's estimates are made from."""

    tokens_per_word: float = checked(POSITIVE)
    encoders: dict[str, EncoderCost] = checked(not_empty)
    devices: dict[str, DeviceCost] = checked(not_empty)


@dataclass(frozen=True)
class Paper:
    """``paper/params.yaml``: stand-ins for what the paper has, by their names, and the costs."""

    stand_in_encoders: dict[str, list[str]] = checked(_named_lists)
    stand_in_datasets: dict[str, str] = checked(_named_values)
    costs: Costs
