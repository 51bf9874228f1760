"""Write docs/models/bundled: a page for every bundled model, from the JSON card of its weights.

python scripts/model_cards.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dinplug.checkpoints.cards import ModelCard, read_card
from dinplug.evaluation.sets import BENCH_SETS, SET5
from dinplug.folders import bundled_folder
from dinplug.specs import TASK_TITLES, Task, family_of, spec_fields

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "models" / "bundled"
NOTES = ("parameters", "training", "data", "results", "known_failures", "file", "float16_effect")
"""What a bundled model's card has to state beside what every card does."""
TRAINING = ("recipe", "steps", "hours", "machine", "batch", "crop")
SET_TITLES = {one.name: one.title for one in (SET5, *BENCH_SETS)}
STATED = ("title", "paper", "licence", "source", "weights_sha256")


def missing(card: ModelCard) -> list[str]:
    """The names of what a bundled model's card has to state and does not."""
    absent = [name for name in STATED if not getattr(card, name)]
    absent += [name for name in NOTES if name not in card.notes]
    if card.task is not Task.SR and "clean" not in card.notes:
        absent.append("clean")
    training = card.notes.get("training", {})
    return absent + [f"training.{name}" for name in TRAINING if name not in training]


def page(card: ModelCard) -> str:
    """The page of a bundled model, in Markdown."""
    notes = card.notes
    family = family_of(card.network).name
    scale = f" x{card.network.scale}" if card.task is Task.SR else ""
    training = notes["training"]
    lines = [
        f"# {card.name}",
        "",
        f"{TASK_TITLES[card.task]}{scale}, {card.title}: {notes['parameters']:,} parameters, "
        f"float16, bundled. Written by `scripts/model_cards.py` from the weights' card.",
        "",
        f"**Paper.** {card.paper}. How it is built here: [{family}.md](../{family}.md).",
        "",
        "**Network.** " + ", ".join(f"`{k}={v}`" for k, v in spec_fields(card.network).items()),
        "",
        f"**Training.** From scratch with the recipe `{training['recipe']}`: "
        f"{training['steps']:,} steps in {training['hours']:g} hours on {training['machine']}, "
        f"batches of {training['batch']}, crops of {training['crop']} pixels."
        + (f" {training['remark']}" if training.get("remark") else ""),
        "",
        *_results(card),
        "**Known failures.**",
        "",
        *(f"- {failure}" for failure in notes["known_failures"] or ["None seen so far."]),
        "",
        f"**Weights.** `{notes['file']}`, SHA-256 `{card.weights_sha256}`. Rounding to float16 "
        f"moves no output value by more than {notes['float16_effect']:.4f} of full scale.",
        "",
        f"**Licence.** {card.licence}.",
        "",
        *_credits(notes["data"]),
    ]
    return "\n".join(lines)


def _results(card: ModelCard) -> Iterator[str]:
    """The table of scores, and what becomes of clean photos."""
    measured = "luma" if card.task in {Task.SR, Task.DERAIN} else "RGB"
    before = "bicubic" if card.task is Task.SR else "input"
    yield f"**Results** (PSNR in dB / SSIM on {measured}; compare [quality.md](../../quality.md)):"
    yield ""
    yield f"| set | pictures | {before} | restored | worst gain |"
    yield "|---|---|---|---|---|"
    for name, result in card.notes["results"].items():
        given, restored = (
            f"{score['psnr']:.2f} / {score['ssim']:.4f}"
            for score in (result["input"], result["restored"])
        )
        yield (
            f"| {SET_TITLES.get(name, name)} | {result['pictures']} | {given} | {restored} | "
            f"{result['worst_gain']:+.2f} |"
        )
    yield ""
    if clean := card.notes.get("clean"):
        yield (
            f"{clean['pictures']} photos that nothing is wrong with come out at "
            f"{clean['psnr']:.2f} dB to themselves on RGB, the worst (`{clean['worst_picture']}`) "
            f"at {clean['worst']:.2f} dB."
        )
        yield ""


def _credits(data: list[dict[str, Any]]) -> Iterator[str]:
    """Whose photos it learned from."""
    count = sum(entry["files"] for entry in data)
    yield f"**Data.** {count} photos, with degradations made on the fly:"
    yield ""
    for entry in data:
        yield f"- {entry['source']}, {entry['files']} files, {entry['licence']}: {entry['works']}"
    yield ""


def main() -> None:
    """Write every page."""
    PAGES.mkdir(parents=True, exist_ok=True)
    for file in sorted(bundled_folder().glob("*.json")):
        card = read_card(file)
        if absent := missing(card):
            raise SystemExit(f"{file} does not state {', '.join(absent)}: export it again")
        (PAGES / f"{card.name}.md").write_text(page(card), "utf-8")


if __name__ == "__main__":
    main()
