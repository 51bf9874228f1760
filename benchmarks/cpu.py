"""Measure dinplug on a CPU beside released eager code and ready engines, on the same network.

    python benchmarks/cpu.py [--megapixels 1] [--threads 2] [--limit 4096] [--repeats 3] [MODEL ...]

Every engine is made ready in a process of its own with one thread, runs once to warm up, and then
all run in turn, so that other work on the machine meets all alike; figures are medians of CPU time
in ratio to released eager code, or of wall time where each has more --threads. Without --limit all
wait in memory at once. With --limit (MiB) each may take that much and runs alone: one that does not
get by says so. --write puts the table into docs/performance.md.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.cpu_engines import ENGINES, missing
from benchmarks.performance import machine, put_table
from dinplug.specs import MODELS

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_MODELS = ("imdn-x2", "imdn-x4", "aidn-x2", "msfin-x4", "din-dehaze-small")
BASE = "released eager"
CONVERSION_LIMIT = 120
"""Seconds that a converter may take."""
SURROUNDINGS: dict[str, Any] = {
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
    "text": True,
    "cwd": ROOT,
}


@dataclass(frozen=True)
class Conditions:
    """What every engine gets: the picture's sides, MiB of memory (0: any), and threads."""

    height: int
    width: int
    limit: int = 0
    threads: int = 1

    @property
    def arguments(self) -> list[str]:
        """As benchmarks.cpu_engines takes them."""
        numbers = (self.height, self.width, self.limit << 20, self.threads)
        return [str(number) for number in numbers]

    @property
    def environment(self) -> dict[str, str]:
        """What engines that ask no program for their threads find in their environment."""
        threads = str(self.threads)
        return {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}

    @property
    def table(self) -> str:
        """Where results belong in the document."""
        if self.limit:
            return "engines within a limit"
        return "engines" if self.threads == 1 else "engines with more threads"

    @property
    def measure(self) -> str:
        """What engines are compared by: what one thread spends, or how soon several are done."""
        return "cpu" if self.threads == 1 else "wall"


def command(*arguments: str) -> list[str]:
    """The call of benchmarks.cpu_engines."""
    return [sys.executable, "-m", "benchmarks.cpu_engines", *arguments]


@dataclass
class Contender:
    """An engine at work on a model; `trouble` is why there are no figures."""

    engine: str
    process: subprocess.Popen[str] | None = None
    costs: list[dict[str, float]] = field(default_factory=list)
    trouble: str = ""

    @staticmethod
    def started(engine: str, model: str, conditions: Conditions, folder: Path) -> Contender:
        """Convert the network in `folder` if it is not there yet; start, and wait for one run."""
        if (package := missing(engine)) is not None:
            return Contender(engine, trouble=f"not installed ({package})")
        numbers, environment = conditions.arguments, conditions.environment
        conversion = ENGINES[engine].conversion
        if conversion and not (folder / conversion).exists():
            try:
                converted = subprocess.run(
                    command(conversion, model, *numbers, str(folder)),
                    timeout=CONVERSION_LIMIT,
                    env=environment,
                    **SURROUNDINGS,
                )
            except subprocess.TimeoutExpired:
                return Contender(engine, trouble=f"not converted in {CONVERSION_LIMIT} s")
            if converted.returncode:
                return Contender(engine, trouble=failure(converted.stderr, converted.returncode))
            (folder / conversion).touch()
        process = subprocess.Popen(
            command(engine, model, *numbers, str(folder)),
            stdin=subprocess.PIPE,
            env={**environment, **ENGINES[engine].environment},
            **SURROUNDINGS,
        )
        contender = Contender(engine, process)
        contender.answer()
        return contender

    def answer(self) -> dict[str, float] | None:
        """The process's next line, or None once it has failed."""
        assert self.process is not None and self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                answer: dict[str, float] = json.loads(line)
                return answer
        _, said = self.process.communicate()
        self.trouble = failure(said, self.process.returncode)
        return None

    def run(self) -> None:
        """Run once more and note the cost."""
        if self.trouble or self.process is None or self.process.stdin is None:
            return
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        if (cost := self.answer()) is not None:
            self.costs.append(cost)

    def stop(self) -> None:
        """Let the process end."""
        if self.process is not None and self.process.stdin is not None and not self.trouble:
            self.process.communicate()

    def median(self, key: str) -> float:
        """The median of one figure."""
        return statistics.median(cost[key] for cost in self.costs)


