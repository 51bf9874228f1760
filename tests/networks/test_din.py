"""DIN against the released code's outputs for random weights, block by block and whole."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dinplug import ops
from dinplug.networks.coattention import AsyCA
from dinplug.networks.din import DIN, DINSpec, rename, upsampler_name
from dinplug.networks.stages import Statistics, total_parameters
from dinplug.networks.upsampler import Upsampler
from dinplug.networks.wrdb import RDB, WRDB
from tests.networks import golden

BLOCK = 2e-5
NETWORK = 5e-4
"""Tolerances suggested with the golden data: outputs have a standard deviation of 5 to 9."""
TINY = {"branches": 3, "depth": 2, "blocks": 2, "features": 8, "growth": 4}
WHOLE = {"din_conf_tiny_x2": 2, "din_enh_tiny_x4": 4, "din_enh_tiny_x8": 8}
IJCAI = {2: 19_884_603, 3: 20_069_243, 4: 20_032_315}
JOURNAL = {2: 19_928_307, 3: 20_112_947, 4: 20_076_019, 8: 20_223_731}


def tiny(**fields: object) -> DIN:
    """A tiny DIN with fixed random weights."""
    torch.manual_seed(0)
    return DIN(DINSpec(**{**TINY, **fields}))  # type: ignore[arg-type]


def block_state(shared: Path, name: str, released: str, ours: str) -> dict[str, Tensor]:
    """Golden weights of one block with our keys; `released` and `ours` are where it stands."""
    state = {}
    for key, value in golden.weights(shared, name).items():
        renamed = rename(released + key)
        state[renamed.removeprefix(ours)] = value.flatten() if ".links." in renamed else value
    return state


@pytest.mark.parametrize(("scale", "count"), IJCAI.items())
def test_parameters_of_the_ijcai_network(scale: int, count: int) -> None:
    assert total_parameters(DIN(DINSpec(scale, edition="ijcai"))) == count


@pytest.mark.parametrize(("scale", "count"), JOURNAL.items())
def test_parameters_of_the_journal_network(scale: int, count: int) -> None:
    assert total_parameters(DIN(DINSpec(scale))) == count


def test_parameters_for_restoration() -> None:
    assert total_parameters(DIN(DINSpec(strided=True))) == 20_338_227
    assert total_parameters(DIN(DINSpec())) == 19_780_595


def test_parameters_of_four_blocks() -> None:
    assert total_parameters(DIN(DINSpec(4, blocks=4))) == 26_357_619


def test_rdb_equals_released(shared: Path) -> None:
    block = RDB(64, 32)
    state = block_state(shared, "din_rdb_c64g32", "WRDB1_1.RDB1.", "wrdbs.1_1.rdbs.0.")
    block.load_state_dict(state)
    arrays = golden.arrays(shared, "din_rdb_c64g32")
    assert golden.largest_difference(block(arrays["x0"][None]), arrays["y"]) <= BLOCK


def test_wrdb_equals_released(shared: Path) -> None:
    block = WRDB(32, 16, 3, weighted_links=True)
    block.load_state_dict(block_state(shared, "din_wrdb_c32g16", "WRDB1_1.", "wrdbs.1_1."))
    arrays = golden.arrays(shared, "din_wrdb_c32g16")
    assert golden.largest_difference(block(arrays["x0"][None]), arrays["y"]) <= BLOCK


@pytest.mark.parametrize("ratio", [4, 8])
def test_asyca_equals_released_literally_and_by_statistics(shared: Path, ratio: int) -> None:
    name = f"din_asyca_c64r{ratio}"
    node = AsyCA(64, ratio)
    node.load_state_dict(block_state(shared, name, "AsyCA2_1.", "nodes.2_1."))
    arrays = golden.arrays(shared, name)
    states = (arrays["x0"][None], arrays["x1"][None])
    attention = node.attention(*(Statistics.of(state, "mean") for state in states))
    assert golden.largest_difference(node.join(states, attention), arrays["y"]) <= BLOCK
    assert golden.largest_difference(literal(node, states), arrays["y"]) <= BLOCK


def literal(node: AsyCA, states: tuple[Tensor, ...]) -> Tensor:
    """The node as the paper writes it, on whole maps."""
    parts = [(layer.weight, layer.bias) for layer in (node.integrate, node.squeeze, node.excite)]
    integrate, squeeze, excite = ((weight, bias) for weight, bias in parts if bias is not None)
    return ops.coattention(states, integrate, squeeze, excite)


def test_asyca_joins_three_states() -> None:
    torch.manual_seed(0)
    node = AsyCA(8, 4, states=3)
    states = tuple(torch.rand(2, 8, 5, 6) for _ in range(3))
    attention = node.attention(*(Statistics.of(state, "mean") for state in states))
    assert attention.shape == (2, 3, 8)
    # Softmax of three float32 values sums to one within three roundings.
    assert (attention.sum(dim=1) - 1).abs().max() <= 3 * 2**-23
    joined = node.join(states, attention)
    # Sums of at most 24 products of values below 1.
    assert (joined - literal(node, states)).abs().max() <= 24 * 2**-23
    assert not torch.allclose(attention[:, 0], attention[:, 2])


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
def test_upsampler_equals_released(shared: Path, factor: int) -> None:
    upsampler = Upsampler(8, factor)
    state = golden.weights(shared, f"din_up_c8_x{factor}")
    last = max(int(key.split(".")[1]) for key in state)
    renamed = {
        upsampler_name(int(key.split(".")[1]), last).removeprefix("upsampler.")
        + key.split(".")[2]: value
        for key, value in state.items()
    }
    upsampler.load_state_dict(renamed)
    arrays = golden.arrays(shared, f"din_up_c8_x{factor}")
    assert golden.largest_difference(upsampler(arrays["x0"][None]), arrays["y"]) <= BLOCK


@pytest.mark.parametrize(("name", "scale"), WHOLE.items())
def test_network_equals_released(shared: Path, name: str, scale: int) -> None:
    network = golden.released_network(shared, f"{name}.safetensors")
    assert network.scale == scale
    arrays = golden.arrays(shared, name)
    maps = golden.all_maps(network, golden.picture(arrays["x"]))
    ours = {"y": "output", "feat_conv": "F0", "WRDB1_1": "F1_1", "WRDB2_1": "F2_1"}
    ours |= {"WRDB1_5": "F1_5", "WRDB4_5": "F4_5"}
    for key, mine in ours.items():
        assert golden.largest_difference(maps[mine], arrays[key]) <= NETWORK, key


def test_fusion_ablations_all_run_and_differ() -> None:
    image = torch.rand(1, 3, 7, 6)
    outputs = {}
    for fusion in ("asyca", "se", "sum", "concat"):
        with torch.no_grad():
            outputs[fusion] = tiny(scale=2, fusion=fusion)(image)
        assert outputs[fusion].shape == (1, 3, 14, 12)
    names = list(outputs)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            assert not torch.allclose(outputs[one], outputs[other]), (one, other)


@pytest.mark.parametrize(
    "change",
    [
        {"weighted_links": False},
        {"global_fusion": False},
        {"first_node": "paper"},
        {"residual_mode": "bicubic"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_switches_change_the_output(change: dict[str, object]) -> None:
    plain, changed = tiny(scale=2), tiny(scale=2, **change)
    shared_state = {k: v for k, v in plain.state_dict().items() if k in changed.state_dict()}
    changed.load_state_dict(shared_state)
    image = torch.rand(1, 3, 7, 6)
    with torch.no_grad():
        assert not torch.allclose(plain(image), changed(image))


def test_first_nodes_of_the_released_code_are_the_identity() -> None:
    stages = {stage.name: stage for stage in tiny(scale=2).graph.stages}
    assert stages["WRDB 2.1"].pools == ()
    assert stages["WRDB 2.2"].pools == ("F1_2", "F2_1")
    literal_stages = {s.name: s for s in tiny(scale=2, first_node="paper").graph.stages}
    assert literal_stages["WRDB 2.1"].pools == ("F1_2", "F1_1")


@pytest.mark.parametrize(
    "fields",
    [{"scale": 2, "edition": "ijcai"}, {"scale": 2}, {}, {"strided": True}],
    ids=["ijcai", "journal", "derain", "dehaze"],
)
def test_training_reaches_every_parameter(fields: dict[str, object]) -> None:
    network = tiny(first_node="paper", **fields)
    for node in network.nodes.values():
        assert isinstance(node, AsyCA) and node.squeeze.bias is not None
        torch.nn.init.constant_(node.squeeze.bias, 5.0)  # keeps its ReLU open
    torch.autograd.backward(network(torch.rand(2, 3, 8, 12)).square().mean())
    for name, parameter in network.named_parameters():
        # A softmax over two states does not see what both logits share.
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    "fields",
    [
        {"scale": 5},
        {"scale": 2, "strided": True},
        {"scale": 8, "edition": "ijcai"},
        {"branches": 0},
    ],
)
def test_impossible_specs_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        DINSpec(**fields)  # type: ignore[arg-type]
