"""The command line: each command parses, calls the library, and prints."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.exceptions import NoArgsIsHelpError

import dinplug
from dinplug.batch.interrupt import Stop, leave_tidied, stop_on_signals
from dinplug.batch.options import folder_options, restoration_options
from dinplug.batch.streams import prepare_streams
from dinplug.batch.summary import printable
from dinplug.commands.completion import completion
from dinplug.commands.evaluate import evaluate
from dinplug.commands.info import info
from dinplug.commands.models import models
from dinplug.commands.plugin import plugin
from dinplug.commands.presets import presets
from dinplug.commands.schema import schema
from dinplug.commands.settings import (
    ConfigurableCommand,
    preset_option,
    settings_told,
    tell,
    tell_how,
)
from dinplug.commands.train import train
from dinplug.commands.verify import verify
from dinplug.commands.watch import watch
from dinplug.errors import DinplugError, Interrupted, PhotoError, SetupError, UsageError

if TYPE_CHECKING:
    from dinplug.batch.progress import Detail

# Commands import what they need themselves: torch alone takes seconds, and --help none of it.

EXISTING = click.Path(exists=True, path_type=Path)
ANY_PATH = click.Path(path_type=Path)


def end_with_error(message: str, exit_code: int) -> NoReturn:
    """Say in one line what went wrong, and end the command."""
    click.echo(f"Error: {printable(' '.join(message.split()))}", err=True)
    raise click.exceptions.Exit(exit_code)


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn what goes wrong into one line and an exit code."""
    try:
        yield
    except NoArgsIsHelpError:
        raise  # shows the help
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "dinplug"
        wrong = error.format_message().rstrip(".")
        end_with_error(f"{wrong}; see `{command} --help`", UsageError.exit_code)
    except Interrupted as error:
        click.echo("Interrupted.", err=True)
        raise click.exceptions.Exit(error.exit_code) from error
    except DinplugError as error:
        end_with_error(str(error), error.exit_code)
    except BrokenPipeError:
        raise  # whoever reads has seen enough; click ends without a word
    except OSError as error:
        where = error.filename if error.filename is not None else "output"
        end_with_error(f"{where}: {error.strerror or error}", SetupError.exit_code)


