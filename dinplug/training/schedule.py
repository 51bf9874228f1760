"""The learning rate over a run."""

from __future__ import annotations

import math

from dinplug.training.recipe import Recipe


def rate_at(recipe: Recipe, step: int) -> float:
    """Learning rate of a step: linear warm-up, then a half cosine, or halvings."""
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    if recipe.schedule == "halving":
        return max(recipe.rate * 0.5 ** (step // recipe.halve_every), recipe.final_rate)
    progress = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    cosine = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
    return recipe.final_rate + (recipe.rate - recipe.final_rate) * cosine
