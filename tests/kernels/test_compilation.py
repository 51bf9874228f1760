"""Kernels compile for GPUs that are not here: within registers and shared memory, no spills."""

import json
import sys

import pytest

from tests.kernels.test_agreement import run

pytest.importorskip("triton", reason="Triton is not installed on this platform")

TARGETS = [("cuda", "80"), ("cuda", "90"), ("hip", "gfx942")]
REGISTERS = {
    # So that as many warps are resident as hide memory latency: 65536 registers over 5 blocks of
    # 128 threads for what only moves memory, 4 and 2 for what keeps sums, 8 warps of one program.
    "weighted_sum": 102,
    "strip": 128,
    "merged": 128,
    "coattention_weights": 128,
    "contrast_gate": 128,
    "dense_conv 64": 168,
    "dense_conv 224": 255,
}
SHARED = {"dense_conv": 101_376}
"""Two blocks of a convolution share the 227 KB of an sm_90 and fit one into the 164 KB of an sm_80;
others hardly need any."""
LITTLE_SHARED = 4096


def limit(limits: dict[str, int], name: str, otherwise: int) -> int:
    """The limit of the kernel whose name begins so."""
    return next((value for start, value in limits.items() if name.startswith(start)), otherwise)


def check(backend: str, architecture: str, *more: str) -> None:
    """Compile in a process of its own, where the interpreter is not chosen, and judge."""
    command = [sys.executable, "-m", "tests.kernels.compilation", backend, architecture, *more]
    found = json.loads(run(command, TRITON_DEFAULT_FP_FUSION="1", TRITON_INTERPRET="0"))
    assert {name.split()[0] for name in found} == {
        "weighted_sum", "strip", "merged", "coattention_weights", "contrast_gate", "dense_conv",
    }  # fmt: skip
    for name, used in found.items():
        assert used["spilled"] == 0, name
        assert used["registers"] <= limit(REGISTERS, name, 0), name
        assert used["shared"] <= limit(SHARED, name, LITTLE_SHARED), name
        if backend == "cuda":
            # 16 bytes a thread at a time, and matrix units wherever the type has them.
            assert used["wide_loads"] > 0, name
            assert (used["matrix"] > 0) == (name.startswith("dense_conv") and "fp16" in name), name


@pytest.mark.parametrize(("backend", "architecture"), TARGETS)
def test_what_inference_runs(backend: str, architecture: str) -> None:
    check(backend, architecture)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "architecture"), TARGETS)
def test_every_configuration(backend: str, architecture: str) -> None:
    check(backend, architecture, "all")
