"""What another process, here or on another machine, does for a batch: bytes in, bytes out.

It decodes, restores and encodes with the same functions as a run by itself, in a private folder
where the photo and its sidecars have their own names, so that the results are the same bytes.
Names of results, the journal and locks are the business of the process that runs the batch. This
module loads quickly: dask's scheduler imports it too.
"""

from __future__ import annotations

import importlib.metadata
import platform
import tempfile
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import dinplug
from dinplug.errors import DinplugError, PhotoError, SetupError

if TYPE_CHECKING:
    from dinplug.batch.wishes import Wishes
    from dinplug.restoration import Restorer

_LIBRARIES = ("torch", "numpy", "pillow", "tifffile", "imagecodecs", "rawpy")


@dataclass(frozen=True)
class Terms:
    """What every worker of a run needs to agree on, so that it does not matter which one it is.

    `wishes` name the model. `software` is what decides bytes besides the photo and the weights.
    `profile` is the content of the .icc file that the wishes name, if they name one.
    """

    wishes: Wishes
    weights_sha256: str
    software: tuple[tuple[str, str], ...]
    profile: bytes | None = None


@dataclass(frozen=True)
class Order:
    """One photo to restore: the content of its file and of its sidecars, these by name.

    The paths are those of the process that runs the batch; errors are told with them.
    """

    source: Path
    target: Path
    content: bytes
    sidecars: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """The file of a result, its sidecars by name, and what the user should know about it."""

    content: bytes
    sidecars: Mapping[str, bytes]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """Why there is no result; `trace` is the traceback of an error nobody expected.

    A SetupError speaks of the worker, everything else of the photo.
    """

    error: DinplugError
    trace: str = ""


def software() -> tuple[tuple[str, str], ...]:
    """Return what decides the bytes of results here, with versions."""
    return (
        ("dinplug", dinplug.__version__),
        *((name, importlib.metadata.version(name)) for name in _LIBRARIES),
        ("system", f"{platform.system()} {platform.machine()}"),
    )


def prepare(terms: Terms, threads: int) -> Failure | None:
    """Load the model, to be run by `threads` threads; return why this worker cannot work."""
    try:
        _restorer(terms, threads)
    except DinplugError as error:
        return Failure(SetupError(str(error)))
    return None


def restore(terms: Terms, threads: int, order: Order) -> Result | Failure:
    """Restore one photo; the model is loaded if it was not yet."""
    if failure := prepare(terms, threads):
        return failure
    try:
        with tempfile.TemporaryDirectory(prefix="dinplug-") as folder:
            return _restored(terms, _restorer(terms, threads), order, Path(folder))
    except OSError as error:
        place = f"{tempfile.gettempdir()}: {error.strerror or error}"
        return Failure(SetupError(f"no place for temporary files in {place}"))


def _restored(terms: Terms, restorer: Restorer, order: Order, folder: Path) -> Result | Failure:
    from dinplug.batch.results_folder import is_disk_error
    from dinplug.imaging import read_photo, write_photo

    source, target = folder / "in" / order.source.name, folder / "out" / order.target.name

    def in_callers_words(text: str) -> str:
        return text.replace(str(source), str(order.source)).replace(str(target), str(order.target))

    profile = None
    for path in (source, target):
        path.parent.mkdir()
    if terms.profile is not None and terms.wishes.output_profile is not None:
        profile = folder / "profile" / Path(terms.wishes.output_profile).name
        profile.parent.mkdir()
        profile.write_bytes(terms.profile)
    source.write_bytes(order.content)
    for name, content in order.sidecars.items():
        source.with_name(name).write_bytes(content)
    wishes = replace(terms.wishes, output_profile=str(profile)) if profile else terms.wishes
    try:
        photo = read_photo(source)
        with _network:
            restored = restorer.restore_photo(photo)
        written = write_photo(restored, target, wishes.write_options)
    except Exception as error:  # the per-file loop, on its far side
        reason = in_callers_words(str(error))
        if is_disk_error(error):
            return Failure(SetupError(reason))
        if isinstance(error, DinplugError):
            return Failure(type(error)(reason))
        reason = f"{order.source}: unexpected {type(error).__name__}: {reason}"
        return Failure(PhotoError(reason), traceback.format_exc())
    notes = (in_callers_words(note) for note in (*photo.source.warnings, *written))
    files = {path.name: path.read_bytes() for path in target.parent.iterdir()}
    return Result(files.pop(target.name), files, tuple(notes))


_network = threading.Lock()
"""One photo at a time goes through the network; others may be decoded or encoded meanwhile."""
_loading = threading.Lock()


def _restorer(terms: Terms, threads: int) -> Restorer:
    with _loading:
        return _load(terms, threads)


@lru_cache(maxsize=1)
def _load(terms: Terms, threads: int) -> Restorer:
    """Load and fold the model of `terms`, once in this process."""
    here = dict(software())
    for name, version in terms.software:
        if here.get(name) != version:
            raise SetupError(f"it has {name} {here.get(name)}, and the batch runs with {version}")
    import torch

    torch.set_num_threads(threads)
    model = terms.wishes.load()
    if model.weights_sha256 != terms.weights_sha256:
        raise SetupError(
            f"its weights of {model.name} are others ({model.weights_sha256[:12]}, and the batch "
            f"runs with {terms.weights_sha256[:12]}): copy them there"
        )
    return terms.wishes.restorer(model)
