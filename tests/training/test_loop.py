"""The loop: it learns, resumes bit for bit, and survives being killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dinplug.errors import CheckpointError, Interrupted, UsageError
from dinplug.networks.din import DINSpec
from dinplug.training.loop import LOG_FILE, STATE_FILE, LogLine, Trainer, rate_at
from dinplug.training.recipe import Precision, Recipe
from dinplug.training.state import load_state, save_state

TINY = Recipe(
    task="dehaze",
    network=DINSpec(strided=True, branches=2, depth=1, blocks=1, features=8, growth=4),
    seed=1,
    steps=12,
    batch=2,
    crop=32,
    classes=(),
    interiors=0.0,
    skies=0.0,
    landscapes=0,
    landscape_share=0.0,
    rate=2e-3,
    final_rate=2e-4,
    warmup=2,
    clip=1.0,
    ema=0.9,
    precision="float32",
    checkpoint_every=4,
    validate_every=4,
)


class Veil:
    """Batch n: random pictures under a grey veil of half strength."""

    def batches(self, step: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            generator = torch.Generator().manual_seed(step)
            clean = torch.rand(size, 3, 1, 1, generator=generator).expand(-1, -1, 32, 32)
            yield 0.5 * clean + 0.4, clean.contiguous()
            step += 1


class Unplugged(Veil):
    """The same, but Ctrl-C comes in its fifth batch."""

    def batches(self, step: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        for number, batch in enumerate(super().batches(step, size)):
            if number == 5:
                raise KeyboardInterrupt
            yield batch


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_loss_goes_down(tmp_path: Path) -> None:
    trainer = Trainer(replace(TINY, steps=300, rate=1e-2), tmp_path)
    trainer.run(Veil())
    lines = [json.loads(line) for line in (tmp_path / LOG_FILE).read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(50, 301, 50))
    assert lines[-1]["loss"] < 0.65 * lines[0]["loss"]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, precision: Precision) -> None:
    recipe = replace(TINY, precision=precision)
    whole = Trainer(recipe, tmp_path / "whole")
    whole.run(Veil())

    with pytest.raises(Interrupted, match="after step 5"):
        Trainer(recipe, tmp_path / "parts").run(Unplugged())
    resumed = Trainer(recipe, tmp_path / "parts")
    assert resumed.step == 4
    resumed.run(Veil())

    one, other = (load_state(tmp_path / part / STATE_FILE) for part in ("whole", "parts"))
    assert one.step == other.step == 12
    assert same(one.network, other.network)
    assert same(one.average, other.average)
    moments = [state.optimiser["state"] for state in (one, other)]
    assert all(same(moments[0][key], moments[1][key]) for key in moments[0])


def test_a_kill_loses_nothing_older_than_the_last_checkpoint(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from dataclasses import replace\n"
        "from tests.training.test_loop import TINY, Trainer, Veil\n"
        "recipe = replace(TINY, steps=10**6, checkpoint_every=1, validate_every=10**6)\n"
        "Trainer(recipe, Path(sys.argv[2])).run(Veil())\n"
    )
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(root), str(tmp_path)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        state = tmp_path / STATE_FILE
        seen = 0
        while seen < 5:
            assert process.poll() is None
            if state.is_file():
                seen = load_state(state).step
    finally:
        process.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        process.wait()
    trainer = Trainer(TINY, tmp_path)
    assert trainer.step >= seen


def test_no_minutes_train_nothing_but_leave_a_checkpoint(tmp_path: Path) -> None:
    Trainer(TINY, tmp_path).run(Veil(), minutes=0)
    assert load_state(tmp_path / STATE_FILE).step == 0


def test_validation_sees_averaged_weights_and_leaves_the_trained_ones(tmp_path: Path) -> None:
    trainer = Trainer(replace(TINY, steps=4), tmp_path)
    seen: list[dict[str, Tensor]] = []

    def look(network: nn.Module) -> LogLine:
        seen.append({k: v.clone() for k, v in network.state_dict().items()})
        return {"psnr": 1.0}

    trainer.run(Veil(), validate=look)
    state = load_state(tmp_path / STATE_FILE)
    assert len(seen) == 1
    assert same(seen[0], state.average)
    assert not same(state.average, state.network)


def test_the_untrained_network_is_the_identity(tmp_path: Path) -> None:
    hazy, _ = next(Veil().batches(0, 2))
    with torch.inference_mode():
        assert torch.equal(Trainer(TINY, tmp_path).network(hazy), hazy)


def test_starting_weights_are_taken_only_by_a_new_run(tmp_path: Path) -> None:
    Trainer(TINY, tmp_path / "first").run(Veil())
    weights = load_state(tmp_path / "first" / STATE_FILE).average
    second = Trainer(TINY, tmp_path / "second", weights)
    assert second.step == 0
    assert same(dict(second.network.state_dict()), weights)
    with pytest.raises(UsageError, match="already holds a run"):
        Trainer(TINY, tmp_path / "first", weights)
    wider = replace(TINY, network=replace(TINY.network, features=12))
    with pytest.raises(UsageError, match="another network"):
        Trainer(wider, tmp_path / "third", weights)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_bytes(b"PK not really")
    with pytest.raises(CheckpointError, match=r"state\.pt"):
        Trainer(TINY, tmp_path)


def test_states_come_back_as_they_were_saved(tmp_path: Path) -> None:
    trainer = Trainer(TINY, tmp_path)
    trainer.run(Veil())
    state = load_state(tmp_path / STATE_FILE)
    save_state(state, tmp_path / "copy.pt")
    assert same(load_state(tmp_path / "copy.pt").average, state.average)
    assert not list(tmp_path.glob("*.part"))


def test_the_rate_rises_then_falls_to_its_end() -> None:
    recipe = replace(TINY, steps=100, warmup=10)
    rates = [rate_at(recipe, step) for step in range(101)]
    assert rates[0] == pytest.approx(recipe.rate / 10)
    assert max(rates) == pytest.approx(recipe.rate)
    assert rates[100] == pytest.approx(recipe.final_rate)
    assert rates[10:] == sorted(rates[10:], reverse=True)
