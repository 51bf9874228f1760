"""AIDN, ARFDN and RFDN against the published counts and the authors' weights and outputs."""

from pathlib import Path

import pytest
import torch

from dinplug import ops
from dinplug.networks.aidn import AIDB, AIDN, AIEB, AIDNSpec, recognise
from dinplug.networks.layers import Conv
from dinplug.networks.stages import total_parameters
from tests.networks import golden

CHECKPOINTS = {"arfdn_x4": "team14_arfdn.pth", "rfdn_x4": "rfdn_baseline.pth"}
CASES = [("arfdn_x4", "a"), ("arfdn_x4", "b"), ("arfdn_x4", "min"), ("rfdn_x4", "a")]


@pytest.mark.parametrize(("scale", "count"), [(2, 323_262), (3, 330_027), (4, 339_498)])
def test_parameters(scale: int, count: int) -> None:
    assert total_parameters(AIDN(AIDNSpec(scale))) == count


@pytest.mark.parametrize(("scale", "count"), [(2, 514_162), (3, 520_927), (4, 530_398)])
def test_parameters_of_the_baseline_in_the_papers_table(scale: int, count: int) -> None:
    assert total_parameters(AIDN(AIDNSpec(scale, "rfdb", blocks=5))) == count


@pytest.mark.parametrize(("block", "count"), [("aidb", 241_548), ("rfdb", 433_448)])
def test_parameters_of_the_challenge_networks(block: str, count: int) -> None:
    spec = AIDNSpec(4, "aidb" if block == "aidb" else "rfdb", blocks=4)
    assert total_parameters(AIDN(spec)) == count


@pytest.mark.parametrize(("name", "case"), [*CASES, ("rfdn_x4", "b")])
def test_output_equals_released(shared: Path, name: str, case: str) -> None:
    network = golden.released_network(shared, CHECKPOINTS[name])
    arrays = golden.arrays(shared, name)
    unit = network.value_range
    with golden.as_released():
        output = network(golden.picture(arrays[f"{case}_in"], unit))
    assert golden.largest_difference(output / unit, arrays[f"{case}_out"] / unit) <= golden.ROUNDING


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_feature_maps_equal_released(shared: Path, name: str) -> None:
    network = golden.released_network(shared, CHECKPOINTS[name])
    assert isinstance(network, AIDN)
    unit = network.value_range
    arrays = golden.arrays(shared, name)
    maps = golden.all_maps(network, golden.picture(arrays["b_in"], unit))
    fused = ops.activate(maps["S4"], network.spec.fusion_slope)
    found = {"b_fea_conv": maps["H"], "b_B1_c5": maps["D1"], "b_B1": maps["X1"], "b_c": fused}
    golden.assert_maps_equal(shared, name, found)


def test_pictures_too_small_for_the_attention_are_refused() -> None:
    network = AIDN(AIDNSpec(2, blocks=1))
    assert network.min_size == 15
    with pytest.raises(ValueError, match="at least 15"):
        network(torch.rand(1, 3, 14, 20))


def test_asymmetric_convolutions_together_reach_one_pixel() -> None:
    block = AIEB(4, 2)
    assert block.halo() == 1
    image = torch.zeros(1, 4, 9, 9)
    image[:, :, 4, 4] = 1
    changed = (block(image) - block(torch.zeros_like(image))).abs().sum(dim=(0, 1)) > 0
    rows, columns = torch.nonzero(changed, as_tuple=True)
    assert {rows.min().item(), rows.max().item()} == {3, 5}
    assert {columns.min().item(), columns.max().item()} == {3, 5}


@pytest.mark.parametrize("block", ["aidb", "rfdb"])
def test_training_reaches_every_parameter(block: str) -> None:
    torch.manual_seed(0)
    spec = AIDNSpec(2, "aidb" if block == "aidb" else "rfdb", features=8, blocks=2)
    network = AIDN(spec)
    # A negative bias can silence a ReLU of the attention's coarse grid for good; start above it.
    for module in network.modules():
        if getattr(module, "slope", None) == 0:
            assert isinstance(module, Conv) and module.bias is not None
            torch.nn.init.ones_(module.bias)
    torch.autograd.backward(network(torch.rand(2, 3, 31, 28)).square().mean())
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_distilled_features_are_multiplexed_collected_or_not_there() -> None:
    torch.manual_seed(0)
    multiplexed = AIDB(AIDNSpec(2, features=8))
    collected = AIDB(AIDNSpec(2, features=8, distilled="collected"))
    collected.load_state_dict(multiplexed.state_dict())
    x = torch.rand(1, 8, 16, 16)
    assert not torch.allclose(multiplexed.distil(x)[0], collected.distil(x)[0])
    with torch.no_grad():
        for distil in multiplexed.distils:
            for parameter in distil.parameters():
                parameter.zero_()
    collected.load_state_dict(multiplexed.state_dict())
    # Sums of the same values in another order.
    assert torch.allclose(multiplexed.distil(x)[0], collected.distil(x)[0], rtol=0, atol=1e-6)
    without = AIDB(AIDNSpec(2, features=8, distilled="none"))
    assert not without.distils
    own = multiplexed.state_dict() | {
        "fuse.weight": multiplexed.state_dict()["fuse.weight"][:, 12:]
    }
    without.load_state_dict({name: own[name] for name in without.state_dict()})
    # The same sums, with three times four zeros left out of the last one.
    assert torch.allclose(without.distil(x)[0], collected.distil(x)[0], atol=1e-6)


def test_impossible_specs_are_refused() -> None:
    for fields in (
        {"scale": 8},
        {"features": 49},
        {"blocks": 0},
        {"block": "imdb"},
        {"distilled": "lost"},
        {"block": "rfdb", "asymmetric": False},
        {"block": "rfdb", "distilled": "none"},
    ):
        with pytest.raises(ValueError):
            AIDNSpec(**fields)


def test_foreign_shapes_are_not_recognised() -> None:
    assert (
        recognise({"fea_conv.weight": (50, 3, 3, 3), "upsampler.0.weight": (12, 50, 3, 3)}) is None
    )
    assert recognise({"B1.c5.weight": (50, 100, 1, 1)}) is None
