"""Run a network over one image: device, padding, folding, tiles, self-ensemble."""

from __future__ import annotations

import copy
import gc
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from dinplug.cpu.packed_layers import bytes_to_pack
from dinplug.errors import SetupError, UsageError
from dinplug.inference.allocator import keep_freed_memory, room_under_limit
from dinplug.inference.device_engine import DeviceEngine
from dinplug.inference.device_plan import DevicePlan
from dinplug.inference.ensemble import ORIENTATIONS, self_ensemble
from dinplug.inference.executor import Progress, TiledRun
from dinplug.inference.kept_maps import KEPT_BETWEEN_PHOTOS, KeptMaps
from dinplug.inference.out_of_memory import memory_for
from dinplug.inference.plan import ExecutionPlan, plan_execution
from dinplug.inference.precision import PRECISIONS
from dinplug.inference.slots import FLOAT
from dinplug.inference.store import MemoryMap
from dinplug.networks.folding import fold
from dinplug.networks.stages import StagedNetwork, run_whole
from dinplug.ops import chosen_kernels, plain_torch

OnProgress = Callable[[Progress], None]
ShouldStop = Callable[[], bool]

LOG = logging.getLogger(__name__)
CHANNELS = 3


@dataclass(frozen=True)
class RunOptions:
    """How to run a network.

    `tile` is the largest tile side in input pixels, `max_memory` the most bytes a run may take,
    `max_vram` the most of a CUDA device's memory. `precision` is auto (float32 on a CPU, float16
    where that is exact enough on CUDA), float32, float16 or bfloat16. `reference` runs the network
    as it was trained: unfolded, untiled, in plain torch. `kernels` is auto, on or off; None leaves
    the choice to the environment (`dinplug.ops`).
    """

    device: str = "auto"
    tile: int | None = None
    max_memory: int | None = None
    max_vram: int | None = None
    precision: str = "auto"
    ensemble: bool = False
    reference: bool = False
    kernels: str | None = None


