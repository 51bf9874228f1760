"""`dinplug verify`: make a result again and compare; compare the results of two runs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dinplug.batch.interrupt import Stop
from dinplug.batch.options import device_option, kernels_option, memory_option, tile_option
from dinplug.batch.summary import printable
from dinplug.errors import UsageError

if TYPE_CHECKING:
    from dinplug.batch.verify import Verdict

EXISTING = click.Path(exists=True, path_type=Path)
NOT_THE_SAME = 1


@click.command()
@click.argument("source", type=EXISTING, metavar="IN")
@click.argument("result", type=EXISTING, metavar="OUT")
@click.option(
    "--same",
    is_flag=True,
    help="Compare the pixels of two results, or of two folders of them; nothing is made again.",
)
@device_option
@kernels_option
@tile_option
@memory_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def verify(
    stop: Stop, /, source: Path, result: Path, same: bool, as_json: bool, **options: Any
) -> None:
    """Make the result OUT again from its photo IN, and say whether its pixels are the same.

    Model and options are those that OUT tells. The whole photo is made again, untiled where
    memory allows and else in the largest tiles it allows, so that a fault of tiling shows. The
    seam score compares steps across tile borders with steps beside them: 1 is no seam; --tile
    is for results made with it. Exit codes: 0 the same, 1 not, 2 cannot be verified, 3 its
    weights are not here.

    \b
    Examples:
      dinplug verify photos/harbour.jpg photos-dehaze/harbour.jpg
      dinplug verify --same photos-dehaze other-machine/photos-dehaze
    """
    from dinplug.batch.verify import differing_photos
    from dinplug.batch.verify import verify as verify_result
    from dinplug.batch.wishes import Wishes

    if same:
        found = differing_photos(source, result)
        differing = {str(name): how for name, how in found.items() if how}
        if as_json:
            click.echo(json.dumps({"compared": len(found), "differing": differing}))
        else:
            for name, how in differing.items():
                click.echo(printable(f"{name}: {how}"))
            click.echo(f"{len(found) - len(differing)} of {len(found)} photos have the same pixels")
        sys.exit(NOT_THE_SAME if differing else 0)
    if source.is_dir() or result.is_dir():
        raise UsageError("IN and OUT are files; folders of results are compared with --same")
    verdict = verify_result(source, result, Wishes(**options), should_stop=stop)
    if as_json:
        click.echo(json.dumps({**asdict(verdict), "same": verdict.same}))
    else:
        for line in report(result, verdict):
            click.echo(printable(line))
    sys.exit(0 if verdict.same else NOT_THE_SAME)


def report(result: Path, verdict: Verdict) -> list[str]:
    """Return what a person reads about a verdict."""
    found, seams = verdict.difference, verdict.seams
    through = " through the lossy coding" if verdict.lossy else ""
    verb = "the same" if verdict.same else "NOT the same"
    of = f"of {verdict.levels} levels"
    lines = [
        f"{result}: {verb}, made again {verdict.how}",
        f"  difference  largest {found.largest:g}, mean {found.mean:.3g} {of}",
        f"  bound       {verdict.bound:g} levels: what half a level of rounding does{through}",
    ]
    if seams is None:
        return [*lines, "  seams       no tile borders to look at"]
    return [
        *lines,
        f"  seams       {seams.score:.3f} at {seams.borders} tile borders; "
        f"beside them {seams.lowest:.3f} to {seams.highest:.3f}",
    ]
