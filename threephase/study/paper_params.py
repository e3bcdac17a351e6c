"""The parameters of the comparison with the paper, ``paper/params.yaml``."""

from dataclasses import dataclass

from threephase.study.schema import checked, not_empty, number


@dataclass(frozen=True)
class EncoderCost:
    """What an encoder's size makes of time and disk."""

    layer_weights_million: float = checked(number(above=0))
    vocabulary_weights_million: float = checked(number(above=0))
    file_mb: float = checked(number(above=0))


@dataclass(frozen=True)
class DeviceCost:
    """How fast a device trains, and where the figures come from."""

    teraflops: float = checked(number(above=0))
    updates_per_second: float = checked(number(above=0))
    source: str = checked(not_empty)


@dataclass(frozen=True)
class Costs:
    """What the plan's estimates are made from."""

    tokens_per_word: float = checked(number(above=0))
    encoders: dict[str, EncoderCost] = checked(not_empty)
    devices: dict[str, DeviceCost] = checked(not_empty)


@dataclass(frozen=True)
class Paper:
    """``paper/params.yaml``: stand-ins for what the paper has, by their names, and the costs."""

    stand_in_encoders: dict[str, list[str]]
    stand_in_datasets: dict[str, str]
    costs: Costs
