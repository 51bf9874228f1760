"""Score models and classical methods on the benchmark sets, and on photos to be left alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from dinplug.checkpoints import LoadedModel
from dinplug.evaluation.evaluate import restorer_8bit, score_as
from dinplug.evaluation.metrics import Score, U8Image, psnr, register
from dinplug.evaluation.resize import resize_bicubic_8bit
from dinplug.evaluation.sets import Sample, read_clean, read_samples, sets_at_hand
from dinplug.specs import Task

Restore = Callable[[U8Image], U8Image]
"""From a degraded picture (H, W, 3) to a restored one (scale·H, scale·W, 3)."""


@dataclass(frozen=True)
class SetResult:
    """Mean scores of a set before and after, and the smallest gain of a picture in dB."""

    pictures: int
    input: Score
    restored: Score
    worst_gain: float
    worst_picture: str

    @property
    def gain(self) -> float:
        """How far the mean PSNR rose, in dB."""
        return self.restored.psnr - self.input.psnr

    def as_json(self) -> dict[str, Any]:
        """Return {pictures, input: {psnr, ssim}, restored: {...}, worst_gain, worst_picture}."""
        return {
            "pictures": self.pictures,
            "input": _rounded(self.input),
            "restored": _rounded(self.restored),
            "worst_gain": round(self.worst_gain, 2),
            "worst_picture": self.worst_picture,
        }


@dataclass(frozen=True)
class CleanResult:
    """PSNR in dB (on RGB) of undegraded photos after restoration: mean, and of the worst."""

    pictures: int
    psnr: float
    worst: float
    worst_picture: str

    def as_json(self) -> dict[str, Any]:
        """Return {pictures, psnr, worst, worst_picture}."""
        return {
            "pictures": self.pictures,
            "psnr": round(self.psnr, 2),
            "worst": round(self.worst, 2),
            "worst_picture": self.worst_picture,
        }


@dataclass(frozen=True)
class ScoredInput:
    """A set's pictures with the scores of what is given to restore (enlarged by bicubic).

    `displaced` is the set's: how far a picture is moved, at most, to lie on the clean one.
    """

    task: Task
    scale: int
    samples: tuple[Sample, ...]
    scores: tuple[Score, ...]
    displaced: int = 0

    @property
    def border(self) -> int:
        """Pixels a side that do not count: one factor in super-resolution."""
        return self.scale if self.task is Task.SR else 0

    @property
    def mean(self) -> Score:
        """The means of PSNR and SSIM."""
        return _mean(self.scores)


def score_input(
    task: Task, scale: int, samples: Sequence[Sample], displaced: int = 0
) -> ScoredInput:
    """Score pictures as they are given; ValueError for pictures below 11 pixels a side."""
    unscored = ScoredInput(task, scale, tuple(samples), (), displaced)
    enlarged = (resize_bicubic_8bit(one.degraded, *one.clean.shape[:2]) for one in samples)
    scores = (_score(unscored, *pair) for pair in zip(enlarged, samples, strict=True))
    return replace(unscored, scores=tuple(scores))


def score_method(given: ScoredInput, restore: Restore) -> SetResult:
    """Restore every picture of a set and score it."""
    after = [_score(given, restore(one.degraded), one) for one in given.samples]
    gains = [two.psnr - one.psnr for one, two in zip(given.scores, after, strict=True)]
    worst = gains.index(min(gains))
    return SetResult(len(after), given.mean, _mean(after), gains[worst], given.samples[worst].name)


def score_sets(
    model: LoadedModel,
    bench: Path,
    set5: Path | None = None,
    *,
    limit: int | None = None,
    device: str = "auto",
) -> dict[str, SetResult]:
    """Score `model` on all sets at hand for its task, by the protocol of its paper.

    `bench` is the benchmark folder, `set5` a folder that holds Set5's pictures in `HR`, `limit`
    how many pictures of a set are taken at most. A model of any factor has none of these sets.
    Raises UsageError if there is no set for the task, ReadError for damaged pictures.
    """
    if model.any_factor:
        return {}
    restore = restorer_8bit(model, device=device)
    results = {}
    for bench_set, folder in sets_at_hand(model.task, bench, set5):
        samples = read_samples(bench_set, folder, model.scale, limit)
        given = score_input(model.task, model.scale, samples, bench_set.displaced)
        results[bench_set.name] = score_method(given, restore)
    return results


def score_clean(
    model: LoadedModel, bench: Path, *, limit: int | None = None, device: str = "auto"
) -> CleanResult:
    """Measure how far `model` changes photos that nothing is wrong with.

    They are the clean sides of its task's sets and the CC0 photos of `bench`, measured on RGB
    whatever the task. Raises UsageError if there are none.
    """
    return score_untouched(
        read_clean(model.task, bench, limit), restorer_8bit(model, device=device)
    )


def score_untouched(pictures: Sequence[tuple[str, U8Image]], restore: Restore) -> CleanResult:
    """Measure how far `restore` changes pictures (name, (H, W, 3)) that it should leave alone."""
    values = [psnr(restore(picture), picture) for _, picture in pictures]
    worst = values.index(min(values))
    return CleanResult(len(values), fmean(values), values[worst], pictures[worst][0])


def _score(given: ScoredInput, picture: U8Image, sample: Sample) -> Score:
    """The score of a picture by its set's rules."""
    clean = sample.clean
    if given.displaced:
        picture, clean = register(picture, clean, given.displaced)
    return score_as(given.task, picture, clean, given.border)


def _mean(scores: Sequence[Score]) -> Score:
    return Score(fmean(one.psnr for one in scores), fmean(one.ssim for one in scores))


def _rounded(score: Score) -> dict[str, float]:
    return {"psnr": round(score.psnr, 2), "ssim": round(score.ssim, 4)}
