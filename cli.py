"""The command line: each command parses, calls the library, and prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click
from click.exceptions import NoArgsIsHelpError

import dinplug
from dinplug.batch.interrupt import Stop, leave_tidied, stop_on_signals
from dinplug.batch.options import (
    device_option,
    kernels_option,
    parse_factor,
    restoration_options,
)
from dinplug.batch.streams import prepare_streams
from dinplug.batch.summary import for_display, printable
from dinplug.commands.info import info
from dinplug.commands.models_export import export_model
from dinplug.commands.train import train
from dinplug.errors import DinplugError, Interrupted, PhotoError, SetupError, UsageError

# Commands import what they need themselves: torch alone takes seconds, and --help none of it.

EXISTING = click.Path(exists=True, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ANY_PATH = click.Path(path_type=Path)


class ResultsFolder(click.Path):
    """A path that is not '', which a shell makes of an unset variable and Path takes for `.`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the name of a folder is empty", param, ctx)
        return super().convert(value, param, ctx)


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


@main.command()
@click.argument("paths", nargs=-1, required=True, type=EXISTING, metavar="PATHS...")
@click.option(
    "--out",
    type=ResultsFolder(path_type=Path),
    metavar="FOLDER",
    help="Where results go. Default: beside the folder (of a photo: the one it is in), named "
    "after it and the task.",
)
@click.option("--include", multiple=True, metavar="PATTERN", help="Only what fits, e.g. '*.tif'.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Nothing that fits.")
@click.option(
    "--name",
    default="{stem}{suffix}",
    show_default=True,
    metavar="TEMPLATE",
    help="Names of results: {stem}, {task}, {model}, {scale}, {suffix} and other text.",
)
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
@restoration_options
@click.pass_obj
def batch(
    stop: Stop,
    /,
    paths: tuple[Path, ...],
    out: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    name: str,
    dry_run: bool,
    jobs: int,
    cluster: str | None,
    as_json: bool,
    overwrite: bool,
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
    """
    from dinplug.batch.naming import NameTemplate
    from dinplug.batch.patterns import Patterns

    template, wanted, unwanted = NameTemplate(name), Patterns(include), Patterns(exclude)
    if cluster is not None and jobs > 1:
        raise UsageError("--jobs is for this machine: a cluster's workers are started beside it")

    from dinplug.batch.crew_run import CrewRun, assembled
    from dinplug.batch.plan import Request, make_plan
    from dinplug.batch.rehearse import suffix_finder
    from dinplug.batch.run import BatchRun
    from dinplug.batch.show import show_rehearsal, shown
    from dinplug.batch.wishes import Wishes
    from dinplug.imaging.kinds import is_foreign_name, is_photo_name

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
    for note in plan.notes:
        click.echo(for_display(f"note: {note}"), err=True)
    if dry_run:
        if show_rehearsal(plan, restorer.plan, stop, as_json=as_json):
            sys.exit(PhotoError.exit_code)
        return
    with (
        assembled(wishes.terms(model), jobs, cluster, plan) as crew,
        shown(as_json, plan.folders) as emit,
    ):
        run_type = partial(CrewRun, crew=crew) if crew else BatchRun
        run = run_type(
            plan,
            recipe,
            restorer,
            wishes.write_options,
            emit,
            stop,
            overwrite=overwrite,
            overlap=wishes.max_memory is None,
            warn=lambda text: click.echo(for_display(f"note: {text}"), err=True),
        )
        stop.before_leaving.append(run.leave)
        finished = run.run()
    if finished.interrupted:
        sys.exit(Interrupted.exit_code)
    if finished.failed:
        sys.exit(PhotoError.exit_code)


@main.command()
@click.argument("source", type=EXISTING, metavar="IN")
@click.argument("target", type=ANY_PATH, metavar="OUT")
@click.option("--dry-run", is_flag=True, help="Only show how the photo would be restored.")
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
        if show_rehearsal(plan, restorer.plan, stop, as_json=as_json):
            sys.exit(PhotoError.exit_code)
        return
    with shown(as_json) as emit:

        def tell(event: Event) -> None:
            """Show the event; in words a failure is the error that ends the command."""
            if as_json or not isinstance(event, PhotoFailed):
                emit(event)

        run = SingleRun(
            source,
            target,
            wishes.recipe(model),
            restorer,
            write_options,
            tell,
            stop,
            overwrite=overwrite,
        )
        stop.before_leaving.append(run.unfinished.remove)
        run.run()


@main.group(invoke_without_command=True)
@click.pass_context
def models(ctx: click.Context) -> None:
    """List the models: task, network, scale, parameters, weights, licence.

    \b
    Examples:
      dinplug models
      dinplug models show imdn-x2
      dinplug models import ~/Downloads/IMDN_x2.pth
    """
    if ctx.invoked_subcommand is None:
        from dinplug.checkpoints import list_models
        from dinplug.listing import model_table

        click.echo(model_table(list_models()))


@models.command()
@click.argument("name")
def show(name: str) -> None:
    """Show the card of the model NAME: paper, data, licence, source, hashes.

    \b
    Example:
      dinplug models show imdn-x2
    """
    from dinplug.checkpoints import model_card
    from dinplug.listing import card_text

    click.echo(card_text(model_card(name)))


@models.command(name="import")
@click.argument("checkpoint", type=EXISTING)
@click.option("--name", metavar="NAME", help="Name of the model. Default: that of its network.")
def import_(checkpoint: Path, name: str | None) -> None:
    """Import the authors' file CHECKPOINT of a network dinplug knows.

    It is recognised by its contents, never run, and kept in the user's data folder.

    \b
    Example:
      dinplug models import ~/Downloads/IMDN_x2.pth
    """
    from dinplug.checkpoints.importing import import_checkpoint
    from dinplug.listing import import_text

    click.echo(import_text(import_checkpoint(checkpoint, name)))


@main.command()
@click.option("--model", required=True, metavar="NAME", help="The model to evaluate.")
@click.option("--hr", required=True, type=FOLDER, help="Folder of clean pictures.")
@click.option(
    "--lr",
    type=FOLDER,
    help="Folder of degraded pictures, matched by name; without it (task sr) they are made.",
)
@click.option(
    "--scale", metavar="FACTOR", callback=parse_factor, help="Factor, for models of any factor."
)
@click.option("--ensemble", is_flag=True, help='The papers\' "+": average over 8 orientations.')
@click.option(
    "--protocol",
    type=click.Choice(["published", "whole"]),
    default="published",
    show_default=True,
    help="The way behind the published numbers, or each image whole.",
)
@device_option
@kernels_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def evaluate(
    stop: Stop,
    /,
    model: str,
    hr: Path,
    lr: Path | None,
    scale: float | None,
    ensemble: bool,
    protocol: str,
    device: str,
    kernels: str,
    as_json: bool,
) -> None:
    """Measure PSNR and SSIM of a model on pairs of pictures, as its paper does.

    \b
    Example:
      dinplug evaluate --model imdn-x2 --hr Set5/HR --lr Set5/LRx2
    """
    from dinplug.checkpoints import load_model
    from dinplug.evaluation.evaluate import score_model, table
    from dinplug.evaluation.pairs import find_pairs

    loaded = load_model(model, scale=scale)
    result = score_model(
        loaded,
        find_pairs(hr, lr, scale or loaded.scale),
        scale=scale,
        protocol=None if protocol == "published" else protocol,
        ensemble=ensemble,
        device=device,
        kernels=kernels,
        should_stop=stop,
        on_score=lambda named: click.echo(f"{named.name}: {named.score.psnr:.3f} dB", err=True),
    )
    click.echo(json.dumps(result.as_json()) if as_json else table(result))


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


main.add_command(train)
main.add_command(info)
models.add_command(export_model)

if __name__ == "__main__":
    main()
