"""The GPU benchmark's second half: whole networks, photos from file to file, memory budgets."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
import torch
from torch import Tensor

from benchmarks.gpu_meter import Meter, Row, Sizes
from dinplug.checkpoints import LoadedModel, load_model
from dinplug.errors import SetupError
from dinplug.imaging import read_photo, write_photo
from dinplug.inference.precision import dead_leaves
from dinplug.inference.run import NetworkRunner, RunOptions
from dinplug.networks.stages import StagedNetwork
from dinplug.ops import plain_torch
from dinplug.restoration import RestoreOptions, Restorer
from dinplug.specs import MODELS

OVER_EAGER = {"din-derain": 2.0, "imdn-x2": 2.0, "msfin-x4": 2.0}
OVER_COMPILED = {"din-derain": 1.3, "imdn-x2": 1.2, "msfin-x4": 1.2}
DERAIN_FLOP_PER_PIXEL = 945e12 / 24e6
OF_ARITHMETIC = 0.5
FILE_SECONDS, NETWORK_SECONDS = 1.0, 0.25
BUDGETS = (2 << 30, 8 << 30)
SLOWER = 1.5
LEVELS = 0.1


def network_of(name: str) -> StagedNetwork:
    """The model's network with its weights, or with random ones where it has none."""
    torch.manual_seed(0)
    try:
        return load_model(name).network
    except SetupError:
        return MODELS[name].build().eval()


def network_rows(meter: Meter, sizes: Sizes, rate: float) -> Iterator[Row]:
    """Each network over eager half-precision channels-last torch and over torch.compile of it.

    The rival is the unfolded network, untiled; it already averages before co-attention's 1x1,
    which the released code does not, so the gain shown is the smaller one. A photo is given on
    the device and its result stays there for the rival only; ours ends in host memory.
    """
    for name in sizes.models:
        network = network_of(name)
        ours = NetworkRunner(network, RunOptions(device=meter.device.type))
        released = network_of(name).to(meter.device, meter.dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        compiled = meter.compiled(released)
        pictures = (sizes.small, sizes.large) if name == "din-derain" else (sizes.small,)
        for height, width in pictures:
            image = torch.rand(1, 3, height, width, device=meter.device)
            half = image.to(meter.dtype).contiguous(memory_format=torch.channels_last)
            repeats = 1 if (height, width) == sizes.large else 3
            label = f"{name} {height * width / 1e6:.3g} MP"
            mine = meter.seconds(lambda run=ours.run, x=image: run(x), repeats)  # type: ignore[misc]
            with torch.inference_mode(), plain_torch():
                eager = meter.seconds(lambda run=released, x=half: run(x), repeats)  # type: ignore[misc]
                yield Row(f"{label}: seconds", mine, "s")
                yield Row(f"{label}: over eager", eager / mine, "x", OVER_EAGER[name])
                if (height, width) == sizes.small:  # compiling for another size takes minutes
                    time = meter.seconds(lambda run=compiled, x=half: run(x), repeats)  # type: ignore[misc]
                    yield Row(f"{label}: over torch.compile", time / mine, "x", OVER_COMPILED[name])
            if name == "din-derain":
                share = DERAIN_FLOP_PER_PIXEL * height * width / mine / rate
                yield Row(f"{label}: share of arithmetic limit", share, "", OF_ARITHMETIC)


def photo_rows(meter: Meter, sizes: Sizes) -> Iterator[Row]:
    """Dehaze a 16-bit TIFF to a 16-bit TIFF, warm; then within budgets of device memory."""
    height, width = sizes.large
    model = dehazing_model(sizes.dehaze_model)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "hazy.tif", Path(folder) / "clear.tif"
        samples = np.random.default_rng(0).integers(0, 1 << 16, (height, width, 3), np.uint16)
        tifffile.imwrite(source, samples, photometric="rgb")
        restorer = Restorer(model, RestoreOptions(device=meter.device.type))

        def from_file_to_file() -> None:
            write_photo(restorer.restore_photo(read_photo(source)), target, overwrite=True)

        whole = meter.seconds(from_file_to_file, 3)
        yield Row("dehaze TIFF to TIFF, all included", whole, "s", FILE_SECONDS, is_upper=True)
    image = torch.rand(1, 3, height, width)
    free = run_time(meter, model.network, image, None)
    yield Row("dehaze: network alone", free, "s", NETWORK_SECONDS, is_upper=True)
    for budget in BUDGETS:
        runner = NetworkRunner(model.network, budget_options(meter, budget))
        peak = meter.peak_bytes(lambda run=runner.run: run(image))  # type: ignore[misc]
        label = f"dehaze within {budget >> 30} GiB"
        yield Row(f"{label}: peak", peak / 2**30, "GiB", budget / 2**30, is_upper=True)
        time = run_time(meter, model.network, image, budget)
        yield Row(f"{label}: over free", time / free, "x", SLOWER, is_upper=True)


def run_time(meter: Meter, network: StagedNetwork, image: Tensor, budget: int | None) -> float:
    """Seconds of one run of the network within `budget` bytes."""
    runner = NetworkRunner(network, budget_options(meter, budget))
    return meter.seconds(lambda: runner.run(image), 3)


def budget_options(meter: Meter, budget: int | None) -> RunOptions:
    """How to run within `budget` bytes of the device's memory; dry, of the host's."""
    if meter.is_dry:
        return RunOptions(device="cpu", max_memory=budget)
    return RunOptions(device="cuda", max_vram=budget)


def precision_rows(meter: Meter, sizes: Sizes) -> Iterator[Row]:
    """How far each network's pixels on a picture of leaves are from float32's, in 8-bit levels."""
    for name in (*sizes.models, sizes.dehaze_model):
        network = network_of(name)
        picture = dead_leaves(sizes.precision_side, seed=1)[None]
        results = [
            NetworkRunner(network, RunOptions(device=meter.device.type, precision=precision)).run(
                picture
            )
            for precision in ("auto", "float32")
        ]
        error = float((results[0] - results[1]).abs().max())
        size = float(results[1].abs().max().clamp_min(1))  # random weights leave 0..1
        yield Row(f"{name}: largest error, 8-bit levels", 255 * error / size, "", LEVELS, True)


def dehazing_model(name: str) -> LoadedModel:
    """The model, or where it has no weights the one that is bundled."""
    try:
        return load_model(name)
    except SetupError:
        return load_model(task="dehaze")
