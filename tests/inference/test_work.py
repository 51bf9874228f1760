"""What a run costs, held to numbers without a clock.

`python -m benchmarks.work --write` renews them where a change is meant to alter them. Arithmetic,
bytes of feature maps and convolutions are exact; calls of torch's operators and of Python may
become fewer with other versions, but not more.
"""

import json

import pytest

from benchmarks.work import FILE, NAMES, count_work, counted
from dinplug.cpu import onednn
from dinplug.ops import chosen_kernels
from dinplug.specs import MODELS

HELD: dict[str, dict[str, int]] = json.loads(FILE.read_text())
EXACT = ("operations", "read", "written", "convolutions")
AT_MOST = ("operators", "python")
ONCE = 1.01
"""What calls that happen once in a process may add."""

needs_fused = pytest.mark.skipif(
    onednn.find_fused() is None, reason="this torch is without oneDNN's fused operators"
)


@needs_fused
@pytest.mark.parametrize("name", NAMES)
def test_a_run_costs_what_it_did(name: str) -> None:
    found, held = counted(name), HELD[name]
    assert {key: found[key] for key in EXACT} == {key: held[key] for key in EXACT}
    for key in AT_MOST:
        assert found[key] <= ONCE * held[key], key


@needs_fused
def test_fused_operators_do_the_work_of_several() -> None:
    network = MODELS["msfin-x4"].build().eval()
    fused = count_work(network, 24, 24, 24)
    with chosen_kernels("off"):
        plain = count_work(network, 24, 24, 24)
    assert fused.operations == plain.operations
    assert fused.convolutions == plain.convolutions
    assert fused.operators < 0.8 * plain.operators


def test_smaller_tiles_cost_more_arithmetic_and_bytes() -> None:
    network = MODELS["imdn-x2"].build().eval()
    whole, tiled = (count_work(network, 40, 40, tile) for tile in (40, 20))
    # Each of the four tiles sees 24 x 24 pixels where the whole run sees 40 x 40.
    assert whole.operations < tiled.operations <= whole.operations * 4 * 24**2 / 40**2
    assert whole.read < tiled.read
