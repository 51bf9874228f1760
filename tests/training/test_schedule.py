"""The learning rate over a run."""

from dataclasses import replace

import pytest

from dinplug.training.schedule import rate_at
from tests.training.tiny_runs import TINY


def test_the_rate_rises_then_falls_to_its_end() -> None:
    recipe = replace(TINY, steps=100, warmup=10)
    rates = [rate_at(recipe, step) for step in range(101)]
    assert rates[0] == pytest.approx(recipe.rate / 10)
    assert max(rates) == pytest.approx(recipe.rate)
    assert rates[55] == pytest.approx((recipe.rate + recipe.final_rate) / 2)
    assert rates[100] == pytest.approx(recipe.final_rate)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_halvings_come_at_their_steps_and_end_at_the_final_rate() -> None:
    recipe = replace(
        TINY, schedule="halving", halve_every=10, steps=100, warmup=0, rate=8e-4, final_rate=1e-4
    )
    assert [rate_at(recipe, step) for step in (0, 9, 10, 19, 20, 30, 40, 99)] == pytest.approx(
        [8e-4, 8e-4, 4e-4, 4e-4, 2e-4, 1e-4, 1e-4, 1e-4]
    )
