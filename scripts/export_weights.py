"""Turn a training run into bundled weights with a card that states what they reach.

    python scripts/export_weights.py din-dehaze-small --run RUN --data PHOTOS --bench BENCH
        --set5 SET5 --to dinplug/weights

The pictures in BENCH and SET5 are scored, never trained on. A set or photo that is not at hand is
left out of the card.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import torch

from dinplug.checkpoints.cards import ModelCard
from dinplug.evaluation.bench import score_clean, score_sets
from dinplug.specs import MODELS, Task
from dinplug.training.export import as_shipped, credits, export_weights
from dinplug.training.pairs.sources import pairs_of
from dinplug.training.photos import list_photos, split_held_out
from dinplug.training.recipe import read_recipe
from dinplug.training.state import load_state

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
PROBES = 8
"""Pairs on which the effect of rounding to float16 is looked at."""


@click.command()
@click.argument("name", type=click.Choice(list(MODELS)))
@click.option("--recipe", "recipe_file", type=FILE, required=True)
@click.option("--run", type=FOLDER, required=True, help="The training run's folder.")
@click.option("--data", type=FOLDER, required=True, help="The photos it was trained on.")
@click.option("--bench", type=FOLDER, required=True, help="The benchmark sets.")
@click.option("--set5", type=FOLDER, help="Set5, in a folder HR.")
@click.option("--machine", default="2 CPU cores, 1 thread", help="What it was trained on.")
@click.option("--remark", default="", help="What else to say about the training.")
@click.option("--failure", "failures", multiple=True, help="A known failure, a sentence.")
@click.option("--to", type=FOLDER, required=True)
def main(
    name: str,
    recipe_file: Path,
    run: Path,
    data: Path,
    bench: Path,
    set5: Path | None,
    machine: str,
    remark: str,
    failures: tuple[str, ...],
    to: Path,
) -> None:
    """Export the averaged weights of a run as NAME."""
    recipe = read_recipe(recipe_file)
    state = load_state(run / "state.pt")
    photos, _ = split_held_out(list_photos(data, recipe.classes))
    manifest = next(m for m in (data / "manifest.csv", data.parent / "manifest.csv") if m.is_file())
    listed = MODELS[name]
    card = ModelCard(
        name,
        recipe.task,
        recipe.network,
        licence="Apache-2.0; trained on the photos under `data`, which carry their own licences",
        title=listed.title,
        paper=listed.paper,
        source="trained from scratch by dinplug train",
        notes={
            "scale": listed.scale,
            "parameters": sum(value.numel() for value in state.average.values()),
            "training": {
                "recipe": recipe_file.stem,
                "steps": state.step,
                "hours": round(state.seconds / 3600, 2),
                "machine": machine,
                "batch": recipe.batch,
                "crop": recipe.crop,
                "remark": remark,
            },
            "data": credits(manifest, photos),
            "known_failures": list(failures),
        },
    )
    model = as_shipped(card, state.average)
    results = score_sets(model, bench, set5)
    for label, result in results.items():
        click.echo(f"{label:12s} {result.gain:+6.2f} dB, worst {result.worst_gain:+6.2f}")
    scores = {"results": {label: result.as_json() for label, result in results.items()}}
    if card.task is not Task.SR:
        scores["clean"] = score_clean(model, bench).as_json()
        click.echo(f"clean photos {scores['clean']}")
    pairs, unseen = pairs_of(recipe, data, run)
    with torch.inference_mode():
        probe, _ = (unseen or pairs).batch(0, PROBES)
    scored = replace(card, notes=card.notes | scores)
    click.echo(export_weights(scored, state.average, to, probe))


if __name__ == "__main__":
    main()
