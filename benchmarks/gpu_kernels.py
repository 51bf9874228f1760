"""The GPU benchmark's first half: the machine's limits, and kernels against them and against torch.

Bytes are those that must move: each map read or written once for each time a kernel needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from benchmarks.gpu_meter import Meter, Row, Sizes
from dinplug import ops

OF_COPY, OVER_EAGER, OVER_COMPILED = 0.8, 2.0, 1.0
SQUEEZE = 4


def limits(meter: Meter, sizes: Sizes) -> tuple[float, float]:
    """A copy's bandwidth in bytes a second, and the rate of matrix products in FLOP a second."""
    source = torch.zeros(sizes.copy_values, dtype=meter.dtype, device=meter.device)
    target = torch.empty_like(source)
    moved = 2 * source.numel() * source.element_size()
    bandwidth = moved / meter.seconds(lambda: target.copy_(source))
    side = sizes.product_side
    a, b = (torch.randn(side, side, dtype=meter.dtype, device=meter.device) for _ in range(2))
    return bandwidth, 2 * side**3 / meter.seconds(lambda: a @ b)


def feature_map(meter: Meter, sizes: Sizes, channels: int | None = None) -> Tensor:
    """A random map, channels-last."""
    size = (1, sizes.map_side, sizes.map_side, channels or sizes.channels)
    return torch.randn(size, dtype=meter.dtype, device=meter.device).permute(0, 3, 1, 2)


def kernel_rows(meter: Meter, sizes: Sizes, bandwidth: float) -> Iterator[Row]:
    """Each memory-bound kernel: share of the copy's bandwidth, and speed over torch."""
    c = sizes.channels
    maps = [feature_map(meter, sizes) for _ in range(4)]
    vector = [torch.randn(c, device=meter.device).to(meter.dtype) for _ in range(3)]

    def layer(outputs: int, inputs: int) -> tuple[Tensor, Tensor]:
        weight = torch.randn(outputs, inputs, 1, 1, device=meter.device) * inputs**-0.5
        return weight.to(meter.dtype), torch.randn(outputs, device=meter.device).to(meter.dtype)

    co_layers = (layer(c, 2 * c), layer(c // SQUEEZE, c), layer(2 * c, c // SQUEEZE))
    cca_layers = (layer(c // SQUEEZE, c), layer(c, c // SQUEEZE), layer(c, c))
    arguments: dict[str, tuple[object, ...]] = {
        "weighted_sum": (maps, [None, *vector], [None] * 4),
        "coattention": (maps[:2], *co_layers),
        "contrast": (maps[0], *cca_layers),
    }
    passes = {"weighted_sum": 5, "coattention": 5, "contrast": 3}
    for name, given in arguments.items():
        operator: Callable[..., Tensor] = getattr(ops, name)
        plain: Callable[..., Tensor] = operator.__wrapped__  # type: ignore[attr-defined]
        compiled = meter.compiled(plain)
        with torch.inference_mode():
            ours = meter.seconds(lambda run=operator, args=given: run(*args))  # type: ignore[misc]
            with ops.plain_torch():
                eager = meter.seconds(lambda run=plain, args=given: run(*args))  # type: ignore[misc]
                inductor = meter.seconds(lambda run=compiled, args=given: run(*args))  # type: ignore[misc]
        moved = passes[name] * maps[0].numel() * maps[0].element_size()
        yield Row(f"{name}: share of copy bandwidth", moved / ours / bandwidth, "", OF_COPY)
        yield Row(f"{name}: over eager torch", eager / ours, "x", OVER_EAGER)
        yield Row(f"{name}: over torch.compile", inductor / ours, "x", OVER_COMPILED)


def dense_rows(meter: Meter, sizes: Sizes) -> Iterator[Row]:
    """Every convolution of DIN's dense block between slices, over concatenation and cuDNN."""
    c, growth = sizes.channels, max(1, sizes.channels // 2)
    side = sizes.map_side // 4 or 1
    small = Sizes(map_side=side, channels=c)
    buffer = feature_map(meter, small, c + 5 * growth)
    for number in range(5):
        inputs = c + number * growth
        weight = torch.randn(growth, inputs, 3, 3, device=meter.device) * (9 * inputs) ** -0.5
        weight = weight.to(meter.dtype).contiguous(memory_format=torch.channels_last)
        parts = [buffer[:, :c].clone(memory_format=torch.channels_last)] + [
            buffer[:, c + k * growth :][:, :growth].clone(memory_format=torch.channels_last)
            for k in range(number)
        ]
        source, out = buffer[:, :inputs], buffer[:, inputs : inputs + growth]

        def eager(parts: list[Tensor] = parts, weight: Tensor = weight) -> Tensor:
            joined = torch.cat(parts, dim=1)
            return ops.activate(torch.nn.functional.conv2d(joined, weight, padding=1), 0.2)

        def ours(x: Tensor = source, weight: Tensor = weight, out: Tensor = out) -> Tensor:
            return ops.dense_conv(x, weight, slope=0.2, out=out)

        with torch.inference_mode():
            gain = meter.seconds(eager) / meter.seconds(ours)
        yield Row(f"dense_conv {inputs} to {growth}: over concatenation", gain, "x", 1.0)


def sweep_rows(meter: Meter, sizes: Sizes, bandwidth: float) -> Iterator[Row]:
    """The weighted sum by each of its configurations: the first should be the best."""
    if meter.is_dry:
        return
    from dinplug.kernels.weighted_sum import CONFIGS, launch_sum

    maps = [feature_map(meter, sizes) for _ in range(4)]
    nothing = [None] * 4
    for config in CONFIGS:
        with torch.inference_mode():
            time = meter.seconds(
                lambda config=config: launch_sum(  # type: ignore[misc]
                    maps, nothing, (0,) * 4, nothing, None, 1.0, None, None, config
                )
            )
        moved = 5 * maps[0].numel() * maps[0].element_size()
        name = f"weighted_sum, {config.values} values by {config.warps} warps: share of copy"
        yield Row(name, moved / time / bandwidth, "")
