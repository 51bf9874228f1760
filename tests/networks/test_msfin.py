"""MSFIN and MSFIN-S against the published counts and the authors' weights and outputs."""

from pathlib import Path

import pytest
import torch

from dinplug.networks.msfin import MSFIN, MSFINSpec
from dinplug.networks.msfin_released import recognise
from dinplug.networks.stages import total_parameters
from tests.networks import golden

SMALL = MSFINSpec(16, 4, 4, 0)
CHECKPOINTS = {"msfin_x4": "MSFIN_X4.pt", "msfin_s_x4": "MSFIN-S_X4.pt"}
MAPS = {
    "f": "head",
    "e": "ds4_down",
    "a1": "ds4_rcab",
    "a2": "ds4_rcab1",
    "a5 in": "c1",
    "v": "ds4_up4",
    "a10 in": "c2",
    "b1": "ds2_rcab",
    "c1": "ds0_body",
    "c5": "ds0_body5",
    "y1": "block_re1",
    "y4": "block_re4",
    "output": "out",
}
"""Our maps and the released modules that write them."""


@pytest.mark.parametrize(("spec", "count"), [(MSFINSpec(), 682_159), (SMALL, 351_851)])
def test_parameters(spec: MSFINSpec, count: int) -> None:
    assert total_parameters(MSFIN(spec)) == count


@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.parametrize("case", ["a", "b"])
def test_output_equals_released(shared: Path, name: str, case: str) -> None:
    network = golden.released_network(shared, CHECKPOINTS[name])
    arrays = golden.arrays(shared, name)
    with golden.as_released():
        output = network(golden.picture(arrays[f"{case}_in"], 255.0))
    difference = golden.largest_difference(output, arrays[f"{case}_out"]) / 255
    assert difference <= golden.ROUNDING


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_feature_maps_equal_released(shared: Path, name: str) -> None:
    network = golden.released_network(shared, CHECKPOINTS[name])
    assert isinstance(network, MSFIN)
    arrays = golden.arrays(shared, name)
    maps = golden.all_maps(network, golden.picture(arrays["b_in"], 255.0))
    last = f"#{network.spec.loops}" if network.spec.loops else ""
    keys = {m: f"b_{m}" if f"b_{m}" in arrays else f"b_{m}{last}" for m in MAPS.values()}
    found = {keys[module]: maps[ours] for ours, module in MAPS.items()}
    if network.spec.loops:
        found["b_ds4_rcab#0"] = maps["a1 turn 1"]
    golden.assert_maps_equal(shared, name, found)


def test_loops_share_their_weights() -> None:
    once, twice = MSFIN(SMALL), MSFIN(MSFINSpec(16, 4, 4, 2))
    assert total_parameters(once) == total_parameters(twice)
    assert len(twice.graph.stages) > len(once.graph.stages)


def test_colour_layers_begin_as_subtracting_and_adding_the_mean() -> None:
    network = MSFIN(SMALL)
    colours = torch.rand(1, 3, 2, 2) * 255
    with torch.no_grad():
        back = network.colour_out(network.colour_in(colours))
    # Two roundings at a magnitude below 256, of a relative 2^-24 each.
    assert (back - colours).abs().max() <= 2 * 256 * 2**-24


def test_training_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    network = MSFIN(MSFINSpec(8, 2, 2, 1))
    # A negative bias can silence the ReLUs of a block's body for good; start above it.
    for module in network.modules():
        if getattr(module, "slope", None) == 0 or module.__class__.__name__ == "Conv2d":
            torch.nn.init.constant_(module.bias, 0.5)  # type: ignore[arg-type]
    torch.autograd.backward(network(torch.rand(2, 3, 5, 6)).square().mean())
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_impossible_specs_are_refused() -> None:
    for fields in ({"width": 0}, {"loops": -1}, {"groups": 5}, {"reduction": 25}):
        with pytest.raises(ValueError, match="MSFIN"):
            MSFINSpec(**fields)


def test_foreign_shapes_are_not_recognised() -> None:
    assert recognise({"head.weight": (64, 3, 3, 3)}) is None
