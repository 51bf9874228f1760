"""The CPU benchmark's contenders, each made ready in a process of its own, and what they cost.

Run as a program (`python -m benchmarks.cpu_engines ENGINE MODEL HEIGHT WIDTH LIMIT THREADS FOLDER`)
it makes an engine ready, says so in one line of JSON, then runs once for every line it is sent and
answers with its cost: seconds of CPU and of wall time, peak memory in bytes over what the process
held before the engine was made. LIMIT bytes are the most memory its data may take, 0 any; THREADS
is how many it may use, which engines ask torch for; FOLDER keeps converted networks. A network is
converted (ENGINE "--onnx" or "--pnnx") in a process before.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from benchmarks.tiling import network_of, picture
from dinplug.checkpoints.onnx_export import INPUT, OPSET, UnitRange, quiet
from dinplug.inference.run import NetworkRunner, RunOptions
from dinplug.ops import plain_torch
from dinplug.thread_cache import NO_CACHE, SETTINGS

Run = Callable[[], Any]
SPARED = 256 << 20
"""Bytes of a limit that dinplug is not told of: for what the process holds besides its run."""


def released(name: str, image: Tensor, limit: int) -> Run:
    """The network as trained, by plain operators on contiguous planes.

    Not by a runner, which would set the allocator as dinplug does.
    """
    network = network_of(name).eval()
    planes, largest = image.contiguous(), network.value_range

    def run() -> Tensor:
        with plain_torch():
            output: Tensor = network(planes * largest) / largest
        return output

    return run


def dinplug(name: str, image: Tensor, limit: int) -> Run:
    """The staged executor, with a worker for every thread that the others have."""
    options = RunOptions(max_memory=limit - SPARED if limit else None)
    runner = NetworkRunner(network_of(name), options)
    return lambda: runner.run(image)


def compiled(name: str, image: Tensor, limit: int) -> Run:
    """The folded network by torch.compile with frozen weights, channels-last."""
    import torch._inductor.config as inductor

    inductor.freezing = True
    network = whole(name).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fast: Callable[[Tensor], Any] = torch.compile(network, dynamic=False)
    return lambda: fast(image)


def onnxruntime(name: str, image: Tensor, limit: int) -> Run:
    """The exported network by ONNX Runtime."""
    import onnxruntime as runtime

    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    session = runtime.InferenceSession("network.onnx", options)
    planes = image.contiguous().numpy()
    return lambda: session.run(None, {INPUT: planes})


def openvino(name: str, image: Tensor, limit: int) -> Run:
    """The exported network by OpenVINO, in float32."""
    import openvino as ov

    threads = torch.get_num_threads()
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    model = ov.Core().compile_model("network.onnx", "CPU", settings)
    planes = image.contiguous().numpy()
    return lambda: model(planes)


def ncnn(name: str, image: Tensor, limit: int) -> Run:
    """The traced network by ncnn, in float32."""
    import ncnn as runtime

    net = runtime.Net()
    net.opt.num_threads = torch.get_num_threads()
    net.opt.use_fp16_storage = net.opt.use_fp16_packed = net.opt.use_fp16_arithmetic = False
    net.load_param("network.ncnn.param")
    net.load_model("network.ncnn.bin")
    planes = runtime.Mat(image[0].contiguous().numpy()).clone()

    def run() -> Any:
        extractor = net.create_extractor()
        extractor.input("in0", planes)
        return np.array(extractor.extract("out0")[1])[None]

    return run


@dataclass(frozen=True)
class Engine:
    """How an engine is made ready, and what it takes for that.

    `packages`, what converts networks for it, and what its own programs have in their environment.
    """

    ready: Callable[[str, Tensor, int], Run]
    packages: tuple[str, ...] = ()
    conversion: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


ENGINES = {
    "released eager": Engine(released),
    "dinplug": Engine(dinplug, environment={SETTINGS: NO_CACHE}),
    "OpenVINO": Engine(openvino, ("openvino", "onnxscript"), "--onnx"),
    "ONNX Runtime": Engine(onnxruntime, ("onnxruntime", "onnxscript"), "--onnx"),
    "ncnn": Engine(ncnn, ("ncnn", "pnnx"), "--pnnx"),
    "torch.compile": Engine(compiled),
}


def whole(name: str) -> nn.Module:
    """The folded network on 0..1, which the ready engines are given: their best chance."""
    return UnitRange(network_of(name))


def export(name: str, image: Tensor) -> None:
    """Write network.onnx for pictures of this size into the working folder."""
    with quiet(), plain_torch(), torch.no_grad():
        torch.onnx.export(
            whole(name),
            (image.contiguous(),),
            "network.onnx",
            dynamo=True,
            input_names=[INPUT],
            opset_version=OPSET,
            verbose=False,
        )


def convert(name: str, image: Tensor) -> None:
    """Write ncnn's files for pictures of this size into the working folder."""
    from pnnx import EXEC_PATH

    trace: Callable[..., Any] = torch.jit.trace
    with plain_torch(), torch.no_grad():
        trace(whole(name), image.contiguous(), check_trace=False).save("network.pt")
    shape = f"inputshape=[1,3,{image.shape[2]},{image.shape[3]}]"
    command = [EXEC_PATH, "network.pt", shape, "fp16=0"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    if unknown := re.search(r"^ignore (\S+)", said, re.MULTILINE):
        raise SystemExit(f"ncnn has no {unknown[1]}")


CONVERSIONS = {"--onnx": export, "--pnnx": convert}


def missing(engine: str) -> str | None:
    """The first package an engine lacks here, or None."""
    for package in ENGINES[engine].packages:
        if importlib.util.find_spec(package) is None:
            return package
    return None


def peak_memory() -> int:
    """The largest resident set of this process so far, in bytes (Linux)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text("ascii"))
    assert found is not None
    return int(found[1]) * 1024


def serve(engine: str, name: str, height: int, width: int, limit: int, threads: int) -> None:
    """Make an engine ready and run it once for every line that comes."""
    image = picture(height, width)
    before = psutil.Process().memory_info().rss
    torch.set_num_threads(threads)
    if limit:
        resource.setrlimit(resource.RLIMIT_DATA, (before + limit, before + limit))
    with torch.inference_mode(engine != "torch.compile"), torch.no_grad():
        run = ENGINES[engine].ready(name, image, limit)
        run()
        print(json.dumps({"ready": True}), flush=True)
        for _ in sys.stdin:
            started, spent = time.perf_counter(), time.process_time()
            run()
            cost = {
                "wall": time.perf_counter() - started,
                "cpu": time.process_time() - spent,
                "peak": peak_memory() - before,
            }
            print(json.dumps(cost), flush=True)


def main() -> None:
    """Convert a network, or serve an engine."""
    engine, name, *numbers, folder = sys.argv[1:]
    height, width, limit, threads = (int(value) for value in numbers)
    os.chdir(folder)
    if engine in CONVERSIONS:
        CONVERSIONS[engine](name, picture(height, width))
    else:
        serve(engine, name, height, width, limit, threads)


if __name__ == "__main__":
    main()
