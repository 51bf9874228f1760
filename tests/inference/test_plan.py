"""Plans: slots are shared safely, budgets are kept, what cannot fit is refused."""

import itertools

import pytest

from dinplug.errors import UsageError
from dinplug.inference.plan import (
    LARGEST_STRIP,
    STRIP_PIXELS,
    ExecutionPlan,
    plan_execution,
)
from dinplug.inference.slots import IDLE_SHARE, memory_at
from dinplug.networks.din import DIN, DINSpec
from dinplug.networks.stages import StageGraph
from tests.inference.cases import NETWORKS, random_network


def lifetimes(graph: StageGraph) -> dict[str, tuple[int, int]]:
    """First and last stage of every map between image and output."""
    last = graph.last_readers()
    return {
        written.name: (index, last[written.name])
        for index, stage in enumerate(graph.stages)
        for written in stage.writes
        if written.name != "output"
    }


def plan_for(name: str, **wishes: int | None) -> tuple[StageGraph, ExecutionPlan]:
    """A plan of the named network for about 240 x 320 pixels."""
    graph = random_network(name).graph
    return graph, plan_execution(graph, 240, 320, workers=2, **wishes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NETWORKS)
def test_maps_share_a_slot_only_one_after_the_other(name: str) -> None:
    graph, plan = plan_for(name)
    lives = lifetimes(graph)
    assert set(plan.slot_of) == set(lives)
    by_slot: dict[int, list[str]] = {}
    for written, number in plan.slot_of.items():
        by_slot.setdefault(number, []).append(written)
    for number, names in by_slot.items():
        slot = plan.slots[number]
        for former, latter in itertools.pairwise(names):
            first, last = lives[latter][0], lives[former][1]
            overwrites = graph.stages[first]
            in_place = (
                overwrites.halo == 0
                and former in {r.name for r in overwrites.reads}
                and graph.maps[former].grid == graph.maps[latter].grid
            )
            assert last < first or (last == first and in_place), (former, latter)
        assert (slot.first, slot.last) == (lives[names[0]][0], lives[names[-1]][1])


@pytest.mark.parametrize("name", NETWORKS)
def test_slots_lie_idle_only_where_that_costs_no_memory(name: str) -> None:
    graph, plan = plan_for(name)
    lives = lifetimes(graph)
    needed = []
    for stage in range(len(graph.stages)):
        # What is written over at this stage counts once.
        used = {plan.slot_of[n] for n, (first, last) in lives.items() if first <= stage <= last}
        needed.append(sum(plan.slots[number].size for number in used))
    assert plan.map_bytes <= IDLE_SHARE * max(needed)


def test_aidn_uses_slots_again_between_its_fullest_stages() -> None:
    graph, plan = plan_for("aidn-x2")
    # The map that a block distils waits through pooling, mask and gate of the one before.
    wide = [slot for slot in plan.slots if slot.channels == graph.maps["D1"].channels]
    assert len(wide) == 3


def test_tiles_are_large_where_they_are_many_whoever_works() -> None:
    graph = DIN(DINSpec(branches=2, depth=3, blocks=1, features=48, growth=16)).graph
    sides = {
        (side, workers): plan_execution(graph, side, side, workers=workers).tiles[2][0]
        for side in (256, 1024)
        for workers in (1, 16)
    }
    assert sides == {(256, 1): 128, (256, 16): 128, (1024, 1): 256, (1024, 16): 256}


@pytest.mark.parametrize(("side", "tile"), [(128, 128), (129, 65), (352, 176), (520, 174)])
def test_tiles_are_as_few_as_fit_but_four_of_a_picture_worth_it(side: int, tile: int) -> None:
    graph = DIN(DINSpec(branches=2, depth=3, blocks=1, features=48, growth=16)).graph
    plan = plan_execution(graph, side, side)
    sizes = {size for s, size in zip(graph.stages, plan.tiles, strict=True) if s.halo == 7}
    # Two a side would be 260 pixels, too many for the workspace where there are but four.
    assert sizes == {(tile, tile)}


