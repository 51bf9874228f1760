"""Where the maps of a device run are: on the device, in the host's memory, in scratch files."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dinplug.inference.device_plan import DevicePlan
from dinplug.inference.lanes import Lanes
from dinplug.inference.store import MemoryMap, ScratchMap, StoredMap, window_of
from dinplug.networks.stages import Span


class PlacedMap(MemoryMap):
    """A map on the device or in the host's memory whose windows are read in place."""

    def read(self, rows: Span, columns: Span) -> Tensor:
        return window_of(self.whole, rows, columns)

    def write(self, rows: Span, columns: Span, values: Tensor) -> None:
        pixels(window_of(self.whole, rows, columns)).copy_(pixels(values), non_blocking=True)


class DeviceMaps:
    """The maps of one run, by name; `image` and `output` are the host's memory for these.

    `types` are the maps' types. Maps share a slot of the plan one after the other.
    """

    def __init__(
        self,
        plan: DevicePlan,
        types: dict[str, torch.dtype],
        image: Tensor,
        output: Tensor,
        lanes: Lanes,
    ) -> None:
        self.plan, self.types, self.lanes = plan, types, lanes
        self.ends = {plan.slot_of["image"]: image, plan.slot_of["output"]: output}
        self._stored: dict[int, StoredMap] = {}
        self._on_device: set[int] = set()

    def __getitem__(self, name: str) -> StoredMap:
        return self._stored[self.plan.slot_of[name]]

    def is_on_host(self, name: str) -> bool:
        """Whether the map's place is made, and is the host's."""
        number = self.plan.slot_of[name]
        return number in self._stored and number not in self._on_device

    def bring_image(self) -> None:
        """Put the image where the plan wants it, or leave it on the host where that fails."""
        number = self.plan.slot_of["image"]
        try:
            self.place("image")
        except torch.OutOfMemoryError:
            self._stored[number] = PlacedMap(self.ends[number])
        if number in self._on_device:
            copy_map(PlacedMap(self.ends[number]), self._placed(number))

    def place(self, name: str, *, adopts: bool = False) -> None:
        """Make the map's place if there is none yet.

        With `adopts` not on the device, where `adopt` will put a whole map.
        """
        number = self.plan.slot_of[name]
        slot = self.plan.slots[number]
        if number in self._stored or (adopts and slot.place == "device"):
            return
        dtype = self.types[name]
        if slot.place == "scratch":
            self._stored[number] = ScratchMap(slot.channels, slot.height, slot.width, dtype)
        elif slot.place == "memory":
            self._stored[number] = self._host_map(number, dtype)
        else:
            size = (1, slot.height, slot.width, slot.channels)
            whole = torch.empty(size, dtype=dtype, device=self.lanes.device)
            self._stored[number] = PlacedMap(planes(whole))
            self._on_device.add(number)

    def adopt(self, name: str, whole: Tensor) -> None:
        """Take a whole map (1, C, H, W) of the device as it is."""
        number = self.plan.slot_of[name]
        self._stored[number] = PlacedMap(whole)
        self._on_device.add(number)

    def move_to_host(self, name: str) -> None:
        """Bring a map from the device to the host, if it is there."""
        number = self.plan.slot_of[name]
        if number in self._on_device:
            self._move(number)

    def move_largest(self) -> bool:
        """Bring the largest map of the device to the host; False if there is none."""
        if not self._on_device:
            return False
        self._move(max(self._on_device, key=lambda number: self.plan.slots[number].size))
        return True

    def _move(self, number: int) -> None:
        source = self._placed(number)
        target = self._host_map(number, source.whole.dtype)
        self.lanes.meet()
        if number != self.plan.slot_of["image"]:
            self.lanes.submit("download", lambda: copy_map(source, target), ())
        self.lanes.meet()
        self._stored[number] = target
        self._on_device.discard(number)

    def _host_map(self, number: int, dtype: torch.dtype) -> PlacedMap:
        """A slot's place in the host's memory; image and output have theirs."""
        if number in self.ends:
            return PlacedMap(self.ends[number])
        slot = self.plan.slots[number]
        size = (1, slot.height, slot.width, slot.channels)
        return PlacedMap(planes(self.lanes.host_empty(size, dtype)))

    def _placed(self, number: int) -> PlacedMap:
        stored = self._stored[number]
        assert isinstance(stored, PlacedMap)
        return stored

    def drop_after(self, stage: int) -> None:
        """Let go of the maps that no stage after this one reads."""
        for number in [n for n in self._stored if self.plan.slots[n].last <= stage]:
            del self._stored[number]
            self._on_device.discard(number)


def pixels(feature_map: Tensor) -> Tensor:
    """A map (1, C, H, W) as (1, H, W, C), in which a strip is one run of memory."""
    return feature_map.permute(0, 2, 3, 1)


def planes(values: Tensor) -> Tensor:
    """Pixels (1, H, W, C) as a map (1, C, H, W)."""
    return values.permute(0, 3, 1, 2)


def view_of(flat: Tensor, size: Sequence[int]) -> Tensor:
    """A map of this size (1, C, h, w) at the start of a buffer."""
    _, channels, height, width = size
    return planes(flat[: channels * height * width].view(1, height, width, channels))


def copy_map(source: PlacedMap, target: PlacedMap) -> None:
    """Queue the copy of a whole map."""
    pixels(target.whole).copy_(pixels(source.whole), non_blocking=True)
