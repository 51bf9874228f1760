"""Running a network over one image: padding, ranges, ensemble, devices."""

import itertools

import pytest
import torch

from dinplug.errors import SetupError, UsageError
from dinplug.inference.executor import Progress
from dinplug.inference.run import NetworkRunner, RunOptions, find_device, pad
from dinplug.ops import plain_torch
from tests.inference.cases import random_network


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 2), (13, 1), (17, 30)])
@pytest.mark.parametrize("name", ["din-dehaze", "aidn-x2", "imdn-as", "msfin-s"])
def test_any_size_runs(name: str, size: tuple[int, int]) -> None:
    network = random_network(name)
    runner = NetworkRunner(network, RunOptions(tile=8))
    output = runner.run(torch.rand(1, 3, *size))
    assert output.shape == (1, 3, size[0] * network.scale, size[1] * network.scale)
    assert output.isfinite().all()


def test_padding_mirrors_and_keeps_what_was_there() -> None:
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = pad(image, 5, 7)
    assert torch.equal(padded[:, :, :2, :3], image)
    assert padded[0, 0, 0].tolist() == [0, 1, 2, 1, 0, 1, 2]
    assert padded[0, 0, :, 0].tolist() == [0, 3, 0, 3, 0]
    assert torch.equal(pad(torch.full((1, 1, 1, 1), 0.5), 15, 4), torch.full((1, 1, 15, 4), 0.5))


def test_a_network_on_255_gets_and_gives_0_to_1() -> None:
    network = random_network("msfin-s")
    image = torch.rand(1, 3, 9, 8)
    with torch.no_grad():
        truth = network(image * 255) / 255
    output = NetworkRunner(network, RunOptions()).run(image)
    assert (output - truth).abs().max() <= 2e-5 * truth.abs().max()


def test_the_reference_is_the_network_itself() -> None:
    network = random_network("din-dehaze")
    image = torch.rand(1, 3, 16, 20)
    with torch.no_grad(), plain_torch():
        truth = network(image)
    assert torch.equal(NetworkRunner(network, RunOptions(reference=True)).run(image), truth)


def test_an_ensemble_is_the_mean_of_eight() -> None:
    network = random_network("din-x2-bicubic")
    image = torch.rand(1, 3, 10, 14)
    seen = list[Progress]()
    output = NetworkRunner(network, RunOptions(ensemble=True)).run(image, seen.append)
    truth = torch.zeros(1, 3, 20, 28)
    with torch.no_grad():
        for turns in range(4):
            for mirrored in (False, True):
                turned = torch.rot90(image.flip(-1) if mirrored else image, turns, (2, 3))
                back = torch.rot90(network(turned), -turns, (2, 3))
                truth += (back.flip(-1) if mirrored else back) / 8
    assert (output - truth).abs().max() <= 2e-5 * truth.abs().max()
    assert seen[-1].done == seen[-1].total
    assert all(earlier.done < later.done for earlier, later in itertools.pairwise(seen))


@pytest.mark.parametrize(
    ("name", "ensemble", "images"),
    [
        ("imdn-x4", False, 1),
        ("imdn-x4", True, 2 + 16),
        ("din-dehaze", False, 2),  # 101 rows are padded
        ("msfin-s", False, 2),  # brought to 0..255
    ],
)
def test_a_plan_counts_the_photo_and_its_copies(name: str, ensemble: bool, images: int) -> None:
    network = random_network(name)
    runner = NetworkRunner(network, RunOptions(ensemble=ensemble))
    plan = runner.plan(101, 200)
    height, width = runner.padded_size(101, 200)
    assert min(plan.fixed_bytes) >= images * height * width * 3 * 4
    scale = network.scale
    assert plan.fixed_bytes[-1] >= (images + scale**2) * height * width * 3 * 4


def test_a_budget_below_the_photo_is_refused() -> None:
    runner = NetworkRunner(random_network("imdn-x4"), RunOptions(max_memory=1 << 20))
    with pytest.raises(UsageError, match="--max-memory at least"):
        runner.plan(2000, 3000)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the device")
def test_a_missing_device_is_named() -> None:
    assert find_device("auto").type == "cpu"
    with pytest.raises(SetupError, match=r"no device cuda:1 .*--device cpu"):
        find_device("cuda:1")
