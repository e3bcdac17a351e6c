"""About what the hardware could do at most: the time of the bare matrix products of our updates, in their precision.

One operand stands for all of its shape and type, so that some come from the cache where an update reads them from
memory; each product makes a new result, as in an update. The first flatters the limit by a few hundredths.
"""

import time
from collections.abc import Callable, Iterator
from statistics import median

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

OPERANDS = {"mm": slice(0, 2), "bmm": slice(0, 2), "addmm": slice(1, 3), "baddbmm": slice(1, 3)}
ATTENTION = "scaled_dot_product"
REPEATS = 3
Product = tuple[tuple, tuple, tuple, tuple, torch.dtype, torch.device]


class RecordedProducts(TorchDispatchMode):
    """Notes the operands' shapes, strides and type of every matrix product that runs under it."""

    def __init__(self) -> None:
        super().__init__()
        self.products: list[Product] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name in OPERANDS:
            self.products.append(_product(*args[OPERANDS[name]]))
        elif ATTENTION in name:
            backward = "backward" in name
            self.products += _attention_products(*args[1:4] if backward else args[:3], backward)
        return function(*args, **(kwargs or {}))


def _product(left: Tensor, right: Tensor) -> Product:
    return tuple(left.shape), left.stride(), tuple(right.shape), right.stride(), left.dtype, left.device


def _attention_products(query: Tensor, key: Tensor, value: Tensor, backward: bool) -> Iterator[Product]:
    """The products that an attention in one kernel can't avoid: two forward, four more for the three gradients."""
    rows, width = query.flatten(0, 1), key.flatten(0, 1).transpose(1, 2)
    weights = rows.new_empty(len(rows), query.shape[2], key.shape[2])
    for _ in range(2 if backward else 1):
        yield _product(rows, width)
        yield _product(weights, value.flatten(0, 1))


def seconds_of_products(products: list[Product], synchronize: Callable[[], None]) -> float:
    """Seconds that the products take one after another, the median of a few repeats."""
    operands, cache = [], {}
    for left, left_strides, right, right_strides, kind, device in products:
        pair = []
        for place, shape, strides in ((0, left, left_strides), (1, right, right_strides)):
            key = (place, shape, strides, kind)
            if key not in cache:
                numbers = 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
                cache[key] = torch.randn(numbers, dtype=kind, device=device).as_strided(shape, strides)
            pair.append(cache[key])
        operands.append(pair)
    taken = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        for left, right in operands:
            torch.matmul(left, right)
        synchronize()
        taken.append(time.perf_counter() - start)
    return median(taken[1:])
