"""Make the page: the template with its style, its script and the report as data in it.

Names and messages are strangers' text. They go into the page once, as JSON whose `<` is escaped,
and the script shows them as text only. The page's Content-Security-Policy allows its own style
and script, by their hashes, and pictures; nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dinplug
from dinplug.batch.events import RunFinished
from dinplug.batch.journal import Recipe
from dinplug.batch.report.entries import Entries, Entry
from dinplug.batch.summary import printable

GENERATOR = '<meta name="generator" content="dinplug'
"""What every report has near its beginning, and by which it is known again."""
_TASKS = {
    "sr": "Super-resolution",
    "deblur": "Deblurring",
    "derain": "Deraining",
    "dehaze": "Dehazing",
}


def render(
    entries: Entries, pictures_folder: str, written: str, finished: RunFinished | None
) -> str:
    """Return the page. `written` is the time in words; `finished` is None while the run goes on."""
    photos = list(entries.photos.values())
    root = _common_folder(entry.job.source for entry in photos)
    recipes = [entries.recipe]
    for entry in photos:
        if entry.recipe is not None and entry.recipe not in recipes:
            recipes.append(entry.recipe)
    task = _TASKS.get(entries.recipe.task, entries.recipe.task)
    title = f"{task}: {printable(root.name if root else '')}".rstrip(": ")
    about = {
        "title": title,
        "version": dinplug.__version__,
        "written": written,
        "state": "running" if finished is None else _end_of(finished, entries),
        "seconds": None if finished is None else round(finished.seconds, 1),
        "source": printable(str(root or "")),
        "results": [printable(str(path)) for path in dict.fromkeys(e.job.folder for e in photos)],
        "pictures": quote(os.fsencode(pictures_folder)),
        "recipes": [_settings(recipe) for recipe in recipes],
    }
    # One after the other: thousands of photos take more as objects than the whole page.
    return _fill(title, about, (_json(_photo(entry, root, recipes)) for entry in photos))


def _fill(title: str, about: Mapping[str, Any], photos: Iterable[str]) -> str:
    """Return the template with `about` and the `photos`, each as JSON, in it as one object."""
    style, script = _part("page.css"), _part("page.js") + _part("viewer.js")
    policy = (
        f"default-src 'none'; img-src 'self' file:; style-src {_hash(style)}; "
        f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    parts = {
        "generator": f'{GENERATOR} {dinplug.__version__}">',
        "policy": policy,
        "title": html.escape(title),
        "style": style,
        "script": script,
        "data": f'{_json(about)[:-1]},"photos":[{",".join(photos)}]}}',
    }
    # One pass: nothing that is put in is looked at again.
    return re.sub("@([a-z]+)@", lambda match: parts[match[1]], _part("page.html"))


def _json(value: Mapping[str, Any]) -> str:
    """Return JSON that ends no element of a page."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _part(name: str) -> str:
    return (files("dinplug") / "batch" / "report" / name).read_text("utf-8")


def _hash(content: str) -> str:
    """Return the source expression that allows an element with exactly this content."""
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _settings(recipe: Recipe) -> dict[str, str]:
    """Return a recipe as names and values; what was left to dinplug is left out."""
    values = asdict(recipe)
    values |= values.pop("options")
    values["weights (SHA-256)"] = values.pop("weights_sha256")
    return {
        printable(name.replace("_", " ")): printable(_said(value))
        for name, value in values.items()
        if value is not None and value is not False
    }


def _said(value: object) -> str:
    if value is True:
        return "yes"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _photo(entry: Entry, root: Path | None, recipes: Sequence[Recipe]) -> dict[str, Any]:
    job = entry.job
    source = job.source.relative_to(root) if root else job.source
    return {
        "name": printable(source.as_posix()),
        "result": printable(job.target.relative_to(job.folder).as_posix()),
        "status": entry.status,
        "about": printable(entry.about.removeprefix(f"{job.source}: ")),
        "seconds": entry.seconds,
        "recipe": recipes.index(entry.recipe) if entry.recipe else None,
        "pictures": asdict(entry.pictures) if entry.pictures else None,
    }


def _end_of(finished: RunFinished, entries: Entries) -> str:
    if finished.interrupted:
        return "interrupted"
    waiting = any(entry.status == "waiting" for entry in entries.photos.values())
    return "ended early" if waiting else "finished"


def _common_folder(sources: Iterable[Path]) -> Path | None:
    """Return the deepest folder that holds all photos; None where they lie on several drives."""
    try:
        return Path(os.path.commonpath([str(source.parent) for source in sources]))
    except ValueError:
        return None
