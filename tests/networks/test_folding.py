"""Each algebraic rewrite equals what it replaces."""

import pytest
import torch
from torch import nn

from dinplug import ops
from dinplug.networks.aidn import AIDB, RFDB, AIDNSpec
from dinplug.networks.coattention import AsyCA
from dinplug.networks.din import DIN, DINSpec
from dinplug.networks.esa import VECTOR, ReducingFusion
from dinplug.networks.folding import fold
from dinplug.networks.stages import Borders, Statistics
from dinplug.networks.upsampler import FoldedUpsampler, Upsampler
from dinplug.networks.wrdb import WRDB, FoldedWRDB

# Both sides are float32 sums of a few thousand products taken in another order; such sums differ
# by the root of the count times the rounding unit of their largest partial sum.
REORDERED = 64 * torch.finfo(torch.float32).eps


def assert_reordered(ours: torch.Tensor, truth: torch.Tensor) -> None:
    """Equal but for the order of summation."""
    assert (ours - truth).abs().max() <= REORDERED * truth.abs().max()


def randomised(module: nn.Module) -> nn.Module:
    """The module with random biases, so that their share shows."""
    for parameter in module.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, -0.5, 0.5)
    return module.eval()


@pytest.mark.parametrize("weighted_links", [True, False])
@pytest.mark.parametrize(("images", "growth"), [(2, 8), (1, 8), (1, 16), (1, 6)])
@pytest.mark.parametrize("blocks", [1, 3])
def test_wrdb(blocks: int, images: int, growth: int, weighted_links: bool) -> None:
    torch.manual_seed(blocks)
    block = WRDB(16, growth, blocks, weighted_links)
    randomised(block)
    x = torch.randn(images, 16, 13, 11)
    with torch.no_grad():
        truth = block(x)
        folded = fold(nn.ModuleList([block]))[0]
        assert isinstance(folded, FoldedWRDB)
        assert_reordered(folded(x), truth)
        assert torch.equal(block(x), truth)


@pytest.mark.parametrize("kind", ["aidb", "rfdb"])
@pytest.mark.parametrize("features", [8, 26, 50])
def test_fusion_and_the_attention_s_first_layer(kind: str, features: int) -> None:
    torch.manual_seed(features)
    spec = AIDNSpec(features=features)
    block = AIDB(spec) if kind == "aidb" else RFDB(features)
    randomised(block)
    x = torch.randn(2, features, 9, 7)
    with torch.no_grad():
        truth = block.distil(x)
        folded = fold(nn.ModuleList([block]))[0]
        assert isinstance(folded, AIDB | RFDB) and isinstance(folded.fuse, ReducingFusion)
        assert len(folded.fuse.bias) % VECTOR == 0
        for ours, plain in zip(folded.distil(x), truth, strict=True):
            assert ours.shape == plain.shape
            assert_reordered(ours, plain)
        assert torch.equal(block.distil(x)[1], truth[1])


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (12, 7)])
@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_linear_upsampler(factor: int, size: tuple[int, int]) -> None:
    torch.manual_seed(factor)
    upsampler = Upsampler(8, factor)
    randomised(upsampler)
    x = torch.randn(1, 8, *size)
    with torch.no_grad():
        folded = upsampler.folded()
        assert isinstance(folded, FoldedUpsampler)
        assert_reordered(folded(x), upsampler(x))


def test_only_the_border_needs_the_original_layers() -> None:
    torch.manual_seed(0)
    upsampler = Upsampler(8, 4)
    randomised(upsampler)
    x = torch.randn(1, 8, 12, 12)
    with torch.no_grad():
        truth, inner = upsampler(x), upsampler.folded()(x, Borders(False, False, False, False))
    assert_reordered(inner[..., 4:-4, 4:-4], truth[..., 4:-4, 4:-4])
    # The composed convolution alone is wrong on the outermost pixels.
    assert (inner - truth).abs().max() > 100 * REORDERED * truth.abs().max()


@pytest.mark.parametrize("states", [2, 3])
def test_asyca_on_means_is_the_papers(states: int) -> None:
    torch.manual_seed(states)
    node = AsyCA(16, 4, states)
    randomised(node)
    maps = tuple(torch.randn(2, 16, 9, 10) for _ in range(states))
    layers = (node.integrate, node.squeeze, node.excite)
    with torch.no_grad():
        literal = ops.coattention(maps, *((layer.weight, layer.bias) for layer in layers))
        short = node.join(maps, node.attention(*(Statistics.of(m, "mean") for m in maps)))
    assert_reordered(short, literal)


def test_asyca_of_one_map_is_the_identity() -> None:
    torch.manual_seed(0)
    node = AsyCA(16, 4)
    randomised(node)
    x = torch.randn(1, 16, 9, 10)
    with torch.no_grad():
        statistics = Statistics.of(x, "mean")
        assert_reordered(node.join((x, x), node.attention(statistics, statistics)), x)


@pytest.mark.parametrize("images", [1, 2])
def test_channel_attention_folds_into_the_next_1x1(images: int) -> None:
    torch.manual_seed(images)
    x, scale = torch.randn(images, 12, 7, 5), torch.rand(images, 12)
    weight, bias = torch.randn(9, 12, 1, 1), torch.randn(9)
    truth = torch.nn.functional.conv2d(x * scale[:, :, None, None], weight, bias)
    with torch.no_grad():
        assert_reordered(ops.scaled_conv1x1(x, scale, weight, bias), truth)


def test_a_folded_network_leaves_the_original_trainable() -> None:
    network = DIN(DINSpec(strided=True, branches=2, depth=2, blocks=1, features=8, growth=4))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold(network)
    assert not any(p.requires_grad for p in folded.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    network(torch.rand(1, 3, 16, 16)).sum().backward()
    assert network.head.conv.weight.grad is not None  # type: ignore[union-attr]
