"""Show a run, or the rehearsal of one, on the standard streams."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dinplug.batch.events import Event, PhotoFailed, PhotoPlanned, PhotoSkipped
from dinplug.batch.plan import BatchPlan
from dinplug.batch.progress import Detail, JsonView, LineView, choose_view
from dinplug.batch.rehearse import DescribePlan, rehearse
from dinplug.batch.summary import Summary


@contextmanager
def shown(
    as_json: bool,
    folders: tuple[Path, ...] = (),
    *,
    detail: Detail | None = None,
    bars: bool = True,
) -> Iterator[Callable[[Event], None]]:
    """Yield a receiver that shows events as they come; print what they came to at the end.

    Without `bars` each photo has its line on terminals too. Where all is quiet there is no end.
    """
    summary = Summary(folders)
    view = choose_view(as_json, sys.stdout, sys.stderr, detail=detail, bars=bars)

    def emit(event: Event) -> None:
        summary.take(event)
        view.show(event)

    try:
        with view:
            yield emit
    finally:
        if not as_json and detail != "quiet":
            sys.stdout.writelines(f"{line}\n" for line in summary.lines())


def show_rehearsal(
    plan: BatchPlan, describe: DescribePlan, should_stop: Callable[[], bool], *, as_json: bool
) -> int:
    """Print what a run of `plan` would do, and return how many photos it would fail on."""
    view = JsonView(sys.stdout) if as_json else LineView(sys.stdout)
    counts = {PhotoPlanned: 0, PhotoSkipped: 0, PhotoFailed: 0}
    for event in rehearse(plan, describe, should_stop):
        view.show(event)
        counts[type(event)] += 1
    if not as_json:
        planned, skipped, failed = counts.values()
        sys.stdout.write(
            f"Would restore {planned}, skip {skipped}, fail on {failed}; nothing was written\n"
        )
    return counts[PhotoFailed]
