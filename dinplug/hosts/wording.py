"""What both hosts' dialogs say in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .protocol import Message

_LONG_SECONDS = 100


def progress_words(title: str, progress: Message) -> str:
    """How far a task named `title` is, like "Dehaze: 35 %, 12 s left"."""
    share, left = progress["share"], progress["seconds_left"]
    if not share:
        return f"{title}: {progress['stage']}" if left is None else f"{title}: {time_words(left)}"
    words = f"{title}: {100 * share:.0f} %"
    return words if left is None or share == 1 else f"{words}, {time_words(left)}"


def time_words(seconds: float) -> str:
    """Time left, like "12 s left" or "3 min left"."""
    if seconds < _LONG_SECONDS:
        return f"{max(1, round(seconds))} s left"
    return f"{round(seconds / 60)} min left"


def description_words(description: Message) -> str:
    """What "describe" told, like "Model m on processor, 2 threads; 1.2 GB of memory"."""
    words = f"Model {description['model']} on {description['device']}"
    if description["memory"] is not None:
        words += f"; {size_words(description['memory'])} of memory"
    if description["seconds"] is not None:
        words += f", about {time_words(description['seconds'])[: -len(' left')]}"
    return words


def size_words(size: int) -> str:
    """A number of bytes, like "1.2 GB"."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1, round(size / 1e6))} MB"


def no_room_words(error: OSError) -> str:
    """What to say if a picture cannot be written for the worker."""
    return f"there is no room to hand over the picture ({error.strerror or error})"
