"""IMDN and IMDN_AS against the authors' weights and outputs."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from dinplug import ops
from dinplug.inference.run import NetworkRunner, RunOptions
from dinplug.networks.imdn import IMDB, IMDN, ContrastAttention, IMDNSpec, recognise
from dinplug.networks.stages import Statistics, total_parameters
from tests.networks import golden

PARAMETERS = {2: 694_404, 3: 703_059, 4: 715_176}


@pytest.mark.parametrize("scale", PARAMETERS)
def test_parameters(scale: int) -> None:
    assert total_parameters(IMDN(IMDNSpec(scale))) == PARAMETERS[scale]


def test_parameters_of_the_adaptive_network() -> None:
    assert total_parameters(IMDN(IMDNSpec(1, adaptive=True))) == 752_104


def test_a_block_fewer_is_the_ablation_of_the_paper() -> None:
    # IMDN_B4, four blocks at x4: 499K in the paper.
    assert total_parameters(IMDN(IMDNSpec(4, blocks=4))) == 498_944


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"collects": False}, 482_496),
        ({"collects": False, "contrast_attention": False}, 480_176),
        ({"collects": False, "contrast_attention": False, "progressive": False}, 509_552),
    ],
)
def test_parameters_of_the_ablations(fields: dict[str, bool], count: int) -> None:
    # 482K, 480K and 510K in the paper.
    assert total_parameters(IMDN(IMDNSpec(4, blocks=4, **fields))) == count


def test_a_plain_block_is_three_convolutions_and_its_input() -> None:
    torch.manual_seed(0)
    spec = IMDNSpec(2, features=16, blocks=1, progressive=False, contrast_attention=False)
    block = IMDB(spec)
    x = torch.rand(1, 16, 6, 6)
    chain = []
    for conv in block.distils:
        assert isinstance(conv, nn.Conv2d)
        chain.append((conv.weight, conv.bias))
    inner = F.leaky_relu(F.conv2d(x, *chain[0], padding=1), 0.05)
    inner = F.leaky_relu(F.conv2d(inner, *chain[1], padding=1), 0.05)
    expected = x + F.conv2d(inner, *chain[2], padding=1)
    assert torch.allclose(block.finish(block.distil(x), None, x), expected, atol=1e-6)


@pytest.mark.parametrize("scale", PARAMETERS)
@pytest.mark.parametrize("case", ["a", "b"])
def test_output_equals_released(shared: Path, scale: int, case: str) -> None:
    network = golden.released_network(shared, f"IMDN_x{scale}.pth")
    arrays = golden.arrays(shared, f"imdn_x{scale}")
    with golden.as_released():
        output = network(golden.picture(arrays[f"{case}_in"]))
    assert golden.largest_difference(output, arrays[f"{case}_out"]) <= golden.ROUNDING


@pytest.mark.parametrize("scale", PARAMETERS)
def test_a_run_is_the_released_output_to_two_thousandths_of_a_level(
    shared: Path, scale: int
) -> None:
    network = golden.released_network(shared, f"IMDN_x{scale}.pth")
    arrays = golden.arrays(shared, f"imdn_x{scale}")
    output = NetworkRunner(network, RunOptions(device="cpu")).run(golden.picture(arrays["a_in"]))
    assert golden.largest_difference(output, arrays["a_out"]) <= 0.002 / 255


def test_adaptive_output_equals_released(shared: Path) -> None:
    network = golden.released_network(shared, "IMDN_AS.pth")
    arrays = golden.arrays(shared, "imdn_as")
    maps = golden.all_maps(network, golden.picture(arrays["a_in"]))
    assert golden.largest_difference(maps["output"], arrays["a_out"]) <= golden.ROUNDING
    found = {"a_fea_conv": maps["H"], "a_IMDB1": maps["X1"]}
    golden.assert_maps_equal(shared, "imdn_as", found)


def test_feature_maps_equal_released(shared: Path) -> None:
    network = golden.released_network(shared, "IMDN_x3.pth")
    assert isinstance(network, IMDN)
    arrays = golden.arrays(shared, "imdn_x3")
    maps = golden.all_maps(network, golden.picture(arrays["b_in"]))
    fused = ops.activate(maps["S6"], 0.05)
    with golden.as_released():
        smoothed = network.smooth(fused)
    found = {
        "b_fea_conv": maps["H"],
        "b_IMDB1": maps["X1"],
        "b_c": fused,
        "b_LR_conv": smoothed,
    }
    golden.assert_maps_equal(shared, "imdn_x3", found)


def test_activation_of_the_paper_changes_the_output() -> None:
    torch.manual_seed(0)
    plain = IMDN(IMDNSpec(2, blocks=1))
    literal = IMDN(IMDNSpec(2, blocks=1, last_activation=True))
    literal.load_state_dict(plain.state_dict())
    image = torch.rand(1, 3, 8, 8)
    assert not torch.allclose(plain(image), literal(image))


def test_constant_maps_have_finite_gradients() -> None:
    attention = ContrastAttention(16)
    nn.init.ones_(attention.squeeze.bias)  # type: ignore[arg-type]  # keeps its ReLU open
    flat = torch.full((1, 16, 4, 4), 0.5, requires_grad=True)
    torch.autograd.backward(attention.attention(Statistics.of(flat, "moments")).sum())
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()
    assert (flat.grad != 0).any()  # the mean still learns


def test_variance_floor_hardly_moves_the_deviation() -> None:
    attention = ContrastAttention(16).double()
    mean = torch.rand(1, 16, dtype=torch.float64)
    for variance in (0.0, 1e-15, 1e-12, 0.25):
        statistics = Statistics(mean, torch.full_like(mean, variance))
        exact = Statistics(mean + variance**0.5, torch.zeros_like(mean))
        difference = attention.attention(statistics) - attention.attention(exact)
        # Both deviations are off by at most 1e-7; squeeze, excite and sigmoid damp that here.
        assert difference.abs().max().item() <= 2e-7


def test_contrast_attention_needs_the_variance() -> None:
    with pytest.raises(ValueError, match="variance"):
        ContrastAttention(16).attention(Statistics(torch.zeros(1, 16)))


def test_training_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    network = IMDN(IMDNSpec(2, features=16, blocks=2))
    torch.autograd.backward(network(torch.rand(2, 3, 9, 8)).square().mean())
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    "fields", [{"scale": 5}, {"scale": 2, "adaptive": True}, {"features": 20}, {"blocks": 0}]
)
def test_impossible_specs_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="IMDN"):
        IMDNSpec(**fields)  # type: ignore[arg-type]


def test_foreign_shapes_are_not_recognised() -> None:
    assert recognise({"conv.weight": (64, 3, 3, 3)}) is None
    assert recognise({"IMDB1.cca.x": (1,), "fea_conv.weight": (7, 3, 3, 3)}) is None
