"""A network on a device with memory of its own: its precision, its plans, its runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

import torch
from torch import Tensor

from dinplug.inference.device_plan import DevicePlan, plan_device_run
from dinplug.inference.device_run import DeviceRun
from dinplug.inference.executor import Progress
from dinplug.inference.lanes import lanes_for
from dinplug.inference.precision import HALF_TYPES, TypedGraph, calibrated, in_float32, in_half
from dinplug.inference.stage_graphs import PlainStages, StageRunner, stage_runner
from dinplug.networks.stages import StagedNetwork

LOG = logging.getLogger(__name__)
RESERVE = 512 << 20
"""Bytes of free device memory that are left to the driver and to other programs."""


class DeviceEngine:
    """Runs a folded network, which is on `device`, over images that are on the host.

    `precision` is auto (float16 where it was measured to be exact enough), float32, float16 or
    bfloat16.
    """

    def __init__(self, network: StagedNetwork, device: torch.device, precision: str) -> None:
        self.network, self.device, self.precision = network, device, precision
        self.runner: StageRunner = stage_runner(device)

    @cached_property
    def typed(self) -> TypedGraph:
        """The network's graph in its precision; auto is measured when it is first asked for."""
        if self.precision == "float32":
            return in_float32(self.network)
        half = HALF_TYPES[self.precision]
        if self.precision == "auto":
            return calibrated(self.network, half, self._calibration_run)
        return in_half(self.network, half)

    def _calibration_run(self, typed: TypedGraph, picture: Tensor) -> Tensor:
        plan = plan_device_run(typed, *picture.shape[-2:])
        with exact_float32():
            return self._run(typed, plan, picture, PlainStages())[0]

    def plan(
        self,
        height: int,
        width: int,
        *,
        tile: int | None = None,
        max_vram: int | None = None,
        max_memory: int | None = None,
        pixel_bytes: int = 0,
    ) -> DevicePlan:
        """Plan a run over an image of a size the network accepts; UsageError if it cannot fit.

        Without `max_vram` it may use what is free on the device, less a reserve.
        """
        return self._plan(self.typed, height, width, tile, max_vram, max_memory, pixel_bytes)

    def _plan(
        self,
        typed: TypedGraph,
        height: int,
        width: int,
        tile: int | None,
        max_vram: int | None,
        max_memory: int | None,
        pixel_bytes: int,
    ) -> DevicePlan:
        return plan_device_run(
            typed,
            height,
            width,
            tile=tile,
            max_vram=free_memory(self.device) if max_vram is None else max_vram,
            max_memory=max_memory,
            weight_bytes=typed.weight_bytes,
            pixel_bytes=pixel_bytes,
        )

    def run(
        self,
        image: Tensor,
        plan: DevicePlan,
        *,
        max_vram: int | None = None,
        max_memory: int | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Tensor:
        """Map an image (1, 3, H, W) of the host to the result, also on the host.

        Where half precision overflows the image is run again in float32. Raises Interrupted when
        asked to stop, OutOfMemoryError where the image does not fit.
        """
        with capped_memory(self.device, max_vram), exact_float32():
            output, is_finite = self._run(
                self.typed, plan, image, self.runner, on_progress, should_stop
            )
            if not is_finite:
                LOG.warning("%s overflowed: this photo runs in float32", plan.precision)
                full, size = in_float32(self.network), (plan.height, plan.width)
                plan = self._plan(full, *size, None, max_vram, max_memory, image.nbytes)
                output, _ = self._run(full, plan, image, PlainStages(), None, should_stop)
            return output

    def _run(
        self,
        typed: TypedGraph,
        plan: DevicePlan,
        image: Tensor,
        runner: StageRunner,
        on_progress: Callable[[Progress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> tuple[Tensor, bool]:
        """The result, and whether all of it is finite."""
        lanes = lanes_for(self.device)
        scale = self.network.scale
        size = (1, scale * plan.height, scale * plan.width, 3)
        output = lanes.host_empty(size, torch.float32).permute(0, 3, 1, 2)
        dense = image.contiguous(memory_format=torch.channels_last)
        run = DeviceRun(typed, plan, dense, output, lanes, runner, on_progress, should_stop)
        return output, run.run()


def free_memory(device: torch.device) -> int | None:
    """Bytes a run may take on a device, its weights included; None if that is not known."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return max(0, free + torch.cuda.memory_reserved(device) - RESERVE)


@contextmanager
def capped_memory(device: torch.device, limit: int | None) -> Iterator[None]:
    """Let torch take no more than `limit` bytes of a CUDA device; beyond it is out of memory."""
    if limit is None or device.type != "cuda":
        yield
        return
    total = torch.cuda.get_device_properties(device).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total), device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


@contextmanager
def exact_float32() -> Iterator[None]:
    """Let float32 convolutions multiply in float32: torch's default, tf32, keeps 11 bits."""
    cudnn = torch.backends.cudnn
    with cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=cudnn.benchmark,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    ):
        yield
