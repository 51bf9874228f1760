"""dinplug's own convolution packs a layer once, notices changes, and forgets it with its weight."""

import errno
import gc
import mmap
from typing import Any

import pytest
import torch
from torch import Tensor

from dinplug import ops
from dinplug.cpu import own_code, packed_layers
from dinplug.cpu.own_code import Kind
from dinplug.cpu.packed_layers import Part
from tests.cpu.convolution_cases import are_close, convolved, layer, picture

pytestmark = pytest.mark.skipif(
    own_code.find_level() is None,
    reason="dinplug's own convolution is for Linux on x86-64 with AVX2 or AVX-512",
)


@pytest.mark.parametrize("changed", ["weight", "bias"])
@pytest.mark.parametrize("way", ["in place", "data", "loaded"])
def test_a_layer_that_changes_is_packed_anew(changed: str, way: str) -> None:
    torch.manual_seed(0)
    x = picture()
    convolution = torch.nn.Conv2d(16, 25, 3)
    weight, bias = convolution.weight, convolution.bias
    assert bias is not None
    assert are_close(*convolved(x, weight, bias))
    parameter = weight if changed == "weight" else bias
    # More than once: memory that becomes free is given to the next.
    for factor in range(2, 8):
        if way == "in place":
            with torch.no_grad():
                parameter.mul_(factor / (factor - 1))
        elif way == "data":
            parameter.data = torch.randn(parameter.shape).div_(12)
        else:
            state = {name: torch.randn_like(v) / 12 for name, v in convolution.named_parameters()}
            convolution.load_state_dict(state)
        assert are_close(*convolved(x, weight, bias)), factor


def test_a_bias_made_for_every_call_is_not_taken_for_the_last() -> None:
    torch.manual_seed(0)
    x = picture()
    weight, _ = layer(8, 16, (3, 3))
    for value in range(20):
        bias = torch.full((8,), float(value) / 4)
        assert are_close(*convolved(x, weight, bias)), value
        del bias


@pytest.mark.parametrize("made", ["weight", "bias", "both"])
def test_layers_made_in_inference_mode_are_taken(made: str) -> None:
    torch.manual_seed(0)
    x = picture()
    weight, bias = layer(8, 16, (3, 3))
    with torch.inference_mode():
        weight = weight.clone() if made != "bias" else weight
        bias = bias.clone() if made != "weight" else bias
        for _ in range(2):
            assert are_close(*convolved(x, weight, bias))


def test_slices_of_a_weight_are_told_apart() -> None:
    torch.manual_seed(0)
    x = picture()
    weight, _ = layer(24, 32, (3, 3))
    for _ in range(2):
        for part in (weight[:, :16], weight[:, 16:], weight[:, 8:24], weight[:8, :16]):
            assert are_close(*convolved(x, part))
        assert are_close(*convolved([x[:, :8], x[:, 8:]], weight[:, :16]))
        assert are_close(*convolved([x[:, :3], x[:, 3:]], weight[:, :16]))
        assert are_close(*convolved(x, weight[:, :16].transpose(2, 3)))


def test_a_layer_is_packed_once_and_forgotten_with_its_weight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    gc.collect()
    before = len(packed_layers._PACKED)
    packs = []
    pack = packed_layers.pack

    def counted(kind: Kind, weight: Tensor, *rest: Any, **kept: Any) -> tuple[Part, ...]:
        packs.append((kind, weight.shape))
        return pack(kind, weight, *rest, **kept)

    monkeypatch.setattr(packed_layers, "pack", counted)
    x = picture()
    weight, bias = layer(8, 16, (3, 3))
    for _ in range(3):
        convolved(x, weight, bias)
        convolved(x[:, :8], weight[:, :8], bias)
        convolved(x[:, :, :3], weight, bias)
    wide, narrow = (8, 16, 3, 3), (8, 8, 3, 3)
    assert packs == [("winograd", wide), ("winograd", narrow), ("direct", wide)]
    assert len(packed_layers._PACKED) == before + 1
    del weight
    packs.clear()
    gc.collect()
    assert len(packed_layers._PACKED) == before


def test_a_slice_that_changes_takes_the_place_of_what_it_was() -> None:
    torch.manual_seed(0)
    x = picture()
    weight, _ = layer(8, 16, (1, 1))
    for _ in range(3):
        with torch.no_grad():
            weight.mul_(2)
        assert are_close(*convolved(x, weight[:4]))
        assert len(packed_layers._PACKED[weight]) == 1


def test_a_layer_stays_in_the_heap_where_there_is_no_other_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    assert own_code.find_code() is not None  # which is mapped, too, but once

    def missing(*_: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", missing)
    x = picture()
    weight, bias = layer(8, 16, (3, 3))
    for _ in range(2):
        assert are_close(*convolved(x, weight, bias))


def test_what_packing_takes_is_known_beforehand() -> None:
    layers = [torch.nn.Conv2d(16, 32, 3), torch.nn.Conv2d(32, 48, 1)]
    grouped = torch.nn.Conv2d(48, 48, 3, groups=2)  # stays with oneDNN
    network = torch.nn.Sequential(*layers, grouped)
    predicted = packed_layers.bytes_to_pack(network)
    x = picture(sides=(8, 8))
    with torch.no_grad():
        network(x)
        assert packed_layers.bytes_to_pack(network) == predicted  # plain operators pack nothing
        for each in layers:
            x = ops.convolve(x, each.weight, each.bias)
    kept = [kinds for each in layers for kinds in packed_layers._PACKED[each.weight].values()]
    taken = sum(part.values.nbytes for packed in kept for part in packed.parts)
    biases_and_masks = 2 * 4 * (32 + 48)
    assert predicted == taken - biases_and_masks
    assert packed_layers.bytes_to_pack(network) == 0


def test_nothing_is_packed_without_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_code, "find_code", lambda: None)
    assert packed_layers.bytes_to_pack(torch.nn.Sequential(torch.nn.Conv2d(16, 32, 3))) == 0
