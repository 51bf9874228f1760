"""What a shell offers where the name of a model is typed."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from dinplug.folders import bundled_folder, imported_folder


def complete_models(ctx: click.Context, param: click.Parameter, begun: str) -> list[CompletionItem]:
    """Offer the models whose weights are here, by their cards: nothing is loaded."""
    names = {
        card.stem
        for folder in (bundled_folder(), imported_folder())
        for card in folder.glob("*.json")
        if card.with_suffix(".safetensors").exists()
    }
    return [CompletionItem(name) for name in sorted(names) if name.startswith(begun)]
