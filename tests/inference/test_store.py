"""Feature maps in memory and in scratch files."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from dinplug.errors import SetupError
from dinplug.inference import store
from dinplug.inference.out_of_memory import is_out_of_memory
from dinplug.inference.store import MemoryMap, ScratchMap
from dinplug.networks.stages import Span


@pytest.mark.parametrize("make", [MemoryMap.empty, ScratchMap], ids=["memory", "scratch"])
def test_reads_what_was_written(
    make: Callable[[int, int, int], MemoryMap], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FORGET_AFTER", 64)
    stored = make(3, 10, 12)
    truth = torch.rand(1, 3, 10, 12)
    for top in (0, 5):
        rows, columns = Span(top, top + 5, 10), Span(0, 12, 12)
        stored.write(rows, columns, truth[:, :, top : top + 5])
    window = stored.read(Span(2, 9, 10), Span(3, 12, 12))
    assert torch.equal(window, truth[:, :, 2:9, 3:12])
    window.zero_()
    assert torch.equal(stored.read(Span(0, 10, 10), Span(0, 12, 12)), truth)


def test_a_map_in_a_mapping_of_its_own_keeps_its_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SMALLEST_MAPPED", 0)
    # Not a whole number of huge pages.
    stored = MemoryMap.empty(3, 101, 103)
    truth = torch.rand(1, 3, 101, 103)
    rows, columns = Span(0, 101, 101), Span(0, 103, 103)
    stored.write(rows, columns, truth)
    whole = stored.whole
    del stored
    assert torch.equal(whole, truth)
    assert whole.is_contiguous(memory_format=torch.channels_last)


def test_a_map_without_room_is_a_memory_error() -> None:
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        MemoryMap.empty(1 << 10, 1 << 20, 1 << 20)
    assert is_out_of_memory(caught.value)


def test_scratch_files_have_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stored = ScratchMap(8, 100, 100)
    assert list(tmp_path.iterdir()) == []
    del stored


def test_a_full_disk_is_an_error_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(store, "reserve", full)
    with pytest.raises(SetupError, match=r"no room.*TMPDIR"):
        ScratchMap(8, 100, 100)