class Commands(click.Group):
    """Commands that tell of errors in one line, and that end soon when the user wishes."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        prepare_streams()
        with errors_in_one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with stop_on_signals() as stop:
            ctx.obj = stop
            try:
                with errors_in_one_line():
                    return super().invoke(ctx)
            finally:
                if stop():
                    leave_tidied()


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(dinplug.__version__, prog_name="dinplug")
def main() -> None:
    """Restore hazy, rainy, blurred and small photos.

    \b
    Example:
      dinplug batch --task dehaze ./photos
    """


@main.command(cls=ConfigurableCommand)
@click.argument("paths", nargs=-1, type=EXISTING, metavar="PATHS...")
@click.option(
    "--from",
    "path_list",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Paths from a list, one a line or ended by NULs (find -print0); - is standard input.",
)
@folder_options
@click.option("--dry-run", is_flag=True, help="Only show what would be done, and how.")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Photos restored at once, in processes that share the cores; for many small photos.",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Restore with the workers of a dask scheduler, e.g. tcp://10.0.0.5:8786.",
)
@click.option(
    "--report",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a page that shows each photo before and after, e.g. report.html.",
)
@preset_option
@restoration_options
@click.pass_obj
def batch(
    stop: Stop,
    /,
    paths: tuple[Path, ...],
    path_list: str | None,
    out: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    name: str,
    dry_run: bool,
    jobs: int,
    cluster: str | None,
    report: Path | None,
    as_json: bool,
    overwrite: bool,
    detail: Detail | None,
    **options: Any,
) -> None:
    """Restore the photos in PATHS; folders are walked.

    Originals stay as they are, what is done already is skipped, and a photo that fails does not
    stop the others. Exit codes: 0 all done, 1 some photos failed, 2 usage, 3 something is missing
    on this machine, 4 another run writes to the same folder, 130 interrupted.

    \b
    Examples:
      dinplug batch --task dehaze ./photos
      dinplug batch --task sr --scale 2 ./scans --out ./large --include "*.tif" --dry-run
      find . -name "*.cr2" -newer last -print0 | dinplug batch --task dehaze --from -
    """
    from dinplug.batch.events import Event
    from dinplug.batch.naming import NameTemplate
    from dinplug.batch.path_list import read_path_list
    from dinplug.batch.patterns import Patterns

    if path_list is not None:
        paths += read_path_list(path_list)
    if not paths:
        raise click.MissingParameter(param_hint="'PATHS...'", param_type="argument")
    template, wanted, unwanted = NameTemplate(name), Patterns(include), Patterns(exclude)
    if cluster is not None and jobs > 1:
        raise UsageError("--jobs is for this machine: a cluster's workers are started beside it")
    if dry_run and report is not None:
        raise UsageError("--dry-run writes nothing: leave out --report")

    from dinplug.batch.crew_run import CrewRun, assembled
    from dinplug.batch.plan import Request, make_plan
    from dinplug.batch.rehearse import suffix_finder
    from dinplug.batch.report.report import reported
    from dinplug.batch.run import BatchRun
    from dinplug.batch.show import show_rehearsal, shown
    from dinplug.batch.wishes import Wishes
    from dinplug.imaging.kinds import is_foreign_name, is_photo_name
    from dinplug.inference.allocator import room_under_limit

    wishes = Wishes(**options)
    model = wishes.load()
    elsewhere = jobs > 1 or cluster is not None
    restorer = (replace(wishes, device="cpu") if elsewhere else wishes).restorer(model)
    recipe = wishes.recipe(model)
    request = Request(paths, f"{restorer.scale:g}", out, wanted, unwanted, template, overwrite)
    plan = make_plan(
        request,
        recipe,
        is_photo_name=is_photo_name,
        suffix_of=suffix_finder(wishes.format),
        is_foreign_name=is_foreign_name,
    )

    def note(text: str) -> None:
        tell(f"note: {text}", detail)

    for text in plan.notes:
        note(text)
    if dry_run:
        for line in settings_told():
            tell(line, detail)
        if show_rehearsal(plan, restorer.plan, stop, as_json=as_json):
            sys.exit(PhotoError.exit_code)
        return
    tell_how(wishes.described(model, None if elsewhere else restorer), detail)
    alone = wishes.max_memory is not None or room_under_limit() is not None
    with (
        assembled(wishes.terms(model), jobs, cluster, plan) as crew,
        reported(report, plan, recipe, stop, alongside=not alone, tell=note) as note_down,
        shown(as_json, plan.folders, detail=detail) as show,
    ):

        def emit(event: Event) -> None:
            note_down(event)
            show(event)

        run_type = partial(CrewRun, crew=crew) if crew else BatchRun
        run = run_type(
            plan,
            recipe,
            restorer,
            wishes.write_options,
            emit,
            stop,
            overwrite=overwrite,
            overlap=not alone,
            warn=note,
        )
        stop.before_leaving.append(run.leave)
        finished = run.run()
    if finished.interrupted:
        sys.exit(Interrupted.exit_code)
    if finished.failed:
        sys.exit(PhotoError.exit_code)


@main.command(cls=ConfigurableCommand)
@click.argument("source", type=EXISTING, metavar="IN")
@click.argument("target", type=ANY_PATH, metavar="OUT")
@click.option("--dry-run", is_flag=True, help="Only show how the photo would be restored.")
@preset_option
@restoration_options
@click.pass_obj
def restore(
    stop: Stop,
    /,
    source: Path,
    target: Path,
    dry_run: bool,
    as_json: bool,
    overwrite: bool,
    detail: Detail | None,
    **options: Any,
) -> None:
    """Restore the photo IN and write OUT, whose name says the kind of file.

    \b
    Example:
      dinplug restore --task dehaze harbour.jpg harbour-clear.tif
    """
    from dinplug.batch.events import Event, PhotoFailed
    from dinplug.batch.show import show_rehearsal, shown
    from dinplug.batch.single import SingleRun, check_target, options_for
    from dinplug.batch.wishes import Wishes

    wishes = Wishes(**options)
    check_target(source, target, overwrite=overwrite)
    write_options = options_for(target, wishes.write_options)
    model = wishes.load()
    restorer = wishes.restorer(model)
    if dry_run:
        from dinplug.batch.plan import BatchPlan, Job

        plan = BatchPlan((Job(source, target, target.parent),))
        for line in settings_told():
            tell(line, detail)
        if show_rehearsal(plan, restorer.plan, stop, as_json=as_json):
            sys.exit(PhotoError.exit_code)
        return
    tell_how(wishes.described(model, restorer), detail)
    with shown(as_json, detail=detail) as emit:

        def show(event: Event) -> None:
            """Show the event; in words a failure is the error that ends the command."""
            if as_json or not isinstance(event, PhotoFailed):
                emit(event)

        run = SingleRun(
            source,
            target,
            wishes.recipe(model),
            restorer,
            write_options,
            show,
            stop,
            overwrite=overwrite,
        )
        stop.before_leaving.append(run.unfinished.remove)
        run.run()


@main.command()
def doctor() -> None:
    """Report versions, devices, weights and hosts that dinplug finds on this machine.

    \b
    Example:
      dinplug doctor
    """
    from dinplug.doctor import examine

    findings = examine()
    width = max(len(finding.topic) for finding in findings)
    for finding in findings:
        mark = "FAULT: " if finding.is_fault else ""
        click.echo(f"{finding.topic:<{width}}  {mark}{finding.text}")
    if any(finding.is_fault for finding in findings):
        raise SetupError("dinplug cannot work here; see the lines marked FAULT")


for command in (
    completion, evaluate, info, models, plugin, presets, schema, train, verify, watch,
):  # fmt: skip
    main.add_command(command)

if __name__ == "__main__":
    main()
