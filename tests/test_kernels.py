"""Kernels equal their plain definitions, and compile for the GPUs they are meant for.

Without a GPU Triton's interpreter runs them, which has to be chosen before Triton is imported:
those tests run in a process of their own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from dinplug import ops
from dinplug.errors import SetupError, UsageError

pytest.importorskip("triton", reason="Triton is not installed on this platform")

SHAPES = [(1, 5, 3, 7), (2, 8, 9, 11), (1, 1, 1, 1), (1, 24, 17, 13), (3, 64, 1, 5)]
PROGRAM = """
import importlib, json, sys
import torch
from dinplug import ops
kernels = importlib.import_module("dinplug.kernels")
plain_empty = torch.empty_like
def poisoned(*args, **kwargs):
    return plain_empty(*args, **kwargs).fill_(float("nan"))
torch.empty_like = poisoned
device, dtype = sys.argv[1], getattr(torch, sys.argv[2])
errors = []
for n, c, h, w in json.loads(sys.argv[3]):
    torch.manual_seed(n * c + h)
    make = lambda *size: torch.randn(*size, device=device)
    maps = [make(n, 2 * c, h, w).to(dtype)[:, c:] for _ in range(3)]
    weights, biases = [None, make(c), make(c)], [None, make(c), None]
    exact = [x.double() for x in maps]
    double = lambda values: [None if v is None else v.double() for v in values]
    truth = ops.weighted_sum.__wrapped__(exact, double(weights), double(biases))
    errors.append((kernels.weighted_sum(maps, weights, biases) - truth).abs().max().item())
    attention = torch.rand(n, 3, c, device=device)
    truth = ops.rescaled_sum.__wrapped__(exact, attention.double())
    errors.append((kernels.rescaled_sum(maps, attention) - truth).abs().max().item())
print(json.dumps(errors))
"""


def largest_errors(device: str, dtype: str, **environment: str) -> list[float]:
    """Each kernel's error against float64 on each shape, from a process of its own."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, device, dtype, json.dumps(SHAPES)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    errors: list[float] = json.loads(result.stdout)
    return errors


def bound(dtype: str) -> float:
    """Sums of three products below 25 each: three float32 roundings, then the output's own."""
    largest = 75.0
    return largest * (4 * torch.finfo(torch.float32).eps + torch.finfo(getattr(torch, dtype)).eps)


# The interpreter rounds float32 to bfloat16 in its own way: bfloat16 is for the real device.
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_kernels_equal_their_definitions(dtype: str) -> None:
    errors = largest_errors("cpu", dtype, TRITON_INTERPRET="1")
    assert len(errors) == 2 * len(SHAPES)
    assert max(errors) <= bound(dtype)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_kernels_equal_their_definitions_on_the_device(dtype: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    assert max(largest_errors("cuda", dtype)) <= bound(dtype)


@pytest.mark.parametrize("capability", [80, 90])
def test_kernels_compile_without_spills(capability: int) -> None:
    program = f"""
import importlib, json
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
sums = importlib.import_module("dinplug.kernels.channel_sums")
signature = {{
    "inputs": ("*fp16",) * 4, "factors": "*fp32", "biases": "*fp32", "output": "*fp16",
    "image_size": "i32", "channels": "i32",
    "COUNT": "constexpr", "HAS_BIAS": "constexpr", "BLOCK": "constexpr",
}}
constants = {{"COUNT": 4, "HAS_BIAS": True, "BLOCK": sums.BLOCK}}
source = ASTSource(sums.weighted_sum_fwd_kernel, signature=signature, constexprs=constants)
compiled = triton.compile(source, target=GPUTarget("cuda", {capability}, 32))
print(json.dumps([compiled.metadata.shared, ".local" in compiled.asm["ptx"]]))
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TRITON_DEFAULT_FP_FUSION": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == [0, False]


@pytest.fixture
def forgotten_kernels() -> Iterator[None]:
    """Look for kernels afresh, before and after."""
    ops.find_kernel.cache_clear()
    yield
    ops.find_kernel.cache_clear()


def test_plain_torch_runs_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "find_kernel", lambda name: pytest.fail(f"kernel {name} asked for"))
    maps = [torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)]
    with torch.no_grad():
        assert torch.equal(ops.weighted_sum(maps, [None, None], [None, None]), maps[0] + maps[1])


def test_a_missing_triton_means_plain_torch(
    monkeypatch: pytest.MonkeyPatch, forgotten_kernels: None
) -> None:
    monkeypatch.setenv("DINPLUG_KERNELS", "on")
    monkeypatch.setitem(sys.modules, "dinplug.kernels", None)
    maps = [torch.rand(1, 3, 4, 4)]
    with torch.no_grad():
        assert torch.equal(ops.rescaled_sum(maps, torch.ones(1, 1, 3)), maps[0])


def test_kernels_forced_on_a_cpu_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINPLUG_KERNELS", "on")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    maps = [torch.rand(1, 3, 4, 4)]
    with torch.no_grad(), pytest.raises(SetupError, match="set it to auto"):
        ops.rescaled_sum(maps, torch.ones(1, 1, 3))


def test_the_reference_runs_plain_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINPLUG_KERNELS", "on")
    monkeypatch.setattr(ops, "find_kernel", lambda name: pytest.fail(f"kernel {name} asked for"))
    maps = [torch.rand(1, 3, 4, 4)]
    with torch.no_grad(), ops.plain_torch():
        assert torch.equal(ops.rescaled_sum(maps, torch.ones(1, 1, 3)), maps[0])


def test_an_unknown_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINPLUG_KERNELS", "maybe")
    with pytest.raises(UsageError, match="auto, on or off"):
        ops.weighted_sum([torch.rand(1, 1, 1, 1)], [None], [None])
