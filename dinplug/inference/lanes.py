"""Queues of device work that run side by side, and what they must wait for.

A run computes in one lane while another brings the next tile's maps to the device and a third takes
the last one's results away. On CUDA lanes are streams and marks events; elsewhere all work is done
at once, in the order in which it is submitted, which every rule of waiting allows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Literal

import torch
from torch import Tensor

Lane = Literal["upload", "compute", "download"]
Mark = object
"""A place in a lane that others can wait for."""


class Lanes(ABC):
    """Three queues for one device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @abstractmethod
    def submit(self, lane: Lane, work: Callable[[], None], after: Iterable[Mark]) -> Mark:
        """Queue `work` behind what its lane holds and behind all marks of `after`."""

    @abstractmethod
    def wait(self, mark: Mark) -> None:
        """Hold the caller until the lane has passed `mark`."""

    @abstractmethod
    def meet(self) -> None:
        """Let every lane wait for all that the others hold now, without holding the caller."""

    @abstractmethod
    def finish(self) -> None:
        """Hold the caller until all lanes are empty."""

    @abstractmethod
    def host_empty(self, size: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Undefined memory of the host, such as copies to and from the device are fast with."""

    @abstractmethod
    def release(self) -> None:
        """Give memory of the device that nothing uses back to its driver."""


class OrderedLanes(Lanes):
    """Lanes of a device without streams: each piece of work is done when it is submitted."""

    def submit(self, lane: Lane, work: Callable[[], None], after: Iterable[Mark]) -> Mark:
        work()
        return None

    def wait(self, mark: Mark) -> None:
        pass

    def meet(self) -> None:
        pass

    def finish(self) -> None:
        pass

    def host_empty(self, size: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return torch.empty(size, dtype=dtype)

    def release(self) -> None:
        pass


class StreamLanes(Lanes):
    """Lanes of a CUDA device: its current stream computes, two of its own copy."""

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        stream: Callable[..., torch.cuda.Stream] = torch.cuda.Stream
        self.streams: dict[Lane, torch.cuda.Stream] = {
            "compute": torch.cuda.current_stream(device),
            "upload": stream(device),
            "download": stream(device),
        }

    def submit(self, lane: Lane, work: Callable[[], None], after: Iterable[Mark]) -> Mark:
        stream = self.streams[lane]
        for mark in after:
            assert isinstance(mark, torch.cuda.Event)
            stream.wait_event(mark)
        with torch.cuda.stream(stream):
            work()
        return stream.record_event()

    def wait(self, mark: Mark) -> None:
        assert isinstance(mark, torch.cuda.Event)
        mark.synchronize()

    def meet(self) -> None:
        marks = [stream.record_event() for stream in self.streams.values()]
        for stream in self.streams.values():
            for mark in marks:
                stream.wait_event(mark)

    def finish(self) -> None:
        for stream in self.streams.values():
            stream.synchronize()

    def host_empty(self, size: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        try:
            return torch.empty(size, dtype=dtype, pin_memory=True)
        except RuntimeError:
            # The system lets no more memory be pinned: copies of this map will not overlap.
            return torch.empty(size, dtype=dtype)

    def release(self) -> None:
        torch.cuda.empty_cache()


def lanes_for(device: torch.device) -> Lanes:
    """The lanes of a device."""
    return StreamLanes(device) if device.type == "cuda" else OrderedLanes(device)
