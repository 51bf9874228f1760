"""The loop: it learns, resumes bit for bit, and survives being stopped, crashed and killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dinplug.errors import CheckpointError, Interrupted, ReadError, SetupError, UsageError
from dinplug.networks.imdn import IMDNSpec
from dinplug.training import loop
from dinplug.training.log import LINES, LogLine
from dinplug.training.loop import STATE_FILE, Limits, Trainer
from dinplug.training.pairs.numbered import F32
from dinplug.training.progress import View
from dinplug.training.recipe import Loss, Precision, Recipe
from dinplug.training.state import load_state, save_state
from tests.training.tiny_runs import NETWORKS, TINY, Veil, recipe_for, same, veil_for

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class BrokenVeil(Veil):
    """Pairs of which number `broken` is no picture, or an error."""

    broken: int = 0
    value: float | None = None

    def pair(self, number: int) -> tuple[F32, F32]:
        degraded, clean = super().pair(number)
        if number != self.broken:
            return degraded, clean
        if self.value is None:
            raise ReadError("a photo went away")
        return np.full_like(degraded, self.value), clean


class StopAfter(View):
    """Says stop once `step` is done."""

    def __init__(self, step: int) -> None:
        self.last, self.done = step, 0

    def stepped(self, step: int, loss: float) -> None:
        self.done = step

    def __call__(self) -> bool:
        return self.done >= self.last


def log_of(folder: Path) -> list[LogLine]:
    """The log without the times."""
    lines = [json.loads(line) for line in (folder / LINES).read_text("utf-8").splitlines()]
    return [{name: line[name] for name in line if name != "seconds"} for line in lines]


def tensors_in(value: object) -> Iterator[Tensor]:
    """All tensors of a nested state."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from tensors_in(inner)


def test_loss_goes_down(tmp_path: Path) -> None:
    recipe = replace(TINY, steps=150, rate=1e-2)
    Trainer(recipe, tmp_path).run(veil_for(recipe))
    lines = log_of(tmp_path)
    assert [line["step"] for line in lines] == [50, 100, 150]
    assert lines[-1]["loss"] < 0.65 * lines[0]["loss"]


