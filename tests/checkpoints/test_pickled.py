"""Checkpoints are read without running anything, and damage is one clear line."""

import random
import zipfile
from pathlib import Path

import pytest
import torch

from dinplug.checkpoints.pickled import read_pickled
from dinplug.errors import CheckpointError
from tests.checkpoints.checkpoint_files import (
    hostile_files,
    pickle_of,
    released_imdn,
    saved,
    with_pickle,
)

FILE = Path("some.pth")


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_checkpoints_come_back_as_saved(legacy: bool) -> None:
    value = {
        "epoch": 3,
        "state_dict": {
            "a": torch.arange(6.0).reshape(2, 3),
            "b": torch.nn.Parameter(torch.ones(2)),
        },
        "optimizer": {"state": {0: {"step": torch.tensor(4), "half": torch.ones(2).half()}}},
        "best": (0.5, None, "name"),
    }
    found = read_pickled(saved(value, legacy=legacy), FILE)
    assert isinstance(found, dict)
    assert found["epoch"] == 3 and found["best"] == (0.5, None, "name")
    assert torch.equal(found["state_dict"]["a"], torch.arange(6.0).reshape(2, 3))
    assert torch.equal(found["state_dict"]["b"], torch.ones(2))


@pytest.mark.parametrize("form", ["bare", "legacy", "zip", "magic", "ascii"])
def test_nothing_in_a_hostile_file_is_run(tmp_path: Path, form: str) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(CheckpointError, match=r"system.*nothing of it was run") as caught:
        read_pickled(hostile_files(mark)[form], FILE)
    assert not mark.exists()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_truncated_files_are_damaged(legacy: bool) -> None:
    content = saved(released_imdn(), legacy=legacy)
    draw = random.Random(0)
    for length in [
        1,
        2,
        9,
        40,
        *(draw.randrange(len(content)) for _ in range(20)),
        len(content) - 1,
    ]:
        with pytest.raises(CheckpointError, match=r"some\.pth is damaged"):
            read_pickled(content[:length], FILE)


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_changed_bytes_give_an_answer_or_one_line(legacy: bool) -> None:
    content = saved(released_imdn(), legacy=legacy)
    draw = random.Random(1)
    refused = 0
    for _ in range(200):
        changed = bytearray(content)
        # The first 4 KiB hold the pickle; further on there are mostly values.
        changed[draw.randrange(4096)] = draw.randrange(256)
        try:
            read_pickled(bytes(changed), FILE)
        except CheckpointError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 50


@pytest.mark.parametrize(
    "content",
    [b"\x89PNG\r\n\x1a\n" + bytes(50), b"hello", b"{}", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)],
    ids=["png", "text", "json", "zip-start", "empty-zip"],
)
def test_other_files_are_no_weights(content: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"some\.pth is damaged or no weights file"):
        read_pickled(content, FILE)


def test_claims_beyond_the_file_are_refused_before_memory_is_asked_for() -> None:
    tensor = torch.ones(7)
    for legacy in (False, True):
        content = saved({"a": tensor}, legacy=legacy)
        # The storage's count, 7, becomes 1.5 billion: K is a one-byte, J a four-byte integer.
        original = content if legacy else pickle_of(content)
        count = original.index(b"cpuq") if b"cpuq" in original else original.index(b"cpu")
        place = original.index(b"K\x07", count)
        greedy = original[:place] + b"J\x00\x00\x00\x60" + original[place + 2 :]
        changed = greedy if legacy else with_pickle(content, greedy)
        with pytest.raises(CheckpointError, match=r"ends before|another size"):
            read_pickled(changed, FILE)


def test_tensors_larger_than_their_storage_are_refused() -> None:
    for legacy in (False, True):
        content = saved({"a": torch.ones(1).expand(300, 300)}, legacy=legacy)
        with pytest.raises(CheckpointError, match="larger than its storage"):
            read_pickled(content, FILE)


def test_compressed_archives_are_refused() -> None:
    content = saved({"a": torch.zeros(100_000)})
    packed = with_pickle(content, pickle_of(content), zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="compressed"):
        read_pickled(packed, FILE)
