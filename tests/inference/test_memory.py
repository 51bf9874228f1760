"""Predicted peaks of memory hold: measured on a 24-megapixel picture, free and under a budget."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import json, re, sys
from pathlib import Path
import psutil
import torch
from dinplug.inference.run import NetworkRunner, RunOptions
from dinplug.networks.din import DIN, DINSpec

def peak():
    # Not getrusage: its peak counts what the parent held when it started this process.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

height, width = int(sys.argv[1]), int(sys.argv[2])
budget = int(sys.argv[3]) or None
spec = DINSpec(strided=True, branches=2, depth=2, blocks=1, features=32, growth=16)
runner = NetworkRunner(DIN(spec).eval(), RunOptions(max_memory=budget))
runner.run(torch.rand(1, 3, 64, 64))
before = psutil.Process().memory_info().rss
plan = runner.plan(height, width)
image = torch.full((1, height, width, 3), 0.25).permute(0, 3, 1, 2)
runner.run(image)
print(json.dumps([plan.peak_bytes, plan.scratch_bytes, peak() - before]))
"""
HEIGHT, WIDTH = 4000, 6000
PIXELS = HEIGHT * WIDTH
BUDGET = 2 * 3 * 4 * PIXELS + (300 << 20)
"""The photo, its result, and 300 MiB: too little for the feature maps."""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peaks are read in Linux's units")
@pytest.mark.parametrize("budget", [0, BUDGET], ids=["free", "budget"])
def test_the_predicted_peak_holds(budget: int) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(HEIGHT), str(WIDTH), str(budget)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    predicted, scratch, measured = json.loads(result.stdout)
    assert (scratch > 0) == (budget > 0)
    if budget:
        assert predicted <= budget
    assert 0.75 * predicted <= measured <= 1.25 * predicted