@pytest.mark.parametrize("loss", ["l1", "l2"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    network: str,
    precision: Precision,
    loss: Loss,
) -> None:
    recipe = replace(recipe_for(NETWORKS[network]), precision=precision, loss=loss)
    compare_whole_with_parts(tmp_path, monkeypatch, recipe)


def test_muon_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compare_whole_with_parts(tmp_path, monkeypatch, replace(TINY, optimiser="muon"))


def test_the_scale_of_float16_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(recipe_for(NETWORKS["imdn"]), precision="float16")
    compare_whole_with_parts(tmp_path, monkeypatch, recipe)
    state = load_state(tmp_path / "parts" / STATE_FILE)
    # Every step without overflow counts towards the next doubling of the scale.
    assert state.scaler["_growth_tracker"] == 6
    assert load_state(tmp_path / "whole" / STATE_FILE).scaler == state.scaler


def compare_whole_with_parts(folder: Path, monkeypatch: pytest.MonkeyPatch, recipe: Recipe) -> None:
    """Train without a break, and with a crash after 3 steps and a stop after 5."""
    monkeypatch.setattr(loop, "_LOG_EVERY", 3)
    pairs = veil_for(recipe)
    Trainer(recipe, folder / "whole").run(pairs)

    crashing = BrokenVeil(pairs.crop, pairs.scale, broken=3 * recipe.batch)
    with pytest.raises(ReadError):
        Trainer(recipe, folder / "parts").run(crashing)
    second = Trainer(recipe, folder / "parts")
    assert second.step == 2
    stop = StopAfter(5)
    with pytest.raises(Interrupted, match="after step 5"):
        second.run(pairs, Limits(stop=stop), view=stop)
    third = Trainer(recipe, folder / "parts")
    assert third.step == 5
    third.run(pairs)

    one, other = (load_state(folder / part / STATE_FILE) for part in ("whole", "parts"))
    assert one.step == other.step == 6
    assert same(one.network, other.network)
    assert same(one.average, other.average)
    moments = [list(tensors_in(state.optimiser)) for state in (one, other)]
    assert len(moments[0]) > 10
    assert all(torch.equal(a, b) for a, b in zip(*moments, strict=True))
    assert log_of(folder / "whole") == log_of(folder / "parts")


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of Unix")
def test_a_kill_loses_nothing_older_than_the_last_checkpoint(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from dataclasses import replace\n"
        "from pathlib import Path\n"
        "from tests.training.test_loop import TINY, Trainer, veil_for\n"
        "recipe = replace(TINY, steps=10**6, checkpoint_every=1)\n"
        "Trainer(recipe, Path(sys.argv[2])).run(veil_for(recipe))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(ROOT), str(tmp_path)],
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
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert Trainer(TINY, tmp_path).step >= seen


def test_no_minutes_train_nothing_but_leave_a_checkpoint(tmp_path: Path) -> None:
    Trainer(TINY, tmp_path).run(veil_for(TINY), Limits(minutes=0))
    assert load_state(tmp_path / STATE_FILE).step == 0


def test_validation_sees_averaged_weights_and_leaves_the_trained_ones(tmp_path: Path) -> None:
    trainer = Trainer(replace(TINY, steps=2), tmp_path)
    seen: list[dict[str, Tensor]] = []

    def look(network: nn.Module) -> LogLine:
        seen.append({k: v.clone() for k, v in network.state_dict().items()})
        assert not network.training
        return {"psnr": 1.0, "input_psnr": 0.5, "ssim": 0.1}

    trainer.run(veil_for(TINY), validate=look)
    state = load_state(tmp_path / STATE_FILE)
    assert len(seen) == 1
    assert same(seen[0], state.average)
    assert not same(state.average, state.network)
    assert trainer.network.training
    assert log_of(tmp_path)[-1]["psnr"] == 1.0
    assert "<svg" in (tmp_path / "log.svg").read_text("utf-8")


def test_the_average_forgets_by_the_recipes_decay(tmp_path: Path) -> None:
    trainer = Trainer(replace(TINY, ema=0.5, warmup=0), tmp_path)
    expected = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    weights: list[dict[str, Tensor]] = []

    class Watch(View):
        def stepped(self, step: int, loss: float) -> None:
            weights.append({k: v.clone() for k, v in trainer.network.state_dict().items()})

    trainer.run(veil_for(TINY), view=Watch())
    for number, state in enumerate(weights, 1):
        keep = min(0.5, number / (number + 9))
        for name, value in state.items():
            expected[name] = keep * expected[name] + (1 - keep) * value
    for name, value in trainer.average.items():
        # Six sums of two products each, at weights of at most a few units.
        assert torch.allclose(value, expected[name], rtol=0, atol=6 * 4 * 2**-23), name


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(
    tmp_path: Path, number: float
) -> None:
    pairs = BrokenVeil(broken=3 * TINY.batch, value=number)
    with pytest.raises(SetupError, match=r"no longer a number in step 4; .*state\.pt") as raised:
        Trainer(TINY, tmp_path).run(pairs)
    assert "\n" not in str(raised.value)
    state = load_state(tmp_path / STATE_FILE)
    assert state.step == 2
    assert all(value.isfinite().all() for value in state.network.values())


def test_the_untrained_network_is_the_identity(tmp_path: Path) -> None:
    hazy, _ = Veil().batch(0, 2)
    with torch.inference_mode():
        assert torch.equal(Trainer(TINY, tmp_path).network(hazy), hazy)


def test_starting_weights_are_taken_only_by_a_new_run(tmp_path: Path) -> None:
    Trainer(TINY, tmp_path / "first").run(veil_for(TINY))
    weights = load_state(tmp_path / "first" / STATE_FILE).average
    second = Trainer(TINY, tmp_path / "second", weights)
    assert second.step == 0
    assert same(dict(second.network.state_dict()), weights)
    assert same(second.average, weights)
    with pytest.raises(UsageError, match="already holds a run"):
        Trainer(TINY, tmp_path / "first", weights)
    wider = replace(TINY, network=NETWORKS["imdn"])
    with pytest.raises(UsageError, match="another network"):
        Trainer(wider, tmp_path / "third", weights)


def test_another_factor_gives_all_but_its_upsampler(tmp_path: Path) -> None:
    doubling, tripling = (recipe_for(IMDNSpec(scale, features=16, blocks=1)) for scale in (2, 3))
    weights = Trainer(doubling, tmp_path / "x2").average
    fresh = Trainer(replace(tripling, seed=9), tmp_path / "fresh").average
    begun = Trainer(replace(tripling, seed=9), tmp_path / "x3", weights).average
    changed = {name for name, value in begun.items() if value.shape != weights[name].shape}
    assert changed and all("upsampler" in name for name in changed)
    for name, value in begun.items():
        assert torch.equal(value, (fresh if name in changed else weights)[name]), name


def test_a_folder_of_another_network_is_refused(tmp_path: Path) -> None:
    Trainer(TINY, tmp_path).run(veil_for(TINY), Limits(minutes=0))
    with pytest.raises(UsageError, match=r"state\.pt is of another network"):
        Trainer(recipe_for(NETWORKS["imdn"]), tmp_path)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    (tmp_path / STATE_FILE).write_bytes(b"PK not really")
    with pytest.raises(CheckpointError, match=r"state\.pt"):
        Trainer(TINY, tmp_path)


def test_states_come_back_as_they_were_saved(tmp_path: Path) -> None:
    trainer = Trainer(TINY, tmp_path)
    trainer.run(veil_for(TINY))
    state = load_state(tmp_path / STATE_FILE)
    save_state(state, tmp_path / "copy.pt")
    assert same(load_state(tmp_path / "copy.pt").average, state.average)
    assert not list(tmp_path.glob("*.part"))


def test_a_state_without_scale_and_losses_is_taken_up(tmp_path: Path) -> None:
    """Runs from before these were kept go on."""
    Trainer(TINY, tmp_path).run(veil_for(TINY), Limits(minutes=0))
    content = torch.load(tmp_path / STATE_FILE, weights_only=True)
    del content["scaler"], content["losses"]
    torch.save(content, tmp_path / STATE_FILE)
    trainer = Trainer(TINY, tmp_path)
    trainer.run(veil_for(TINY))
    assert trainer.step == 6
