"""Turn a training run into bundled weights with a card that states what they reach.

    python scripts/export_weights.py din-dehaze-small --recipe dinplug/training/recipes/dehaze.toml
        --run RUN --data PHOTOS --pairs sots-indoor=DIR --to dinplug/weights

Each --pairs folder holds `hazy/` and `gt/`; the pictures in it are scored, never trained on.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from torch.nn import functional as F

from dinplug.checkpoints.cards import ModelCard
from dinplug.evaluation.metrics import U8Image, psnr
from dinplug.evaluation.pairs import find_pairs, read_rgb8
from dinplug.networks.din import DIN
from dinplug.specs import JOURNAL, Task
from dinplug.training.export import credits, export_weights
from dinplug.training.pairs import HazePairs
from dinplug.training.photos import list_photos, split_held_out
from dinplug.training.recipe import read_recipe
from dinplug.training.state import load_state

Folder = click.Path(exists=True, file_okay=False, path_type=Path)


def restore(network: DIN, picture: U8Image) -> U8Image:
    """Restore an 8-bit picture (H, W, 3), its sides padded to what the network needs."""
    height, width = picture.shape[:2]
    image = torch.from_numpy(picture.astype(np.float32).transpose(2, 0, 1) / 255)[None]
    multiple = network.multiple_of
    image = F.pad(image, (0, -width % multiple, 0, -height % multiple), mode="replicate")
    with torch.inference_mode():
        restored = network(image)[0, :, :height, :width].clamp(0, 1)
    return np.asarray((restored.numpy().transpose(1, 2, 0) * 255).round(), np.uint8)


def score(network: DIN, pairs: Path) -> dict[str, dict[str, float]]:
    """PSNR (RGB, dB) of each hazy picture of a folder before and after."""
    table = {}
    for pair in find_pairs(pairs / "gt", pairs / "hazy", 1):
        if pair.degraded is None:
            raise click.ClickException(f"{pairs}: no hazy picture for {pair.name}")
        clean, hazy = read_rgb8(pair.clean), read_rgb8(pair.degraded)
        before, after = psnr(hazy, clean), psnr(restore(network, hazy), clean)
        table[pair.degraded.stem] = {"hazy": round(before, 2), "restored": round(after, 2)}
        click.echo(f"{pair.degraded.stem:24s} {before:6.2f} {after:6.2f} {after - before:+6.2f}")
    return table


@click.command()
@click.argument("name")
@click.option("--recipe", "recipe_file", type=click.Path(path_type=Path), required=True)
@click.option("--run", type=Folder, required=True, help="The training run's folder.")
@click.option("--data", type=Folder, required=True, help="The photos it was trained on.")
@click.option("--pairs", "sets", multiple=True, help="NAME=DIR to score, any number of times.")
@click.option("--machine", default="2 CPU cores", help="What it was trained on.")
@click.option("--remark", default="", help="What else to say about the training.")
@click.option("--to", type=Folder, required=True)
def main(
    name: str,
    recipe_file: Path,
    run: Path,
    data: Path,
    sets: tuple[str, ...],
    machine: str,
    remark: str,
    to: Path,
) -> None:
    """Export the averaged weights of a run as NAME."""
    recipe = read_recipe(recipe_file)
    state = load_state(run / "state.pt")
    photos, held_out = split_held_out(list_photos(data, recipe.classes))
    network = DIN(recipe.network).eval()
    network.load_state_dict(state.average)
    tables = {}
    for entry in sets:
        label, _, folder = entry.partition("=")
        tables[label] = score(network, Path(folder))
    probe, _ = HazePairs(held_out, recipe.crop, 78).batch(0, 8)
    manifest = next(m for m in (data / "manifest.csv", data.parent / "manifest.csv") if m.is_file())
    card = ModelCard(
        name,
        Task.DEHAZE,
        recipe.network,
        licence="Apache-2.0; trained on the photos under `data`, which carry their own licences",
        title="DIN, small",
        paper=JOURNAL,
        source="trained from scratch by dinplug.training",
        notes={
            "scale": 1,
            "parameters": sum(p.numel() for p in network.parameters()),
            "training": {
                "steps": state.step,
                "hours": round(state.seconds / 3600, 2),
                "machine": machine,
                "batch": recipe.batch,
                "crop": recipe.crop,
                "haze": "made on the fly: I = J t + A (1 - t), t = exp(-beta d), plausible depth",
                "remark": remark,
            },
            "data": credits(manifest, photos),
            "psnr_rgb": tables,
        },
    )
    click.echo(export_weights(card, state.average, to, probe))


if __name__ == "__main__":
    main()
