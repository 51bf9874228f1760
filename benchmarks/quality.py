"""Measure every model and classical method on the benchmark sets; write the tables of quality.md.

    python benchmarks/quality.py --bench BENCH --set5 SET5 [--task derain] [--limit 4]

Rows are the degraded picture (enlarged by bicubic for super-resolution), classical methods, the
models that come with dinplug, imported checkpoints (`dinplug models import`), and what papers say
(quoted.json). Tables go between the marks of each task in --document.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from dinplug.checkpoints import LoadedModel, load_weights
from dinplug.errors import DinplugError
from dinplug.evaluation.baselines import classical_methods
from dinplug.evaluation.bench import (
    Restore,
    ScoredInput,
    score_input,
    score_method,
    score_untouched,
)
from dinplug.evaluation.evaluate import restorer_8bit
from dinplug.evaluation.sets import BenchSet, read_clean, read_samples, sets_at_hand
from dinplug.folders import bundled_folder, imported_folder
from dinplug.specs import TASK_TITLES, Task

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "docs" / "quality.md"
SCALES = (2, 3, 4, 8)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@dataclass(frozen=True)
class Contender:
    """A way to restore, with its name and its origin as the tables show them."""

    name: str
    origin: str
    restore: Restore


def contenders(models: list[tuple[str, LoadedModel]], task: Task, scale: int) -> list[Contender]:
    """The classical methods and the models for a task and a factor."""
    classical = [
        Contender(name, "classical", restore)
        for name, restore in classical_methods(task, scale).items()
        if task is not Task.SR  # bicubic is the input's row
    ]
    fitting = [
        (origin, model)
        for origin, model in models
        if model.task is task and model.scale == scale and not model.any_factor
    ]
    return classical + [
        Contender(f"`{model.name}`", origin, restorer_8bit(model)) for origin, model in fitting
    ]


def models_at_hand() -> list[tuple[str, LoadedModel]]:
    """Bundled and imported models with their origin."""
    return [
        (origin, load_weights(file))
        for origin, folder in (("bundled", bundled_folder()), ("imported", imported_folder()))
        for file in sorted(folder.glob("*.safetensors"))
    ]


def set_table(bench_set: BenchSet, given: ScoredInput, ways: list[Contender]) -> Iterator[str]:
    """The lines of a set's table."""
    measured = "Y" if bench_set.task in {Task.SR, Task.DERAIN} else "RGB"
    count = len(given.samples)
    yield f"**{bench_set.title}**: {count} picture{'s' if count > 1 else ''}, {measured}\n"
    yield "| method | | PSNR | SSIM | gain | worst gain |"
    yield "|---|---|---|---|---|---|"
    label = "bicubic" if bench_set.task is Task.SR else "input"
    yield f"| {label} | | {given.mean.psnr:.2f} | {given.mean.ssim:.4f} | | |"
    for way in ways:
        result = score_method(given, way.restore)
        yield (
            f"| {way.name} | {way.origin} | {result.restored.psnr:.2f} | "
            f"{result.restored.ssim:.4f} | {result.gain:+.2f} | {result.worst_gain:+.2f} |"
        )
    for row in json.loads((HERE / "quoted.json").read_text("utf-8")):
        if (row["task"], row["scale"], row["set"]) == (bench_set.task, given.scale, bench_set.name):
            ssim = "" if row["ssim"] is None else f"{row['ssim']:.4f}"
            yield f"| {row['method']} | quoted: {row['source']} | {row['psnr']:.2f} | {ssim} | | |"
    yield ""


def clean_table(task: Task, bench: Path, limit: int | None, ways: list[Contender]) -> Iterator[str]:
    """The lines of the table of clean photos, which should stay as they are."""
    pictures = read_clean(task, bench, limit)
    yield f"**Clean photos** stay clean: {len(pictures)} undegraded pictures, RGB, PSNR to them\n"
    yield "| method | | mean | worst | on |"
    yield "|---|---|---|---|---|"
    for way in ways:
        result = score_untouched(pictures, way.restore)
        yield (
            f"| {way.name} | {way.origin} | {result.psnr:.2f} | {result.worst:.2f} | "
            f"{result.worst_picture} |"
        )
    yield ""


def crop_line(name: str) -> Iterator[str]:
    """The line that shows a crop of quality_crops.py, if it was made."""
    crop = DOCUMENT.parent / "images" / "quality" / f"{name}.jpg"
    if crop.is_file():
        yield f"![{name}: side by side](images/quality/{crop.name})\n"


def task_tables(
    task: Task,
    bench: Path,
    set5: Path | None,
    limit: int | None,
    models: list[tuple[str, LoadedModel]],
) -> Iterator[str]:
    """All lines of a task's tables; what takes its time is told on the way."""
    for scale in SCALES if task is Task.SR else (1,):
        if task is Task.SR:
            yield f"### x{scale}\n"
        yield from crop_line(f"sr-x{scale}" if task is Task.SR else task.value)
        ways = contenders(models, task, scale)
        for bench_set, folder in sets_at_hand(task, bench, set5):
            started = time.perf_counter()
            samples = read_samples(bench_set, folder, scale, limit)
            given = score_input(task, scale, samples, bench_set.displaced)
            yield from set_table(bench_set, given, ways)
            spent = time.perf_counter() - started
            click.echo(f"{task} x{scale} {bench_set.name}: {spent:.0f} s", err=True)
    if task is not Task.SR:
        yield from clean_table(task, bench, limit, ways)


def filled(document: str, task: Task, lines: list[str]) -> str:
    """The document with a task's tables between its marks."""
    begin, end = f"<!-- tables of {task} -->", f"<!-- end of {task} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(document):
        raise click.ClickException(f"the document has no marks {begin} and {end}")
    return pattern.sub(lambda _: "\n".join([begin, "", *lines, end]), document)


@click.command()
@click.option("--bench", type=FOLDER, required=True, help="The benchmark sets.")
@click.option("--set5", type=FOLDER, help="Set5, in a folder HR.")
@click.option(
    "--task",
    "tasks",
    type=click.Choice([t.value for t in Task]),
    multiple=True,
    help="All if none.",
)
@click.option(
    "--limit", type=click.IntRange(1), help="Pictures of a set at most; all if not given."
)
@click.option("--document", type=click.Path(path_type=Path), default=DOCUMENT, show_default=True)
def main(
    bench: Path, set5: Path | None, tasks: tuple[str, ...], limit: int | None, document: Path
) -> None:
    """Print the tables and write them into the document."""
    try:
        models = models_at_hand()
        for task in [Task(name) for name in tasks] or list(Task):
            click.echo(f"## {TASK_TITLES[task]}\n")
            lines = []
            for line in task_tables(task, bench, set5, limit, models):
                click.echo(line)
                lines.append(line)
            text = filled(document.read_text("utf-8"), task, lines)
            document.write_text(text, "utf-8")
    except DinplugError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
