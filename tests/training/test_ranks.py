"""Two processes train what one does: the same batches, dealt out, and gradients averaged."""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dinplug.errors import UsageError
from dinplug.training.loop import STATE_FILE, Trainer
from dinplug.training.ranks import ALONE, Ranks
from dinplug.training.state import load_state
from tests.training.tiny_runs import NETWORKS, TINY_DIN, Veil, recipe_for, same, veil_for

ROOT = Path(__file__).resolve().parents[2]
# The released DIN leaves the weights of its first nodes without use and without gradient.
WITH_UNUSED = replace(TINY_DIN, first_node="released", branches=2, depth=2)
RECIPES = {
    "din": replace(recipe_for(WITH_UNUSED), batch=4, warmup=0),
    "imdn": replace(recipe_for(NETWORKS["imdn"]), batch=4, warmup=0),
}


def test_shares_together_are_the_batches_of_one_process() -> None:
    pairs = Veil()
    whole = [pairs.pair(number)[0] for number in range(12)]
    for rank in range(3):
        share, size = Ranks(rank, 3, rank).share(pairs, 6)
        assert size == 2
        for step in range(2):
            degraded, _ = share.batch(step * size, size)
            for place in range(size):
                picture = degraded[place].permute(1, 2, 0).numpy()
                assert np.array_equal(picture, whole[step * 6 + place * 3 + rank])


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(UsageError, match="4 pairs cannot be shared by 3 processes"):
        Ranks(0, 3, 0).share(Veil(), 4)


def test_one_process_alone_needs_no_others() -> None:
    assert (ALONE.any(True), ALONE.any(False), ALONE.mean(0.5)) == (True, False, 0.5)
    assert ALONE.of_first(lambda: "made") == ALONE.one_after_another(lambda: "made") == "made"


WORKER = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import torch
from dinplug.errors import Interrupted
from dinplug.training.loop import Limits, Trainer
from dinplug.training.ranks import join_ranks
from tests.training.test_ranks import RECIPES, Stopper
from tests.training.tiny_runs import veil_for

torch.set_num_threads(1)
name, folder = sys.argv[2], Path(sys.argv[3])
recipe = RECIPES[name]
with join_ranks() as ranks:
    # Only the first process sees the folder, as on machines without a common disk, and only the
    # second one is asked to stop.
    mine = folder if ranks.is_first else Path("/nowhere")
    trainer = Trainer(recipe, mine, ranks=ranks)
    try:
        trainer.run(veil_for(recipe), Limits(stop=Stopper(3 if ranks.rank == 1 else 10**6)))
    except Interrupted:
        print("stopped after", trainer.step)
    trainer = Trainer(recipe, mine, ranks=ranks)
    print("going on after", trainer.step)
    trainer.run(veil_for(recipe))
    print("at the end after", trainer.step)
    torch.save(trainer.network.state_dict(), folder / f"rank{ranks.rank}.pt")
"""


class Stopper:
    """Says stop when asked for the time after `steps`."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def train_in_two(name: str, folder: Path) -> list[str]:
    """Train a recipe of RECIPES in two processes; return what they printed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.mkdir(exist_ok=True)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(ROOT), name, str(folder)],
            env=os.environ
            | {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "OMP_NUM_THREADS": "1",
                "CUDA_VISIBLE_DEVICES": "",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=300) for process in processes]
    for process, (_, errors) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, errors
    return [output for output, _ in outputs]


@pytest.mark.parametrize("name", RECIPES)
def test_two_processes_train_what_one_does(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]
    alone = Trainer(recipe, tmp_path / "alone")
    before = {key: value.clone() for key, value in alone.network.state_dict().items()}
    alone.run(veil_for(recipe))
    expected = alone.network.state_dict()

    story = "stopped after 3\ngoing on after 3\nat the end after 6\n"
    assert train_in_two(name, tmp_path / "two") == [story, story]
    first, second = (
        torch.load(tmp_path / "two" / f"rank{rank}.pt", weights_only=True) for rank in range(2)
    )
    assert same(first, second)
    assert same(first, load_state(tmp_path / "two" / STATE_FILE).network)
    # A gradient is a sum over the pixels of a batch; in another order it differs by 2^-24 for each
    # of them at most, relatively. Adam divides it by its size, so that the weight moves by that
    # part of the rate; and each step rounds the weight.
    pixels = recipe.batch * (recipe.crop * recipe.network.scale) ** 2
    for key, value in first.items():
        rounding = 2**-23 * float(expected[key].abs().max())
        tolerance = recipe.steps * (recipe.rate * pixels * 2**-24 + rounding)
        assert torch.allclose(value, expected[key], rtol=0, atol=tolerance), key
    untrained = {key for key in expected if torch.equal(expected[key], before[key])}
    assert untrained == {key for key in first if torch.equal(first[key], before[key])}
    if name == "din":
        assert untrained
