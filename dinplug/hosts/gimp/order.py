"""What is to be done to a layer, and doing it: the worker restores, GIMP gets the result."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ..client import Client, WorkerError
from ..launch import recorded_launch
from ..wording import no_room_words, progress_words
from .introspection import Gimp
from .refusal import RefusalError
from .result import add_image, add_layer, layer_mask
from .source import Source, read_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..manifest import Manifest, Parameters
    from ..protocol import Message

HOST = "gimp"
"""GIMP's name in the manifest, and for `dinplug plugin install`."""
FOLDER = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""The plug-in's folder, where the record of dinplug's Python is."""


class Order(NamedTuple):
    """A task for a layer; `version` is the plug-in's."""

    task: Manifest
    version: str
    source: Source

    def start(self) -> Client:
        """Start a worker; raises LaunchError and ProtocolError."""
        return Client(recorded_launch(FOLDER, HOST), f"GIMP {Gimp.version()}", self.version)

    def deliver(self, result: Message, pixels: Any) -> Any:
        """Give GIMP a result; return the new layer or image."""
        add = add_image if makes_image(self.task) else add_layer
        return add(self.source, result, pixels)


def order_for(task: Manifest, version: str, image: Any, drawables: Sequence[Any]) -> Order:
    """Read what a task is to be done to; raises RefusalError if it cannot be done."""
    source = read_source(image, drawables)
    if makes_image(task) and layer_mask(source.layer) is not None:
        raise RefusalError(
            "the layer has a mask, which cannot be enlarged: apply or disable it first"
        )
    return Order(task, version, source)


def makes_image(task: Manifest) -> bool:
    """Whether a task's result is a new image."""
    return bool(task["result"] == "new-image")


def restore(order: Order, parameters: Parameters) -> Any:
    """Restore without a dialog; return the new layer or image.

    Raises WorkerError, LaunchError and ProtocolError.
    """
    task, source = order.task, order.source
    Gimp.progress_init(f"{task['title']}: starting")

    def show(progress: Message) -> None:
        Gimp.progress_set_text(progress_words(task["title"], progress))
        Gimp.progress_update(progress["share"])

    with order.start() as client:
        try:
            fields = source.hand_over(client)
        except OSError as error:
            raise WorkerError("setup", no_room_words(error)) from error
        opened = client.call("open", **fields)
        for note in opened["notes"]:
            Gimp.message(note)
        result = client.call(
            "restore",
            show,
            picture=opened["picture"],
            task=task["id"],
            parameters=parameters,
            region=list(source.region),
        )
        with client.take_pixels(result) as pixels:
            made = order.deliver(result, pixels)
    Gimp.progress_end()
    return made
