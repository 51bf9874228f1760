"""Look at photos without restoring them: the names of their results, and how they would run."""

from collections.abc import Callable, Iterator
from pathlib import Path

from dinplug.batch.events import Event, PhotoFailed, PhotoPlanned, PhotoSkipped
from dinplug.batch.plan import BatchPlan, SuffixOf
from dinplug.errors import DinplugError, ReadError
from dinplug.imaging import PhotoInfo, output_suffix, probe_photo
from dinplug.imaging.kinds import RAW_SUFFIXES

DescribePlan = Callable[[int, int], object]


def suffix_finder(output_format: str | None) -> SuffixOf:
    """Return what finds the extension of a photo's result from its name and header."""

    def suffix_of(source: Path) -> str:
        if source.suffix.lower() in RAW_SUFFIXES:
            # Looking into a RAW file starts LibRaw; the name is enough here.
            return output_suffix(PhotoInfo(source, "raw", 0, 0, 3, 16), output_format)
        try:
            return output_suffix(probe_photo(source), output_format)
        except ReadError:
            return source.suffix  # it will be reported when it is read

    return suffix_of


def rehearse(
    plan: BatchPlan, describe: DescribePlan, should_stop: Callable[[], bool]
) -> Iterator[Event]:
    """Yield what a run of `plan` would do; `describe(width, height)` says how a photo would run.

    Only headers are read, so a photo that is damaged further on is not found out.
    """
    for skip in plan.skips:
        yield PhotoSkipped(str(skip.job.source), str(skip.job.target), skip.reason)
    for refusal in plan.refusals:
        yield PhotoFailed(str(refusal.job.source), refusal.reason)
    for job in plan.jobs:
        if should_stop():
            return
        try:
            info = probe_photo(job.source)
            how = f"{info.width}x{info.height} pixels, {describe(info.width, info.height)}"
            yield PhotoPlanned(str(job.source), str(job.target), how)
        except DinplugError as error:
            yield PhotoFailed(str(job.source), str(error))
