"""What the worker does for a host: answer each request from the pictures and models it holds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dinplug.checkpoints import list_models
from dinplug.errors import PhotoError, UsageError
from dinplug.hosts import manifest, protocol
from dinplug.hosts.devices import device_choices, device_title
from dinplug.hosts.jobs import Job, Message, Stopwatch
from dinplug.hosts.pictures import (
    Kept,
    Picture,
    finishing_bytes,
    opening_bytes,
    picture_of,
    result_region,
)
from dinplug.hosts.pixels import PixelFolder, PixelShape
from dinplug.hosts.protocol import ProtocolError
from dinplug.hosts.warm import WarmModel, WarmModels, Wish
from dinplug.imaging.photo import F32Image, Samples
from dinplug.imaging.samples import samples_from_photo
from dinplug.inference.executor import Progress
from dinplug.inference.plan import readable_size
from dinplug.restoration import Restorer

_MODELS_SHARE = 4
"""Loaded models may take this part of the memory, one at least."""


@dataclass(frozen=True)
class Order:
    """What is to be done to a picture: the checked parameters of a task, and its model."""

    task: Message
    parameters: dict[str, Any]
    warm: WarmModel

    @property
    def restorer(self) -> Restorer:
        """The model's restorer under these parameters."""
        return self.warm.restorer.adjusted(
            strength=self.parameters["strength"], ensemble=self.parameters["ensemble"]
        )

    @property
    def network_key(self) -> tuple[object, ...]:
        """What decides the result at full strength, but for the picture."""
        model = self.warm.model
        options = (self.warm.restorer.options, self.parameters["ensemble"])
        return (model.name, model.weights_sha256, *options)


