"""Train the papers' ablations at small scale, score them, and write docs/ablations.md.

    python benchmarks/ablations.py --data PHOTOS --hr SET5/HR --lr SET5/LRx2 --runs DIR

Each recipe in dinplug/training/recipes/ablation is trained on the photos, in a folder of its own
under --runs (run again, it goes on there), with the same pairs in the same order, and scored on the
luma of the --hr pictures. `--steps` shortens or lengthens every recipe, `--seeds 3` trains each
three times, `--only din imdn` some of them; the document then has those.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from textwrap import wrap
from typing import Any

import torch
from torch import nn

from dinplug.checkpoints.fitting import count_parameters
from dinplug.evaluation.evaluate import load_pair, restore_8bit
from dinplug.evaluation.metrics import Score, U8Image, score_luma
from dinplug.evaluation.pairs import Pair, find_pairs
from dinplug.evaluation.resize import resize_bicubic_8bit
from dinplug.specs import build_network
from dinplug.training.loop import Trainer
from dinplug.training.pairs.sources import pairs_of
from dinplug.training.photos import list_photos, split_held_out
from dinplug.training.recipe import Recipe, read_recipe

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "dinplug" / "training" / "recipes" / "ablation"


def mark(field: str, value: object = True) -> Callable[[Any], str]:
    """A column that is ticked where the network's field has the value."""
    return lambda spec: "x" if getattr(spec, field) == value else ""


@dataclass(frozen=True)
class Table:
    """One table: which paper's, which recipes in which order, and columns from their networks."""

    title: str
    source: str
    rows: tuple[str, ...]
    columns: dict[str, Callable[[Any], str]]


