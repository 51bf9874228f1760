"""Run every kernel against its definition in float64, and write each error over its bound.

    TRITON_INTERPRET=1 python -m tests.kernels.agreement cpu float32

Triton's interpreter has to be chosen before Triton is imported, so this is a program of its own.
Undefined memory is NaN, and windows lie in buffers of NaN: a value left out, or read or written
beyond the window, shows.
"""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from tests.kernels import bounds
from tests.kernels.bounds import Tracked

CASES = {
    "float32": (
        ((1, 1, 1, 1), "window"), ((2, 5, 3, 7), "window"), ((2, 5, 3, 7), "planes"),
        ((1, 24, 11, 5), "channels-last"), ((3, 64, 1, 5), "window"), ((1, 200, 2, 3), "window"),
    ),
    "float16": (((2, 5, 3, 7), "window"), ((1, 64, 4, 5), "channels-last")),
    "bfloat16": (((2, 5, 3, 7), "window"), ((1, 64, 4, 5), "channels-last")),
}  # fmt: skip
"""Shapes (N, C, H, W), and how the maps lie in memory, for each type."""
OPERATORS = (
    "weighted_sum", "rescaled_sum", "channel_means", "channel_moments", "coattention_weights",
    "coattention", "contrast_gate", "contrast", "dense_conv",
)  # fmt: skip
STATES = 3
SLOPE, FACTOR = 0.2, 0.1
Shape = tuple[int, int, int, int]
plain_empty, plain_empty_like = torch.empty, torch.empty_like


def poison() -> None:
    """Let new memory be NaN, in this process."""

    def filled(make: Callable[..., Tensor], *args: object, **kwargs: object) -> Tensor:
        values = make(*args, **kwargs)
        return values.fill_(float("nan")) if values.is_floating_point() else values

    torch.empty = partial(filled, plain_empty)
    torch.empty_like = partial(filled, plain_empty_like)


class Maker:
    """Random tensors of one case: shape, layout, type and device."""

    def __init__(self, shape: Shape, layout: str, dtype: torch.dtype, device: str) -> None:
        self.shape, self.layout, self.dtype, self.device = shape, layout, dtype, device
        torch.manual_seed(sum(shape))

    def values(self, *size: int) -> Tensor:
        """Small random numbers in float32, as statistics and trained weights have."""
        return torch.randn(*size, device=self.device)

    def room(self, channels: int) -> Tensor:
        """A map of NaN of the case's layout; a window leaves a border and channels around it."""
        n, _, h, w = self.shape
        border = 1 if self.layout == "window" else 0
        size = (n, h + 2 * border, w + 2 * border, channels + 16 * border)
        if self.layout == "planes":
            size = (n, channels, h, w)
        whole = torch.full(size, float("nan"), dtype=self.dtype, device=self.device)
        if self.layout == "planes":
            return whole
        inner = whole[:, border : border + h, border : border + w, 8 * border :]
        return inner[..., :channels].permute(0, 3, 1, 2)

    def map(self, channels: int | None = None) -> Tensor:
        """A random map of the case's layout."""
        room = self.room(self.shape[1] if channels is None else channels)
        return room.copy_(self.values(*room.shape))

    def layer(self, outputs: int, inputs: int, side: int = 1) -> tuple[Tensor, Tensor]:
        """Weight and bias of a convolution, in the case's type."""
        scale = (inputs * side * side) ** -0.5
        weight = self.values(outputs, inputs, side, side) * scale
        return weight.to(self.dtype), self.values(outputs).to(self.dtype)


def cases(operator: str, maker: Maker) -> Iterator[tuple[Tensor, Tracked]]:
    """Yield what the kernel gives, and the truth with its bound."""
    kernel = getattr(importlib.import_module("dinplug.kernels"), operator)
    if operator == "weighted_sum":
        yield from weighted_sums(maker, kernel)
    elif operator.startswith("coattention"):
        yield from coattentions(maker, kernel, is_whole=operator == "coattention")
    elif operator == "contrast_gate":
        yield gate_case(maker, kernel)
    elif operator == "contrast":
        yield contrast_case(maker, kernel)
    elif operator == "dense_conv":
        yield from convolutions(maker, kernel)
    else:
        maps = [maker.map() for _ in range(STATES)]
        n, c, _, _ = maker.shape
        if operator == "rescaled_sum":
            attention = torch.rand(n, STATES, c, device=maker.device)
            yield kernel(maps, attention), bounds.rescaled_sum(maps, Tracked.exactly(attention))
        elif operator == "channel_means":
            yield kernel(maps), bounds.moments(maps)[0]
        else:
            got = kernel(maps[0])
            for row, moment in enumerate(bounds.moments(maps[:1])):
                yield got[:, row], moment.column(0)


