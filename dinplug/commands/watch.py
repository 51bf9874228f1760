"""`dinplug watch`: restore photos as they arrive in a folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinplug.batch.interrupt import Stop
from dinplug.batch.options import folder_options, restoration_options
from dinplug.commands.settings import ConfigurableCommand, preset_option, tell, tell_how
from dinplug.errors import Interrupted

if TYPE_CHECKING:
    from dinplug.batch.plan import BatchPlan
    from dinplug.batch.progress import Detail
    from dinplug.batch.run import BatchRun
    from dinplug.batch.watch import Emit


@click.command(cls=ConfigurableCommand)
@click.argument(
    "folder", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="FOLDER"
)
@folder_options
@click.option(
    "--settle",
    type=click.FloatRange(0.1, 3600),
    default=2.0,
    show_default=True,
    help="Seconds for which a file must not change before it counts as complete.",
)
@preset_option
@restoration_options
@click.pass_obj
def watch(
    stop: Stop,
    /,
    folder: Path,
    out: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    name: str,
    settle: float,
    as_json: bool,
    overwrite: bool,
    detail: Detail | None,
    **options: Any,
) -> None:
    """Restore the photos in FOLDER, and each that arrives, until Ctrl-C.

    For tethered shooting and folders that others export to. A photo is taken once its file is
    complete; results go where `dinplug batch FOLDER` puts them, with the same journal. The folder
    may vanish and come back. Exit codes are those of batch; Ctrl-C ends it with 130.

    \b
    Example:
      dinplug watch --task derain ./tethered
    """
    from dinplug.batch.arrivals import Arrivals
    from dinplug.batch.naming import NameTemplate
    from dinplug.batch.patterns import Patterns
    from dinplug.batch.plan import Request
    from dinplug.batch.rehearse import suffix_finder
    from dinplug.batch.run import BatchRun
    from dinplug.batch.show import shown
    from dinplug.batch.watch import Watch, check_places
    from dinplug.batch.wishes import Wishes
    from dinplug.imaging.kinds import is_foreign_name, is_photo_name

    template, wanted, unwanted = NameTemplate(name), Patterns(include), Patterns(exclude)
    check_places(folder, out)
    wishes = Wishes(**options)
    model = wishes.load()
    restorer, recipe = wishes.restorer(model), wishes.recipe(model)
    folder = folder.absolute()
    runs: list[BatchRun] = []

    def warn(text: str) -> None:
        tell(f"note: {text}", detail)

    def start(plan: BatchPlan, emit: Emit) -> BatchRun:
        run = BatchRun(
            plan,
            recipe,
            restorer,
            wishes.write_options,
            emit,
            stop,
            overwrite=overwrite,
            overlap=wishes.max_memory is None,
            warn=warn,
        )
        runs[:] = [run]
        return run

    def leave() -> None:
        for run in runs:
            run.leave()

    stop.before_leaving.append(leave)
    request = Request((folder,), f"{restorer.scale:g}", out, wanted, unwanted, template, overwrite)
    tell_how(wishes.described(model, restorer), detail)
    with shown(as_json, detail=detail, bars=False) as emit:
        warn(f"watching {folder}; Ctrl-C ends it")
        Watch(
            request,
            recipe,
            start,
            emit,
            stop,
            warn,
            suffix_finder(wishes.format),
            is_photo_name,
            is_foreign_name,
            Arrivals(settle),
        ).run()
    sys.exit(Interrupted.exit_code)
