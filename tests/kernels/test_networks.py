"""Networks give the same pixels through kernels: growth buffers, attention and statistics."""

import json

import pytest
import torch

from tests.kernels.test_agreement import PROGRAM, run

pytest.importorskip("triton", reason="Triton is not installed on this platform")

SCRIPT = """
import json, sys
import torch
from dinplug.inference.run import NetworkRunner, RunOptions
from dinplug.networks.din import DIN, DINSpec
from dinplug.networks.imdn import IMDN, IMDNSpec
torch.set_num_threads(1)
torch.manual_seed(0)
device, side = sys.argv[1], 9
torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
image = torch.rand(1, 3, side, side + 2)
errors = {}
networks = {
    "din": DIN(DINSpec(branches=2, depth=2, blocks=2, features=16, growth=16)),
    "imdn": IMDN(IMDNSpec(features=16, blocks=1)),
}
for name, network in networks.items():
    for layer in network.modules():
        if isinstance(getattr(layer, "bias", None), torch.Tensor):
            torch.nn.init.uniform_(layer.bias, -0.1, 0.1)
    truth = NetworkRunner(network, RunOptions(device=device, reference=True)).run(image)
    ours = NetworkRunner(network, RunOptions(device=device, kernels="on")).run(image)
    plain = NetworkRunner(network, RunOptions(device=device, kernels="off")).run(image)
    size = truth.abs().max()
    errors[name] = [float((x - truth).abs().max() / size) for x in (ours, plain)]
    errors[name].append(torch.equal(ours, plain))
print(json.dumps(errors))
"""
REORDERED = 64 * torch.finfo(torch.float32).eps
"""Sums of a few thousand products in another order: root of the count times the rounding unit."""


def check(device: str, **environment: str) -> None:
    errors = json.loads(run([PROGRAM[0], "-c", SCRIPT, device], **environment))
    for through_kernels, through_torch, _ in errors.values():
        assert through_kernels <= REORDERED
        assert through_torch <= REORDERED
    # The kernels did run: on this many sums no two orders round alike throughout.
    assert not errors["din"][2]


def test_in_the_interpreter() -> None:
    check("cpu", TRITON_INTERPRET="1")


@pytest.mark.gpu
def test_on_the_device() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    check("cuda")