class NetworkRunner:
    """A network made ready for a device, to be run over images of any size.

    Raises SetupError if the device is not there, UsageError for options that contradict.
    """

    def __init__(self, network: StagedNetwork, options: RunOptions) -> None:
        self.options = options
        self.device = find_device(options.device)
        check_options(options, self.device)
        self.network = (network.eval() if options.reference else fold(network)).to(self.device)
        self.graph = self.network.graph
        self.workers = 1 if options.reference else torch.get_num_threads()
        self.engine: DeviceEngine | None = None
        self.kept = KeptMaps()
        if self.device.type == "cpu":
            keep_freed_memory()
        if not options.reference and is_for_engine(self.device, options.precision):
            self.engine = DeviceEngine(self.network, self.device, options.precision)

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """The size the network runs at: sides it accepts, at least those given."""
        return (self._padded(height), self._padded(width))

    def _padded(self, side: int) -> int:
        multiple = self.network.multiple_of
        return math.ceil(max(side, self.network.min_size) / multiple) * multiple

    def plan(self, height: int, width: int) -> ExecutionPlan | DevicePlan:
        """Plan a run over an image of `height` x `width`; UsageError if it cannot fit."""
        padded = self.padded_size(height, width)
        if self.engine is not None:
            with chosen_kernels(self.options.kernels):
                return self.engine.plan(
                    *padded,
                    tile=self.options.tile,
                    max_vram=self.options.max_vram,
                    max_memory=self.options.max_memory,
                    pixel_bytes=self._pixel_bytes((height, width), padded),
                )
        return self._host_plan(self.network, (height, width), padded)

    def _host_plan(
        self, network: StagedNetwork, size: tuple[int, int], padded: tuple[int, int]
    ) -> ExecutionPlan:
        plan = partial(
            plan_execution,
            network.graph,
            *padded,
            tile=max(padded) if self.options.reference else self.options.tile,
            workers=self.workers,
            held_bytes=self._pixel_bytes(size, padded) + bytes_to_pack(network),
        )
        room = room_under_limit()
        if self.options.max_memory is None and room is not None:
            with suppress(UsageError):  # the prediction is a little high; the run will see
                return plan(max_memory=room)
        return plan(max_memory=self.options.max_memory)

    def _pixel_bytes(self, size: tuple[int, int], padded: tuple[int, int]) -> int:
        """Bytes of the image, of its padded or scaled copy, and of what an ensemble holds more."""
        pixels = padded[0] * padded[1]
        images = 1 + (padded != size or self.network.value_range != 1)
        if self.options.ensemble:
            # A turned copy, and the sum of the results so far.
            images += 1 + self.network.scale**2
        return images * pixels * CHANNELS * FLOAT

    def run(
        self,
        image: Tensor,
        on_progress: OnProgress | None = None,
        should_stop: ShouldStop | None = None,
    ) -> Tensor:
        """Map (1, 3, H, W) on the scale 0..1 to (1, 3, scale·H, scale·W) on the same scale.

        Raises Interrupted once `should_stop` says so (asked before each tile), PhotoError where
        memory does not suffice.
        """
        height, width = image.shape[-2:]
        with memory_for(width, height, self.device):
            if self.options.ensemble:
                return self._run_ensemble(image, on_progress, should_stop)
            return self._run_once(image, on_progress, should_stop)

    def _run_ensemble(
        self, image: Tensor, on_progress: OnProgress | None, should_stop: ShouldStop | None
    ) -> Tensor:
        finished = 0

        def forward(turned: Tensor) -> Tensor:
            nonlocal finished
            relay = on_progress and self._relay(on_progress, finished)
            finished += 1
            return self._run_once(turned, relay or None, should_stop)

        return self_ensemble(forward, image)

    @staticmethod
    def _relay(on_progress: OnProgress, finished: int) -> OnProgress:
        """Report a run's progress as a share of all orientations'."""

        def report(progress: Progress) -> None:
            done = finished * progress.total + progress.done
            on_progress(replace(progress, done=done, total=ORIENTATIONS * progress.total))

        return report

    def _run_once(
        self, image: Tensor, on_progress: OnProgress | None, should_stop: ShouldStop | None
    ) -> Tensor:
        height, width = image.shape[-2:]
        padded = pad(image, *self.padded_size(height, width))
        value_range, scale = self.network.value_range, self.network.scale
        if value_range != 1:
            padded = padded * value_range
        with torch.inference_mode(), chosen_kernels(self.options.kernels):
            output = self._run_padded(padded, on_progress, should_stop)
            if value_range != 1:
                output = output.div_(value_range)
        return output[:, :, : height * scale, : width * scale].cpu()

    def _run_padded(
        self, image: Tensor, on_progress: OnProgress | None, should_stop: ShouldStop | None
    ) -> Tensor:
        """Run an image of accepted size on the network's own scale of values."""
        if self.options.reference:
            with plain_torch():
                return run_whole(self.graph, image.to(self.device))
        if self.engine is not None:
            try:
                return self._run_on_device(self.engine, image, on_progress, should_stop)
            except torch.OutOfMemoryError:
                LOG.warning("%s is out of memory: this photo runs on the processor", self.device)
        return self._run_on_host(image, on_progress, should_stop)

    def _run_on_device(
        self,
        engine: DeviceEngine,
        image: Tensor,
        on_progress: OnProgress | None,
        should_stop: ShouldStop | None,
    ) -> Tensor:
        plan = self.plan(*image.shape[-2:])
        assert isinstance(plan, DevicePlan)
        return engine.run(
            image,
            plan,
            max_vram=self.options.max_vram,
            max_memory=self.options.max_memory,
            on_progress=on_progress,
            should_stop=should_stop,
        )

    def _run_on_host(
        self, image: Tensor, on_progress: OnProgress | None, should_stop: ShouldStop | None
    ) -> Tensor:
        if room_under_limit() == 0:
            gc.collect()  # what failed before may still be held by the frames of its error
            if room_under_limit() == 0:
                raise MemoryError("only the reserve is left")
        network, scale = self.network, self.network.scale
        if self.device.type != "cpu":
            network = copy.deepcopy(network).cpu()
        height, width = image.shape[-2:]
        plan = self._host_plan(network, (height, width), (height, width))
        output = MemoryMap.empty(CHANNELS, scale * height, scale * width).whole
        TiledRun(network.graph, plan, image, output, on_progress, should_stop, self.kept).run()
        is_limited = self.options.max_memory is not None or room_under_limit() is not None
        self.kept.keep_at_most(0 if is_limited else KEPT_BETWEEN_PHOTOS)
        return output

    def forget(self) -> None:
        """Give back the memory that is kept for the next photo."""
        self.kept.keep_at_most(0)


def check_options(options: RunOptions, device: torch.device) -> None:
    """Raise UsageError for options that contradict each other or the device."""
    if options.precision not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise UsageError(f"precision is one of {known}, not {options.precision!r}")
    if options.reference and options.precision not in ("auto", "float32"):
        raise UsageError("--reference runs in float32: leave out --precision")
    if options.max_vram is not None and device.type != "cuda":
        raise UsageError("--max-vram is for a CUDA device: on a CPU give --max-memory")


def is_for_engine(device: torch.device, precision: str) -> bool:
    """Whether the device engine runs: on CUDA, and wherever half precision is asked for."""
    return device.type == "cuda" or precision in ("float16", "bfloat16")


def pad(image: Tensor, height: int, width: int) -> Tensor:
    """Extend (N, C, H, W) at the right and bottom by mirroring, as often as it takes."""
    while image.shape[-2:] != (height, width):
        # Reflection adds at most one pixel less than there is; a single pixel is repeated.
        more = [
            min(target - side, max(side - 1, 1))
            for side, target in zip(image.shape[-2:], (height, width), strict=True)
        ]
        mode = "replicate" if 1 in image.shape[-2:] else "reflect"
        image = F.pad(image, (0, more[1], 0, more[0]), mode=mode)
    return image


def find_device(wish: str) -> torch.device:
    """The torch device of `auto`, `cpu`, `cuda` or `cuda:N`; SetupError if there is none such."""
    if wish == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wish)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SetupError(
            f"no device {wish} on this machine ({torch.cuda.device_count()} found): "
            "use --device cpu or auto"
        )
    return device
