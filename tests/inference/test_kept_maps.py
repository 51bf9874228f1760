"""Memory of feature maps that is kept for the next ones."""

import gc
import math
import sys
from collections.abc import Iterator

import pytest
import torch

from dinplug.inference import kept_maps, store
from dinplug.inference.kept_maps import KeptMaps
from dinplug.inference.run import NetworkRunner, RunOptions
from dinplug.inference.store import HUGE_PAGE, give_pages_back, huge_paged
from tests.inference.cases import random_network

VALUES = 3 * HUGE_PAGE // 4
"""Of a block of three huge pages."""


@pytest.fixture(autouse=True)
def small_maps_are_kept(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let blocks of test size have memory of their own, as large ones have."""
    for module in (store, kept_maps):
        monkeypatch.setattr(module, "SMALLEST_MAPPED", 1)
    yield
    gc.collect()


def test_a_block_serves_a_map_of_its_size_again() -> None:
    kept, block = KeptMaps(), huge_paged(VALUES)
    kept.give(block)
    assert kept.take(VALUES - 1) is None
    assert kept.take(VALUES) is block
    assert kept.take(VALUES) is None


def test_no_more_is_kept_than_allowed() -> None:
    kept = KeptMaps()
    first, second = huge_paged(VALUES), huge_paged(VALUES)
    kept.give(first)
    kept.give(second)
    kept.keep_at_most(3 * HUGE_PAGE)
    assert kept.take(VALUES) is second
    assert kept.take(VALUES) is None
    kept.give(second)
    kept.keep_at_most(0)
    assert kept.take(VALUES) is None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere blocks are given back whole")
def test_a_part_of_a_block_is_given_back() -> None:
    kept, block = KeptMaps(), huge_paged(VALUES).fill_(7)
    kept.give(block)
    kept.keep_at_most(2 * HUGE_PAGE + 5)
    again = kept.take(VALUES)
    assert again is block
    # The system clears what it takes.
    assert torch.equal(block.eq(7).nonzero().flatten(), torch.arange(HUGE_PAGE // 2))
    assert block[HUGE_PAGE // 2 :].eq(0).all()


def test_memory_of_others_is_not_given_back() -> None:
    values = torch.full((VALUES + 1,), 7.0)[1:]
    assert not give_pages_back(values, HUGE_PAGE)
    assert values.eq(7).all()


def test_kept_blocks_make_room_for_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = KeptMaps()
    kept.give(huge_paged(VALUES))

    def scarce(values: int) -> torch.Tensor:
        if kept._free:
            raise MemoryError
        return torch.empty(values)

    monkeypatch.setattr(kept_maps, "huge_paged", scarce)
    assert len(kept.new(12)) == 12

    def exhausted(values: int) -> torch.Tensor:
        raise MemoryError

    monkeypatch.setattr(kept_maps, "huge_paged", exhausted)
    with pytest.raises(MemoryError):
        kept.new(12)


@pytest.mark.parametrize("name", ["imdn-x2", "aidn-x2", "din-dehaze", "msfin-s"])
def test_photos_after_each_other_share_memory_and_nothing_else(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counting(values: int) -> torch.Tensor:
        made.append(values)
        return huge_paged(values).fill_(math.nan)

    monkeypatch.setattr(kept_maps, "huge_paged", counting)
    network = random_network(name)
    runner = NetworkRunner(network, RunOptions(tile=16))
    photos = [torch.rand(1, 3, 40, 44) for _ in range(2)] + [torch.rand(1, 3, 24, 36)]
    expected = [NetworkRunner(network, RunOptions(tile=16)).run(photo) for photo in photos]
    made.clear()
    assert torch.equal(runner.run(photos[0]), expected[0])
    for_one = len(made)
    assert for_one > 0
    assert torch.equal(runner.run(photos[1]), expected[1])
    assert len(made) < 2 * for_one  # some made room for the result
    # Blocks hold what an earlier photo left there; nothing of it may be seen.
    for block in runner.kept._free:
        with torch.inference_mode():
            block.values.fill_(math.nan)
    assert torch.equal(runner.run(photos[0]), expected[0])
    assert torch.equal(runner.run(photos[2]), expected[2])
    runner.forget()
    assert not runner.kept._free


def test_nothing_is_kept_under_a_budget() -> None:
    runner = NetworkRunner(random_network("imdn-x2"), RunOptions(max_memory=200 << 20))
    runner.run(torch.rand(1, 3, 40, 44))
    assert not runner.kept._free
    runner = NetworkRunner(random_network("imdn-x2"), RunOptions())
    runner.run(torch.rand(1, 3, 40, 44))
    assert runner.kept._free