def test_stages_without_context_run_in_strips() -> None:
    graph = random_network("aidn-x2").graph
    plan = plan_execution(graph, 240, 320)
    by_name = dict(zip((stage.name for stage in graph.stages), plan.tiles, strict=True))
    assert by_name["block 1"][1] == 320
    assert by_name["distil 1"][0] == by_name["distil 1"][1]  # a halo
    assert by_name["pool 1"][0] == by_name["pool 1"][1]  # fields that overlap
    wide = plan_execution(graph, 240, 2 * STRIP_PIXELS)
    assert (1, 2 * STRIP_PIXELS) in wide.tiles


def test_strips_of_few_values_are_as_many_pixels_as_stay_in_the_caches() -> None:
    graph, plan = plan_for("msfin")
    assert plan.tiles[[stage.name for stage in graph.stages].index("c1")] == (
        STRIP_PIXELS // (4 * 320),
        4 * 320,
    )


def test_strips_of_many_values_have_fewer_rows() -> None:
    graph = random_network("imdn-x2").graph
    plan = plan_execution(graph, 240, 320)
    by_name = dict(zip((stage.name for stage in graph.stages), plan.tiles, strict=True))
    rows, columns = by_name["block 2"]
    # Four maps of 64 channels and three between them.
    assert (rows, columns) == (LARGEST_STRIP // (7 * 64 * 4) // 320, 320)
    assert rows < STRIP_PIXELS // 320


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_kept_idle_raises_no_peak(name: str) -> None:
    _, plan = plan_for(name)
    stages = range(len(plan.tiles))
    held = [memory_at(plan.slots, stage) + plan.outputs[stage] for stage in stages]
    kept = [plan.idle_bytes(stage) for stage in stages]
    assert min(kept) >= 0 and any(kept)
    assert max(map(sum, zip(held, kept, strict=True))) == max(held)


def test_imdn_keeps_three_maps() -> None:
    _, plan = plan_for("imdn-x2")
    # Running sum, block input and the map that is pooled: 64 channels each.
    assert plan.map_bytes == 3 * 64 * 240 * 320 * 4


def test_msfin_keeps_two_maps_at_full_size_one_at_half_and_one_at_a_quarter() -> None:
    graph, plan = plan_for("msfin")
    width = graph.maps["f"].channels
    # Values for each of the input's pixels; a map of level 3 has four times the channels.
    values = (2 * 16 + 2 * 4 + 4) * width
    assert plan.map_bytes == values * 240 * 320 * 4


def test_tiles_are_no_larger_than_pays_for_their_halo() -> None:
    graph = random_network("msfin").graph
    plan = plan_execution(graph, 1000, 1000)
    bodies = {size for stage, size in zip(graph.stages, plan.tiles, strict=True) if stage.halo == 2}
    assert bodies == {(125, 125)}  # eight of at most 64 halos


def test_a_quarter_resolution_network_keeps_little() -> None:
    _, plan = plan_for("din-dehaze")
    assert plan.map_bytes <= 6 * 16 * 60 * 80 * 4


@pytest.mark.parametrize("name", ["imdn-x2", "din-dehaze", "msfin-s", "aidn-x2"])
def test_a_budget_is_kept_or_refused(name: str) -> None:
    _, free = plan_for(name)
    assert free.scratch_bytes == 0
    least = None
    for share in (1.0, 0.7, 0.4, 0.2, 0.1, 0.02, 0.0001):
        budget = int(free.peak_bytes * share)
        try:
            _, plan = plan_for(name, max_memory=budget)
        except UsageError as error:
            assert "--max-memory at least" in str(error)
            least = share
            break
        assert plan.peak_bytes <= budget
    assert least is not None


def test_pixels_of_the_caller_count() -> None:
    graph, plan = plan_for("din-dehaze")
    more = plan_execution(graph, 240, 320, workers=2, held_bytes=1_000_000)
    assert more.peak_bytes == plan.peak_bytes + 1_000_000


def test_an_explicit_tile_is_kept_in_input_pixels() -> None:
    graph, plan = plan_for("din-dehaze", tile=64)
    assert {s.grid.scale for s in graph.stages} == {graph.stages[0].grid.scale}
    assert set(plan.tiles) == {(16, 16)}


def test_a_plan_describes_itself() -> None:
    _, plan = plan_for("imdn-x2", tile=64)
    assert "tiles of 64 rows" in str(plan)
    assert "predicted peak" in str(plan)
    assert "scratch" not in str(plan)
