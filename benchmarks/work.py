"""Count what a tiled run does, without a clock: operations, bytes of feature maps, calls.

    python -m benchmarks.work [--write]

prints the counts that `tests/inference/test_work.py` holds every change to, one line for each
network; `--write` renews its file. Do that when a change is meant to alter them, and say in the
commit which and why.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import dinplug
from dinplug.cpu import convolution
from dinplug.inference.executor import TiledRun
from dinplug.inference.plan import plan_execution
from dinplug.networks.folding import fold
from dinplug.networks.stages import Stage, StagedNetwork, StageGraph, StageInput
from dinplug.specs import MODELS

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "tests" / "inference" / "work.json"
HEIGHT, WIDTH, TILE = 64, 96, 32
"""Pixels of the picture and the tiles that are counted: tiles inside, at borders, in corners."""
NAMES = (
    "imdn-x2", "imdn-x4", "imdn-as", "aidn-x2", "rfdn-x4", "msfin-x4",
    "din-dehaze-small", "din-derain-small", "din-deblur-small", "din-x8-small",
)  # fmt: skip
FUSED, PLAIN, TRANSPOSED = (
    "mkldnn::_convolution_pointwise", "aten::conv2d", "aten::conv_transpose2d",
)  # fmt: skip
EMPTY = ("aten::empty.memory_format", "aten::new_empty", "aten::empty_strided", "aten::empty_like")


@dataclass
class Work:
    """What a run does: multiply-adds twice, bytes of maps, calls of operators and of Python.

    Operations are those of the sums as they are written, whatever algorithm saves of them.
    `python` counts calls of dinplug's own functions on the way through plan, executor and stages.
    """

    operations: int = 0
    read: int = 0
    written: int = 0
    convolutions: int = 0
    operators: int = 0
    python: int = 0


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operators and convolutions' arithmetic into a `Work`."""

    def __init__(self, work: Work, lock: threading.Lock) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.work, self.lock = work, lock

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run the operator and count it; views and memory without values are left out."""
        result = func(*args, **(kwargs or {}))
        if func.is_view or func.name() in EMPTY:
            return result
        with self.lock:
            self.work.operators += 1
            if (name := func.name().split(".")[0]) in (FUSED, PLAIN, TRANSPOSED):
                self.work.convolutions += 1
                weight = args[2] if "binary" in func.name() else args[1]
                # Weights apply once for each output pixel, or input pixel if transposed.
                image = args[0] if name == TRANSPOSED else result
                times = image.numel() // image.shape[1]
                self.work.operations += 2 * math.prod(weight.shape) * times
        return result


def count_work(network: StagedNetwork, height: int, width: int, tile: int) -> Work:
    """Run `network` folded over a picture in tiles, by one worker, and count."""
    work, lock = Work(), threading.Lock()
    graph = fold(network).graph
    counted = StageGraph(tuple(counting(s, work, lock) for s in graph.stages), graph.image)
    image = torch.full((1, 3, height, width), 0.5)
    output = torch.empty(1, 3, height * network.scale, width * network.scale)

    def run() -> None:
        plan = plan_execution(counted, height, width, tile=tile)
        TiledRun(counted, plan, image, output).run()

    # What happens once happens here: weights are packed, operators tried.
    run()
    for name in asdict(work):
        setattr(work, name, 0)
    with counted_own(work, lock):
        work.python = python_calls(run)
    return work


@contextmanager
def counted_own(work: Work, lock: threading.Lock) -> Iterator[None]:
    """Count dinplug's own convolutions, which torch knows nothing of."""
    convolve = convolution.convolve

    def counting(sources: Sequence[Tensor], weight: Tensor, *arguments: Any) -> Tensor:
        result = convolve(sources, weight, *arguments)
        with lock:
            work.operators += 1
            work.convolutions += 1
            work.operations += 2 * weight.numel() * result[0, 0].numel()
        return result

    convolution.convolve = counting  # type: ignore[assignment]
    try:
        yield
    finally:
        convolution.convolve = convolve


def counting(stage: Stage, work: Work, lock: threading.Lock) -> Stage:
    """The stage with its calls counted, where they happen: in a worker's thread."""

    def run(x: StageInput) -> tuple[Tensor, ...]:
        with Counter(work, lock):
            outputs = stage.run(x)
        with lock:
            work.read += sum(values.nbytes for values in x.maps)
            work.written += sum(values.nbytes for values in outputs)
        return outputs

    return replace(stage, run=run)


def python_calls(function: Callable[[], None]) -> int:
    """Calls of named functions of dinplug while `function` runs, in any thread."""
    package = str(Path(dinplug.__file__).parent)
    calls = 0
    lock = threading.Lock()

    def seen(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        code = frame.f_code
        # Comprehensions are functions of their own in some versions of Python only.
        if event == "call" and code.co_filename.startswith(package) and code.co_name[0] != "<":
            with lock:
                calls += 1

    threading.setprofile(seen)
    sys.setprofile(seen)
    try:
        function()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return calls


def counted(name: str) -> dict[str, int]:
    """The counts of a model, whose weights decide none of them."""
    network = MODELS[name].build().eval()
    return asdict(count_work(network, HEIGHT, WIDTH, TILE))


def main() -> None:
    """Print the counts, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"renew {FILE.relative_to(ROOT)}")
    arguments = parser.parse_args()
    counts = {}
    for name in NAMES:
        counts[name] = counted(name)
        print(name, json.dumps(counts[name]), flush=True)
    if arguments.write:
        FILE.write_text(json.dumps(counts, indent=2) + "\n")


if __name__ == "__main__":
    main()