def weighted_sums(maker: Maker, kernel: Callable[..., Tensor]) -> Iterator[tuple[Tensor, Tracked]]:
    """Plain; with every option, into a window; and over the first input."""
    c = maker.shape[1]
    maps = [maker.map() for _ in range(STATES)]
    weights = [None, maker.values(c), maker.values(c).to(maker.dtype)]
    biases = [None, maker.values(c), None]
    yield kernel(maps, weights, biases), bounds.weighted_sum(maps, weights, biases)
    residual, out = maker.map(), maker.room(c)
    options = {"slope": SLOPE, "factor": FACTOR, "residual": residual}
    truth = bounds.weighted_sum(maps, weights, biases, SLOPE, FACTOR, residual)
    yield kernel(maps, weights, biases, out=out, **options), truth
    yield kernel(maps, weights, biases, out=maps[0], **options), truth


def coattentions(
    maker: Maker, kernel: Callable[..., Tensor], *, is_whole: bool
) -> Iterator[tuple[Tensor, Tracked]]:
    """The weights from means, or the whole from maps, which gives the same bits every time."""
    n, c, _, _ = maker.shape
    squeezed = max(1, c // 4)
    sizes = ((c, STATES * c), (squeezed, c), (STATES * c, squeezed))
    layers = [maker.layer(*size) for size in sizes]
    if not is_whole:
        means = maker.values(n, STATES, c)
        yield kernel(means, *layers), bounds.coattention_weights(Tracked.exactly(means), layers)
        return
    maps = [maker.map() for _ in range(STATES)]
    attention = bounds.coattention_weights(bounds.moments(maps)[0], layers)
    first = kernel(maps, *layers)
    yield first, bounds.rescaled_sum(maps, attention)
    yield kernel(maps, *layers) - first, Tracked.exactly(torch.zeros_like(first))


def gate_case(maker: Maker, kernel: Callable[..., Tensor]) -> tuple[Tensor, Tracked]:
    """The gate from given moments."""
    n, c, _, _ = maker.shape
    layers = (maker.layer(max(1, c // 4), c), maker.layer(c, max(1, c // 4)))
    mean, variance = maker.values(n, c), maker.values(n, c).square()
    truth = bounds.contrast_gate(Tracked.exactly(mean), Tracked.exactly(variance), layers)
    return kernel(torch.stack([mean, variance], dim=1), *layers), truth


def contrast_case(maker: Maker, kernel: Callable[..., Tensor]) -> tuple[Tensor, Tracked]:
    """Contrast attention and the 1x1 after it."""
    c = maker.shape[1]
    layers = (maker.layer(max(1, c // 4), c), maker.layer(c, max(1, c // 4)))
    following, x = maker.layer(c + 1, c), maker.map()
    mean, variance = (moment.column(0) for moment in bounds.moments([x]))
    gate = bounds.contrast_gate(mean, variance, layers)
    return kernel(x, *layers, following), bounds.scaled_conv(x, gate, following)


def convolutions(maker: Maker, kernel: Callable[..., Tensor]) -> Iterator[tuple[Tensor, Tracked]]:
    """Cases of dense_conv: into a new map, within one buffer, and in every configuration."""
    module = importlib.import_module("dinplug.kernels.dense_conv")
    c = maker.shape[1]
    grown = max(1, c // 2)
    weight, bias = maker.layer(grown, c, 3)
    buffer = maker.room(c + grown)
    x, out = buffer[:, :c], buffer[:, c:]
    x.copy_(maker.values(*x.shape))
    before = x.clone()
    truth = bounds.convolution(x, weight, bias, SLOPE)
    yield kernel(x, weight, bias, slope=SLOPE, out=out), truth
    yield x, Tracked.exactly(before)
    yield kernel(x, weight), bounds.convolution(x, weight, None, None)
    for config in module.CONFIGS:
        yield module.launch_conv(x, weight, bias, SLOPE, out, config), truth


def worst(operator: str, shape: Shape, layout: str, dtype: torch.dtype, device: str) -> float:
    """The largest error over its bound in this case; above 1 something is wrong."""
    moments = importlib.import_module("dinplug.kernels.moments")
    # Small blocks and few strips, so that small maps too have several of both.
    for name, value in {"VALUES": 256, "MOST_PARTS": 3, "MERGED": 2}.items():
        setattr(moments, name, value)
    maker = Maker(shape, layout, dtype, device)
    return max(truth.excess(got) for got, truth in cases(operator, maker))


def main(device: str, type_name: str) -> None:
    """Write a JSON object of "operator shape layout" and error over bound."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_num_threads(1)
    poison()
    dtype = getattr(torch, type_name)
    with torch.inference_mode():
        found = {
            name_of(operator, shape, layout): worst(operator, shape, layout, dtype, device)
            for operator in OPERATORS
            if runs_here(operator, dtype, device)
            for shape, layout in CASES[type_name]
        }
    sys.stdout.write(json.dumps(found) + "\n")


def runs_here(operator: str, dtype: torch.dtype, device: str) -> bool:
    """Whether it makes sense: the interpreter's products of bfloat16 matrices are wrong."""
    return device != "cpu" or operator != "dense_conv" or dtype != torch.bfloat16


def name_of(operator: str, shape: Shape, layout: str) -> str:
    """How a case is called in the output and in test ids."""
    return f"{operator} {'x'.join(map(str, shape))} {layout}"


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