@dataclass
class Service:
    """Serves one host: `folder` is where pixels pass, `budget` the most bytes to hold and use."""

    folder: PixelFolder
    budget: int
    pictures: dict[int, Picture] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.manifest = manifest.load_manifest()
        self.models = WarmModels(self.budget // _MODELS_SHARE)
        self._numbers = itertools.count(1)

    def answer(self, job: Job) -> Message:
        """Do what a request asks and return the result; raises DinplugError, ProtocolError."""
        handlers = {
            "tasks": self._tasks,
            "describe": self._describe,
            "open": self._open,
            "preview": self._restore,
            "restore": self._restore,
            "close": self._close,
        }
        return handlers[job.request](job)

    def _tasks(self, job: Job) -> Message:
        _check(job, ())
        models = [model for model in list_models() if model.weights != "none"]
        tasks = [
            {
                "id": task["id"],
                "models": [
                    {
                        "name": model.name,
                        "network": model.network,
                        "licence": model.licence,
                        "scale": None if model.any_factor else model.scale,
                    }
                    for model in models
                    if model.task == task["id"]
                ],
            }
            for task in self.manifest["tasks"]
        ]
        return {"tasks": tasks, "devices": device_choices()}

    def _describe(self, job: Job) -> Message:
        _check(job, ("task", "parameters"), ("width", "height"))
        order = self._order(job)
        model, restorer = order.warm.model, order.restorer
        about = {
            "model": model.name,
            "title": model.card.title,
            "paper": model.card.paper,
            "licence": model.card.licence,
            "weights": model.weights_sha256,
            "scale": restorer.scale,
            "device": device_title(restorer.runner.device),
            "memory": None,
            "seconds": None,
        }
        if "width" in job.message or "height" in job.message:
            width = protocol.whole(job.message, "width", 1, protocol.LARGEST_SIDE)
            height = protocol.whole(job.message, "height", 1, protocol.LARGEST_SIDE)
            if width * height > protocol.MOST_PIXELS:
                raise ProtocolError(f"{width} x {height} pixels are more than dinplug takes")
            about["memory"] = restorer.plan(width, height).peak_bytes
            about["seconds"] = _expected(order, width * height)
        return about

    def _open(self, job: Job) -> Message:
        _check(
            job,
            ("pixels", "width", "height", "channels", "dtype", "profile_bytes"),
            ("encoding",),
        )
        name = protocol.text(job.message, "pixels")
        self.folder.checked_path(name)
        try:
            shape = PixelShape.of(job.message)
            encoding = "profile"
            if "encoding" in job.message:
                encoding = protocol.choice(job.message, "encoding", protocol.ENCODINGS)
            if len(self.pictures) >= protocol.MOST_PICTURES:
                raise ProtocolError(f"{protocol.MOST_PICTURES} pictures are open: close some")
            self._make_room(opening_bytes(shape), None, f"{shape.width} x {shape.height} pixels")
            picture = picture_of(shape, self.folder.read(name, shape.file_bytes), encoding)
        finally:
            self.folder.discard(name)
        job.check()
        number = next(self._numbers)
        self.pictures[number] = picture
        return {"picture": number, "notes": list(picture.photo.source.warnings)}

    def _close(self, job: Job) -> Message:
        _check(job, ("picture",))
        self._picture(job)
        del self.pictures[job.message["picture"]]
        return {}

    def _restore(self, job: Job) -> Message:
        _check(job, ("picture", "task", "parameters"), ("region",))
        picture = self._picture(job)
        shape = picture.shape
        region = protocol.region_of(job.message, shape.width, shape.height)
        job.tell("loading the model", 0, None)
        order = self._order(job)
        job.check()
        samples = self._samples(job, picture, order)
        x, y, w, h = result_region(region, shape, samples)
        part = np.ascontiguousarray(samples[y : y + h, x : x + w])
        job.check()
        name = self.folder.write(part)
        model = order.warm.model.name
        return {
            "pixels": name,
            **shape._replace(width=w, height=h, profile_bytes=0)._asdict(),
            "region": [x, y, w, h],
            "whole": [samples.shape[1], samples.shape[0]],
            "model": model,
            "name": f"{order.task['title']} ({model})",
        }

    def _picture(self, job: Job) -> Picture:
        number = protocol.whole(job.message, "picture", 1, protocol.LARGEST_ID)
        if number not in self.pictures:
            raise ProtocolError(f"no picture {number} is open")
        return self.pictures[number]

    def _order(self, job: Job) -> Order:
        task = manifest.task_of(self.manifest, protocol.text(job.message, "task"))
        given = protocol.fields_of(job.message, "parameters")
        parameters = manifest.checked(task, given)
        wish = Wish(
            parameters["model"] or None, task["id"], parameters.get("scale"), parameters["device"]
        )
        return Order(task, parameters, self.models.get(wish))

    def _samples(self, job: Job, picture: Picture, order: Order) -> Samples:
        """All samples of the result, computed or kept."""
        key = (*order.network_key, order.parameters["strength"])
        kept = picture.samples_for(key)
        if kept is not None:
            return kept
        picture.samples = None
        full = picture.full_for(order.network_key)
        if full is None:
            picture.full = None
            full = self._run(job, picture, order)
            picture.full = Kept(order.network_key, full)
        job.check()
        job.tell("finishing", 1, None)
        height, width = full.shape[:2]
        need = finishing_bytes(width, height, picture.shape) - full.nbytes
        self._make_room(need, picture, f"a result of {width} x {height} pixels")
        samples = samples_from_photo(order.restorer.finished(picture.photo, full))
        picture.samples = Kept(key, samples)
        return samples

    def _run(self, job: Job, picture: Picture, order: Order) -> F32Image:
        """Run the network over a picture."""
        width, height = picture.photo.width, picture.photo.height
        restorer = order.restorer
        scale = restorer.scale
        need = finishing_bytes(round(width * scale), round(height * scale), picture.shape)
        what = f"a result of {width} x {height} pixels enlarged {scale:g} times"
        self._make_room(need, picture, what)
        # Only where memory is short: tiles of other sides give other roundings.
        if restorer.plan(width, height).peak_bytes > self._free:
            restorer = restorer.adjusted(max_memory=max(1, self._free))
            try:
                restorer.plan(width, height)
            except UsageError as error:
                raise _too_large(f"{width} x {height} pixels", self.budget) from error
        watch = Stopwatch(_expected(order, width * height))

        def report(progress: Progress) -> None:
            share = progress.done / progress.total
            job.tell(progress.stage, share, watch.left(share))

        try:
            full = restorer.at_full_strength(
                picture.photo.rgb, on_progress=report, should_stop=lambda: job.is_over
            )
        finally:
            restorer.runner.forget()  # a host may be idle for hours now
        order.warm.speed = watch.taken / (width * height) / _effort(order)
        return full

    @property
    def _free(self) -> int:
        return self.budget - self._held

    @property
    def _held(self) -> int:
        return self.models.held_bytes + sum(p.held_bytes for p in self.pictures.values())

    def _make_room(self, need: int, present: Picture | None, what: str) -> None:
        """Let go of what can be had again until `need` bytes are free; PhotoError if in vain."""
        for picture in self.pictures.values():
            if self._free >= need:
                return
            if picture is not present:
                picture.forget_results()
        if self._free < need:
            self.models.shrink(max(0, self.models.held_bytes - (need - self._free)))
        if self._free < need:
            raise _too_large(what, self.budget)


def _check(job: Job, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> None:
    protocol.check_keys(job.message, ("id", "request", *required), optional)


def _effort(order: Order) -> int:
    """How many runs of the network an order takes."""
    return 8 if order.parameters["ensemble"] else 1


def _expected(order: Order, pixels: int) -> float | None:
    """Seconds a run will take, if the model was run here before."""
    speed = order.warm.speed
    return None if speed is None else round(speed * pixels * _effort(order), 1)


def _too_large(what: str, budget: int) -> PhotoError:
    return PhotoError(
        f"{what} need more memory than the {readable_size(budget)} dinplug may use here: "
        "restore a part of the picture, or use `dinplug restore` on its file"
    )
