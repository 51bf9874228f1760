"""The GPU benchmark measures everything it should; here without a clock, at tiny sizes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from benchmarks.gpu_kernels import kernel_rows, limits
from benchmarks.gpu_meter import TINY, Meter, Row, heading
from benchmarks.gpu_networks import network_rows, photo_rows, precision_rows

SCRIPT = Path(gpu.__file__)
THROUGH_KERNELS = """
import json, torch
from benchmarks.gpu_kernels import dense_rows, kernel_rows
from benchmarks.gpu_meter import TINY, Meter
meter = Meter(is_dry=True)
print(json.dumps([row.name for rows in (kernel_rows(meter, TINY, 1.0), dense_rows(meter, TINY))
                  for row in rows]))
"""


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python program in a process of its own."""
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        cwd=SCRIPT.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


def test_rows_judge_their_target() -> None:
    assert str(Row("a", 2.5, "x", 2.0)).endswith("at least 2: reached")
    assert str(Row("a", 1.5, "x", 2.0)).endswith("at least 2: MISSED")
    assert str(Row("a", 1.5, "s", 1.0, is_upper=True)).endswith("at most 1: MISSED")
    assert str(Row("a", 1.5, "s")).split() == ["a", "1.500", "s"]


def test_limits_are_bytes_and_operations_a_second() -> None:
    # A dry run takes one second: a copy reads and writes, a product is 2 n^3.
    bandwidth, rate = limits(Meter(is_dry=True), TINY)
    assert bandwidth == 2 * TINY.copy_values * 4
    assert rate == 2 * TINY.product_side**3


def test_shares_count_the_bytes_that_must_move() -> None:
    found = {row.name: row for row in kernel_rows(Meter(is_dry=True), TINY, 1.0)}
    size = TINY.map_side**2 * TINY.channels * 4
    for name, passes in (("weighted_sum", 5), ("coattention", 5), ("contrast", 3)):
        assert found[f"{name}: share of copy bandwidth"].figure == passes * size
        assert {f"{name}: over eager torch", f"{name}: over torch.compile"} <= set(found)


def test_networks_are_measured_against_eager_and_compiled() -> None:
    found = {row.name: row.target for row in network_rows(Meter(is_dry=True), TINY, 1.0)}
    assert [target for name, target in found.items() if name.endswith("eager")] == [2.0]
    assert [target for name, target in found.items() if name.endswith("compile")] == [1.2]


def test_photos_are_measured_free_and_within_budgets() -> None:
    targets = [(row.target, row.is_upper) for row in photo_rows(Meter(is_dry=True), TINY)]
    assert targets == [(limit, True) for limit in (1.0, 0.25, 2.0, 1.5, 8.0, 1.5)]


def test_half_precision_is_measured_for_every_network() -> None:
    found = [(row.name, row.target) for row in precision_rows(Meter(is_dry=True), TINY)]
    names = (*TINY.models, TINY.dehaze_model)
    assert found == [(f"{name}: largest error, 8-bit levels", 0.1) for name in names]


def test_the_heading_names_versions() -> None:
    assert f"torch {torch.__version__}" in heading(Meter(is_dry=True))


def test_kernels_are_measured_in_the_interpreter() -> None:
    pytest.importorskip("triton", reason="Triton is not installed on this platform")
    result = run("-c", THROUGH_KERNELS, TRITON_INTERPRET="1", DINPLUG_KERNELS="on")
    assert result.returncode == 0, result.stderr
    assert len(json.loads(result.stdout)) == 3 * 3 + 5


def test_it_refuses_without_a_gpu() -> None:
    result = run(str(SCRIPT), CUDA_VISIBLE_DEVICES="")
    assert result.returncode == 3
    assert result.stderr.count("\n") == 1 and "no CUDA device" in result.stderr
    assert result.stdout == ""