def failure(said: str, code: int) -> str:
    """Why a process ended, in a few words."""
    lines = said.strip().splitlines() or [f"exit code {code}"]
    # Libraries add advice behind the error.
    told = next(
        (line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception)\b", line)),
        lines[-1],
    )
    out = "alloc" in said or "MemoryError" in said or code < 0
    return "out of memory" if out else f"failed: {told[:60]}"


def compare(
    model: str, conditions: Conditions, engines: Sequence[str], repeats: int
) -> list[Contender]:
    """Measure engines on a model: in turn, or each alone where memory is limited."""
    with TemporaryDirectory(prefix="dinplug-") as folder:
        started = (Contender.started(e, model, conditions, Path(folder)) for e in engines)
        # With a limit each is started when the one before is done.
        groups = ([contender] for contender in started) if conditions.limit else [list(started)]
        contenders = []
        for group in groups:
            for _ in range(repeats):
                for contender in group:
                    contender.run()
            for contender in group:
                contender.stop()
            contenders += group
    return contenders


def row(model: str, contenders: Sequence[Contender], measure: str = "cpu") -> str:
    """A model's line: speed over released eager code, by `measure` and else, and peak memory."""
    base = next((c for c in contenders if c.engine == BASE and c.costs), None)
    return f"| {model} | " + " | ".join(cell(c, base, measure) for c in contenders) + " |"


def cell(contender: Contender, base: Contender | None, measure: str) -> str:
    """An engine's figures, or why there are none."""
    if not contender.costs:
        return contender.trouble
    memory = f"{contender.median('peak') / 2**20:.0f} MiB"
    seconds = contender.median(measure)
    if base is None or base is contender:
        return f"{seconds:.2f} s, {memory}"
    speeds = {key: base.median(key) / contender.median(key) for key in ("cpu", "wall")}
    first = speeds.pop(measure)
    return f"**{first:.2f}** ({speeds.popitem()[1]:.2f}), {memory}"


@click.command(help=__doc__.splitlines()[0])
@click.argument("models", nargs=-1, type=click.Choice(sorted(MODELS)), metavar="[MODEL]...")
@click.option("--megapixels", type=float, default=1.0, show_default=True)
@click.option("--limit", type=int, default=0, help="MiB that each engine may take.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option("--engine", "engines", type=click.Choice(list(ENGINES)), multiple=True, help="All.")
@click.option("--write", is_flag=True, help="Put the table into docs/performance.md.")
def main(
    models: tuple[str, ...],
    megapixels: float,
    limit: int,
    threads: int,
    repeats: int,
    engines: tuple[str, ...],
    write: bool,
) -> None:
    """Parse the arguments, measure and print."""
    side = max(16, round((megapixels * 1e6) ** 0.5 / 16) * 16)
    names = engines or tuple(ENGINES)
    lines = ["| network | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    print("\n".join(lines), flush=True)
    for model in models or DEFAULT_MODELS:
        scale = 4 if model == "msfin-x4" else 1  # whose features lie on the output's grid
        sides = (side // scale, side // scale)
        conditions = Conditions(*sides, limit, threads)
        contenders = compare(model, conditions, names, repeats)
        within = f", {limit} MiB" if limit else ""
        name = f"{model}, {sides[0]} x {sides[1]}{within}"
        lines.append(row(name, contenders, conditions.measure))
        print(lines[-1], flush=True)
        where = machine(*sorted({p for e in names for p in ENGINES[e].packages if not missing(e)}))
        if write:
            put_table(conditions.table, [*lines, "", where])
    print(where)


if __name__ == "__main__":
    main()
