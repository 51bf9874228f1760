"""Layers shared by the networks: convolution with activation, sub-pixel upsampling."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from dinplug import ops
from dinplug.networks import shrinking


class Conv(nn.Conv2d):
    """A convolution that keeps the size ("same" zero padding unless stated), then an activation.

    `slope` is the leaky ReLU's negative slope: 0 is a ReLU, None no activation at all.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int] = 3,
        *,
        slope: float | None = None,
        stride: int = 1,
        padding: int | tuple[int, int] | None = None,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        same = (sides[0] // 2, sides[1] // 2) if padding is None else padding
        super().__init__(inputs, outputs, sides, stride, same, groups=groups, bias=bias)
        self.slope = slope

    def forward(self, x: Tensor | Sequence[Tensor], added: Sequence[Tensor] = ()) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H', W'); maps `added` join before activation.

        Of several maps of a chain their channels, as large as the last one.
        """
        assert not isinstance(self.padding, str)
        sides, (down, across) = self.padding, self.stride
        if not isinstance(x, Tensor):
            x = [shrinking.middle(part, x[-1]) for part in x]
        window = x if isinstance(x, Tensor) else x[-1]
        before, after = shrinking.kept_padding((sides[0], sides[1]))
        return ops.convolve(
            x,
            self.weight,
            self.bias,
            stride=(down, across),
            padding=before,
            padding_after=after,
            groups=self.groups,
            slope=self.slope,
            added=[shrinking.middle(y, window, lost=(sides[0], sides[1])) for y in added],
        )


class SubPixelConv(nn.Module):
    """A convolution to factor² times the channels, rearranged to a factor times finer grid."""

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.conv = Conv(inputs, outputs * factor * factor)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, factor·H, factor·W)."""
        return F.pixel_shuffle(self.conv(x), self.factor)


def enlarge(image: Tensor, factor: int, mode: str = "bilinear") -> Tensor:
    """Enlarge (N, C, H, W) by a whole factor, corners not aligned; `mode` bilinear or bicubic."""
    # The size, not the factor: torch's bicubic with a factor sizes its result by a float.
    height, width = image.shape[-2:]
    size = (factor * height, factor * width)
    return F.interpolate(image, size=size, mode=mode, align_corners=False)


ENLARGE_REACH = {"bilinear": 1, "bicubic": 2}
"""How many input pixels away `enlarge` looks."""
