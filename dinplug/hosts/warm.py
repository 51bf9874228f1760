"""Models that stay loaded between requests, so that the next one starts at once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from dinplug.checkpoints import LoadedModel, load_model
from dinplug.folders import bundled_folder, imported_folder
from dinplug.inference.run import find_device
from dinplug.restoration import RestoreOptions, Restorer


@dataclass(frozen=True)
class Wish:
    """Which model on which device: a name or none, a task, a scale for super-resolution."""

    model: str | None
    task: str
    scale: int | None
    device: str


@dataclass
class WarmModel:
    """A loaded model, and how fast it was here: seconds a pixel of its input, once known."""

    restorer: Restorer
    size: int
    speed: float | None = None

    @property
    def model(self) -> LoadedModel:
        return self.restorer.model


class WarmModels:
    """The models used last, as many as fit `limit` bytes, and at least one."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: OrderedDict[tuple[Wish, tuple[int, ...]], WarmModel] = OrderedDict()

    @property
    def held_bytes(self) -> int:
        """Bytes of the weights kept, and of the folded copies beside them."""
        return sum(warm.size for warm in self._kept.values())

    def get(self, wish: Wish) -> WarmModel:
        """The model, loaded if it is not; raises what `load_model` and `Restorer` raise."""
        key = (wish, folder_stamps())
        warm = self._kept.pop(key, None) or self._load(wish)
        self._kept[key] = warm
        self.shrink(self.limit)
        return warm

    def shrink(self, limit: int) -> None:
        """Let go of the models not used for longest until the others fit `limit` bytes."""
        while len(self._kept) > 1 and self.held_bytes > limit:
            self._kept.popitem(last=False)

    def _load(self, wish: Wish) -> WarmModel:
        find_device(wish.device)  # fails sooner than loading
        model = load_model(wish.model, task=wish.task, scale=wish.scale)
        factor = float(wish.scale) if model.any_factor and wish.scale is not None else None
        restorer = Restorer(model, RestoreOptions(device=wish.device, factor=factor))
        size = sum(
            tensor.numel() * tensor.element_size()
            for network in (model.network, restorer.runner.network)
            for tensor in (*network.parameters(), *network.buffers())
        )
        return WarmModel(restorer, size)


def folder_stamps() -> tuple[int, ...]:
    """When models were last added or replaced: files are put in place by renaming."""
    return tuple(last_change(folder) for folder in (bundled_folder(), imported_folder()))


def last_change(folder: Path) -> int:
    """When a folder's list of files last changed, in nanoseconds; 0 if there is no folder."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
