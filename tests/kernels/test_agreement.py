"""Every kernel equals its plain definition, in every type, shape and layout it may meet.

Without a GPU Triton's interpreter runs them; with one the same cases run on it, and again under
compute-sanitizer where that is installed.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.kernels import agreement

pytest.importorskip("triton", reason="Triton is not installed on this platform")

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "tests.kernels.agreement"]


def run(command: list[str], **environment: str) -> str:
    """What a program writes, from a process of its own."""
    result = subprocess.run(
        command,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    return result.stdout


@functools.cache
def excesses(device: str, dtype: str) -> dict[str, float]:
    """Each case's largest error over its bound."""
    environment = {"TRITON_INTERPRET": "1"} if device == "cpu" else {}
    found: dict[str, float] = json.loads(run([*PROGRAM, device, dtype], **environment))
    return found


def cases(device: str) -> list[tuple[str, str, str]]:
    """Device, type and name of every case."""
    return [
        (device, dtype, agreement.name_of(operator, shape, layout))
        for dtype, places in agreement.CASES.items()
        for operator in agreement.OPERATORS
        if agreement.runs_here(operator, getattr(torch, dtype), device)
        for shape, layout in places
    ]


@pytest.mark.parametrize(("device", "dtype", "name"), cases("cpu"))
def test_in_the_interpreter(device: str, dtype: str, name: str) -> None:
    assert excesses(device, dtype)[name] <= 1


@pytest.mark.gpu
@pytest.mark.parametrize(("device", "dtype", "name"), cases("cuda"))
def test_on_the_device(device: str, dtype: str, name: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    assert excesses(device, dtype)[name] <= 1


@pytest.mark.gpu
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "synccheck"])
def test_under_the_sanitizer(tool: str) -> None:
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None or not torch.cuda.is_available():
        pytest.skip("no CUDA device, or no compute-sanitizer")
    # Without torch's own pool every tensor is an allocation whose ends the tool knows.
    run(
        [sanitizer, "--tool", tool, "--error-exitcode", "9", *PROGRAM, "cuda", "float16"],
        PYTORCH_NO_CUDA_MEMORY_CACHING="1",
    )