TABLES = (
    Table(
        "DIN: AsyCA, DWC, GFF",
        "Journal paper, Table 1. Without AsyCA branches are summed.",
        (
            "din-basic", "din-asyca", "din-dwc", "din-gff",
            "din-asyca-dwc", "din-asyca-gff", "din-dwc-gff", "din-full",
        ),
        {
            "AsyCA": mark("fusion", "asyca"),
            "DWC": mark("weighted_links"),
            "GFF": mark("global_fusion"),
        },
    ),
    Table(
        "DIN: how branches meet",
        "Journal paper, section 4.3; DWC and GFF are on.",
        ("din-concat", "din-dwc-gff", "din-se", "din-full"),
        {"fusion": lambda spec: str(spec.fusion)},
    ),
    Table(
        "IMDN: PRM, CCA, IIC",
        "Without PRM a block is three plain convolutions.",
        ("imdn-basic", "imdn-prm", "imdn-prm-cca", "imdn-full"),
        {
            "PRM": mark("progressive"),
            "CCA": mark("contrast_attention"),
            "IIC": mark("collects"),
        },
    ),
    Table(
        "AIDN: AIEB, FDC",
        "The variants of the paper's Figure 4 cannot be derived from its text; these are ours. "
        "Without AIEB a step is one 3x3 convolution. FDC: distilled features reach the block's "
        "fusion; multiplexing: they join later steps as well.",
        ("aidn-basic", "aidn-aieb", "aidn-fdc", "aidn-aieb-fdc", "aidn-full"),
        {
            "AIEB": mark("asymmetric"),
            "FDC": lambda spec: "" if spec.distilled == "none" else "x",
            "multiplexing": mark("distilled", "multiplexed"),
        },
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Result:
    """A recipe's scores on the pictures, one for each seed, and the seconds it trained."""

    recipe: Recipe
    scores: tuple[Score, ...]
    seconds: float

    def cells(self) -> tuple[str, ...]:
        """Parameters, PSNR (with half its range over the seeds) and SSIM."""
        psnr = [score.psnr for score in self.scores]
        spread = f" ± {(max(psnr) - min(psnr)) / 2:.2f}" if len(psnr) > 1 else ""
        return (
            f"{count_parameters(self.recipe.network):,}",
            f"{fmean(psnr):.2f}{spread}",
            f"{fmean(score.ssim for score in self.scores):.4f}",
        )


def mean_score(
    pairs: Sequence[Pair], scale: int, restore: Callable[[U8Image, tuple[int, int]], U8Image]
) -> Score:
    """Mean PSNR and SSIM of what `restore` makes of each small picture and the wanted size."""
    scores = []
    for pair in pairs:
        small, clean = load_pair(pair, scale, enlarged=False)
        height, width = clean.shape[:2]
        scores.append(score_luma(restore(small, (height, width)), clean, scale))
    return Score(fmean(s.psnr for s in scores), fmean(s.ssim for s in scores))


def score_network(network: nn.Module, pairs: Sequence[Pair], scale: int) -> Score:
    """Mean PSNR and SSIM of a network of the range 0..1."""
    with torch.inference_mode():
        return mean_score(pairs, scale, lambda small, _: restore_8bit(network, small))


def train(recipe: Recipe, data: Path, folder: Path, pairs: Sequence[Pair]) -> tuple[Score, float]:
    """Train the recipe, or go on with it; return its score and the seconds it trained in all."""
    trainer = Trainer(recipe, folder)
    trainer.run(pairs_of(recipe, data, folder)[0])
    network = build_network(recipe.network).eval()
    network.load_state_dict({name: value.cpu() for name, value in trainer.average.items()})
    return score_network(network, pairs, recipe.network.scale), trainer.seconds


def render(results: dict[str, Result], bicubic: Score, facts: str) -> str:
    """The document, Markdown."""
    lines = [
        "# Ablations, at small scale",
        "",
        "What the papers switch off, switched off in small networks that are trained briefly: by",
        "`benchmarks/ablations.py`, which writes this file, from the recipes in",
        "`dinplug/training/recipes/ablation` (each also runs as `dinplug train RECIPE`).",
        "",
        *wrap(facts, 100),
        "",
        "**What this does not show.** The papers train networks of 3 to 75 times the size for",
        "600,000 steps and more. So short a training favours what learns fast over what ends up",
        "best, and small differences are within what another seed changes. The tables neither",
        "confirm nor refute the papers' own.",
        "",
    ]
    for table in TABLES:
        rows = [name for name in table.rows if name in results]
        if not rows:
            continue
        heads = [*table.columns, "parameters", "PSNR (dB)", "SSIM"]
        lines += [f"## {table.title}", "", *wrap(table.source, 100), "", f"| {' | '.join(heads)} |"]
        lines += ["|---" * len(heads) + "|"]
        for name in rows:
            marks = [column(results[name].recipe.network) for column in table.columns.values()]
            lines.append(f"| {' | '.join([*marks, *results[name].cells()])} |")
        blank = ["bicubic", *[""] * (len(table.columns) - 1), "0"]
        lines += [f"| {' | '.join([*blank, f'{bicubic.psnr:.2f}', f'{bicubic.ssim:.4f}'])} |", ""]
    return "\n".join(lines).rstrip() + "\n"


def facts_of(results: Sequence[Result], photos: int, pictures: int, seeds: int) -> str:
    """One paragraph: the budget at which the tables were seen."""
    recipe = results[0].recipe
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "one CPU core"
    minutes = sum(result.seconds for result in results) / 60
    return (
        f"**Budget.** x{recipe.network.scale} super-resolution, {recipe.steps} steps of "
        f"{recipe.batch} crops of {recipe.crop} x {recipe.crop} small pixels, the same crops for "
        f"all rows, {'one seed' if seeds == 1 else f'{seeds} seeds (± is half their range)'}; Adam "
        f"from {recipe.rate:g}, L1; {photos} photos. In all {minutes:.0f} minutes on {device}, "
        f"torch {torch.__version__.split('+')[0]}. Scored on the luma of {pictures} pictures."
    )


def main() -> None:
    """Train, score, write the document."""
    parser = argparse.ArgumentParser(description="Train the papers' ablations at small scale.")
    parser.add_argument("--data", type=Path, required=True, help="folder of clean photos")
    parser.add_argument("--hr", type=Path, required=True, help="pictures to score on")
    parser.add_argument("--lr", type=Path, help="the small ones; made by bicubic reduction if none")
    parser.add_argument("--runs", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--steps", type=int, help="steps of every recipe")
    parser.add_argument("--seeds", type=int, default=1, help="how often each is trained")
    parser.add_argument("--only", nargs="*", default=[], help="families or names of recipes")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "ablations.md")
    wish = parser.parse_args()
    torch.set_num_threads(1)
    names = dict.fromkeys(name for table in TABLES for name in table.rows)
    chosen = [n for n in names if not wish.only or {n, n.split("-")[0]} & set(wish.only)]
    recipes = {name: read_recipe(RECIPES / f"{name}.toml") for name in chosen}
    scale = recipes[chosen[0]].network.scale
    pairs = find_pairs(wish.hr, wish.lr, scale)
    results: dict[str, Result] = {}
    for name, stated in recipes.items():
        recipe = replace(stated, steps=wish.steps or stated.steps)
        runs = [
            train(
                replace(recipe, seed=recipe.seed + index),
                wish.data,
                wish.runs / f"{name}-{recipe.seed + index}",
                pairs,
            )
            for index in range(wish.seeds)
        ]
        results[name] = Result(recipe, tuple(s for s, _ in runs), sum(t for _, t in runs))
        print(f"{name:<16}", *results[name].cells(), f"{results[name].seconds:.0f} s", flush=True)
    bicubic = mean_score(pairs, scale, lambda small, size: resize_bicubic_8bit(small, *size))
    photos = len(split_held_out(list_photos(wish.data, recipe.classes))[0])
    facts = facts_of(list(results.values()), photos, len(pairs), wish.seeds)
    wish.out.write_text(render(results, bicubic, facts), encoding="utf-8")


if __name__ == "__main__":
    main()
