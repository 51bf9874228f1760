"""Where feature maps live: slots that maps share one after the other, and which leave memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from dinplug.networks.stages import Read, StageGraph

Place = Literal["device", "memory", "scratch"]
"""Where a map is kept; on a CPU, memory is the device's."""

FLOAT = 4
"""Bytes of a float32 value."""
IDLE_SHARE = 1.01
"""Of the least that feature maps can take: what they take where one waits for its next use."""


@dataclass(frozen=True)
class Slot:
    """Storage that one map, or several one after the other, live in.

    It is needed from stage `first` to stage `last`, both included.
    """

    channels: int
    height: int
    width: int
    first: int
    last: int
    place: Place = "memory"
    value_bytes: int = FLOAT

    @property
    def sides(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.channels, self.height, self.width

    @property
    def size(self) -> int:
        """Bytes."""
        return self.channels * self.height * self.width * self.value_bytes


def assign_slots(
    graph: StageGraph, height: int, width: int, value_bytes: Mapping[str, int] | None = None
) -> tuple[tuple[Slot, ...], dict[str, int]]:
    """Give every map between image and output a slot, using slots again once they are free.

    A stage without halo may write over a map it reads for the last time: each tile touches only
    its own pixels. A slot lies idle until it is used again only at stages that are not the fullest:
    new memory costs time, idle memory at the peak costs memory. `value_bytes` are those of each
    map's type, None: all are float32.
    """
    bytes_of = value_bytes or dict.fromkeys(graph.maps, FLOAT)
    without_idle, _ = _assign(graph, height, width, bytes_of, 0)
    most = max(memory_at(without_idle, stage) for stage in range(len(graph.stages)))
    return _assign(graph, height, width, bytes_of, int(most * IDLE_SHARE))


def _assign(
    graph: StageGraph, height: int, width: int, value_bytes: Mapping[str, int], most: int
) -> tuple[tuple[Slot, ...], dict[str, int]]:
    """Slots of which none lies idle where they would then take more than `most` bytes."""
    last, maps = graph.last_readers(), graph.maps
    slots: list[Slot] = []
    slot_of: dict[str, int] = {}
    taken = [0] * len(graph.stages)  # bytes of all slots at each stage
    for index, stage in enumerate(graph.stages):
        done = {
            slot_of[read.name]: maps[read.name].grid
            for read in stage.reads
            if read.name in slot_of and stage.halo == 0 and type(read) is Read
            and last[read.name] == index
        }  # fmt: skip
        for written in stage.writes:
            if written.name == "output":
                continue
            sides = (written.grid.size(height), written.grid.size(width))
            lives = (index, last[written.name])
            new = Slot(written.channels, *sides, *lives, value_bytes=value_bytes[written.name])
            shape, size = (new.channels, *sides, new.value_bytes), new.size
            free = [
                number
                for number, slot in enumerate(slots)
                if (slot.channels, slot.height, slot.width, slot.value_bytes) == shape
                and (slot.last < index or done.get(number) == written.grid)
                and all(bytes_ + size <= most for bytes_ in taken[slot.last + 1 : index])
            ]
            number = free[0] if free else len(slots)
            done.pop(number, None)
            if free:
                begin = slots[number].last + 1
                slots[number] = replace(slots[number], last=new.last)
            else:
                begin = index
                slots.append(new)
            for held in range(begin, new.last + 1):
                taken[held] += size
            slot_of[written.name] = number
    return tuple(slots), slot_of


def memory_at(slots: tuple[Slot, ...], stage: int, place: Place = "memory") -> int:
    """Bytes of the slots that are in memory, or another place, while `stage` runs."""
    return sum(s.size for s in slots if s.place == place and s.first <= stage <= s.last)


def spill(
    slots: tuple[Slot, ...],
    budgets: list[int],
    source: Place = "memory",
    target: Place = "scratch",
) -> tuple[Slot, ...]:
    """Move slots from `source` to `target`, largest first, until each stage fits its budget."""
    kept = list(slots)
    movable = [number for number, slot in enumerate(slots) if slot.place == source]
    for number in sorted(movable, key=lambda n: -slots[n].size):
        if all(
            memory_at(tuple(kept), stage, source) <= budget for stage, budget in enumerate(budgets)
        ):
            break
        kept[number] = replace(kept[number], place=target)
    return tuple(kept)
