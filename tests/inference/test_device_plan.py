"""Plans for a device keep their budgets, and say what cannot fit."""

import pytest
import torch

from dinplug.errors import UsageError
from dinplug.inference.device_plan import (
    LARGEST_AREA,
    SMALLEST_AREA,
    STRIP_HALOS,
    DevicePlan,
    halves_of,
    plan_device_run,
    tile_size,
)
from dinplug.inference.precision import in_float32, in_half
from dinplug.networks.folding import fold
from tests.inference.cases import random_network

SIZE = (2000, 3000)
HALF = torch.float16


def plan_for(name: str, **wishes: int) -> DevicePlan:
    """A plan of the named network in float32."""
    return plan_device_run(in_float32(random_network(name)), *SIZE, **wishes)


def test_everything_stays_on_a_large_device() -> None:
    plan = plan_for("imdn-x2")
    assert {slot.place for slot in plan.slots} == {"device"}
    pixels = SIZE[0] * SIZE[1]
    # Sum, block input and pooled map; the image; the result, four times as large.
    assert sum(slot.size for slot in plan.slots) == (3 * 64 + 3 + 4 * 3) * pixels * 4
    assert plan.device_bytes > 3 * 64 * pixels * 4
    assert plan.peak_bytes == 4 * 3 * pixels * 4


def test_half_precision_halves_the_maps_between() -> None:
    network = fold(random_network("imdn-x2"))
    narrow = plan_device_run(in_half(network, HALF), *SIZE)
    full = plan_device_run(in_float32(network), *SIZE)
    sizes = sorted(slot.value_bytes for slot in narrow.slots if slot.channels == 64)
    assert sizes == [2, 2, 2]
    pixels = SIZE[0] * SIZE[1]
    assert sum(slot.size for slot in narrow.slots) == (3 * 64 * 2 + (3 + 4 * 3) * 4) * pixels
    assert narrow.device_bytes < full.device_bytes
    assert "in float16" in str(narrow) and "in float32" in str(full)


@pytest.mark.parametrize("name", ["imdn-x2", "din-dehaze", "msfin-s", "aidn-x2"])
def test_a_budget_is_kept_or_refused(name: str) -> None:
    free = plan_for(name)
    refused = None
    for share in (1.0, 0.7, 0.4, 0.2, 0.1, 0.02, 0.0001):
        budget = int(free.device_bytes * share)
        try:
            plan = plan_for(name, max_vram=budget, pixel_bytes=1000)
        except UsageError as error:
            assert "give --max-vram at least" in str(error)
            refused = share
            break
        assert plan.device_bytes <= budget
        moved = plan.host_bytes("memory")
        assert plan.peak_bytes == plan.pixel_bytes + moved
        if moved:
            on_disk = plan_for(name, max_vram=budget, max_memory=plan.pixel_bytes)
            assert on_disk.host_bytes("memory") == 0 < on_disk.host_bytes("scratch")
            assert "scratch files" in str(on_disk)
    assert refused is not None and refused < 0.1


def test_the_hosts_own_pixels_must_fit() -> None:
    with pytest.raises(UsageError, match="give --max-memory at least"):
        plan_for("imdn-x2", max_memory=1 << 20)


def test_smaller_tiles_come_before_maps_on_the_host() -> None:
    free = plan_for("din-dehaze")
    maps = free.device_bytes - max(free.fixed_bytes)
    plan = plan_for("din-dehaze", max_vram=maps + max(free.fixed_bytes) // 3)
    assert plan.host_bytes("memory") == 0
    assert sum(plan.tile_counts) > sum(free.tile_counts)


def test_tiles_are_strips_unless_they_would_be_flat() -> None:
    stages = {stage.name: stage for stage in random_network("din-derain").graph.stages}
    block, pointwise = stages["WRDB 1.1"], stages["fuse F0"]
    for area in halves_of(LARGEST_AREA, SMALLEST_AREA):
        rows, columns = tile_size(block, *SIZE, None, area)
        assert 0.7 * area < rows * columns <= area
        assert columns == 3000 or area // 3000 < STRIP_HALOS * block.halo
        assert columns == 3000 or rows <= columns
        assert tile_size(pointwise, *SIZE, None, area) == (area // 3000, 3000)


def test_an_explicit_tile_is_kept_in_input_pixels() -> None:
    assert set(plan_for("din-dehaze", tile=64).tiles) == {(16, 16)}


def test_weights_count() -> None:
    more = plan_for("din-dehaze", weight_bytes=10_000_000)
    assert more.device_bytes == plan_for("din-dehaze").device_bytes + 10_000_000
