"""Runs of the command line as processes of their own, without seconds of loading torch for each.

A server process loads everything once and then forks: each run is a real process, with its own
number and its own death.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path


class ForkedRuns:
    """The testing side: starts runs, and waits for their ends."""

    def __init__(self, server: "subprocess.Popen[str]", folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._answer()

    def start(self, *arguments: str | Path) -> int:
        """Start `dinplug ARGUMENTS...` and return its process number."""
        return int(self._ask({"arguments": [str(argument) for argument in arguments]}))

    def wait(self, pid: int) -> tuple[int, str]:
        """Wait for the end of a run: its exit code, negative for a signal, and what it said."""
        code = int(self._ask({"wait": pid}))
        return code, (self._folder / f"{pid}.txt").read_text("utf-8")

    def run(self, *arguments: str | Path) -> tuple[int, str]:
        """Start a run and wait for its end."""
        return self.wait(self.start(*arguments))

    def wait_for(self, pid: int, word: str) -> None:
        """Wait until a run has said `word`."""
        while word not in (self._folder / f"{pid}.txt").read_text("utf-8"):
            time.sleep(0.002)

    def _ask(self, question: object) -> str:
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(question) + "\n")
        self._server.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline()


@contextmanager
def forked_runs(folder: Path, data_home: Path) -> Iterator[ForkedRuns]:
    """Start the server; what runs say goes into `folder`, models are those of `data_home`."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.batch.forked_runs", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "DINPLUG_DATA_HOME": str(data_home), "OMP_NUM_THREADS": "1"},
    ) as server:
        yield ForkedRuns(server, folder)


def serve(folder: Path) -> None:
    """Answer each line on standard input with one on standard output."""
    from PIL import Image

    from dinplug.cli import main

    # A run imports much when it first needs it: the server makes one itself.
    (folder / "warm").mkdir()
    for kind in ("png", "tif", "jpg"):
        Image.new("RGB", (8, 8)).save(folder / "warm" / f"a.{kind}")
    with (folder / "warm.txt").open("w") as said, redirect_stdout(said), redirect_stderr(said):
        arguments = ["batch", "--model", "tiny-derain", "--device", "cpu", str(folder / "warm")]
        main(arguments, standalone_mode=False)

    def run(arguments: list[str]) -> int:
        # Made before the fork: a run may be killed before its first instruction.
        descriptor = os.open(folder / "said.txt", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        pid = os.fork()
        if pid:
            os.close(descriptor)
            (folder / "said.txt").rename(folder / f"{pid}.txt")
            return pid
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        code = 0
        try:
            main(arguments)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    answer("ready")
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            _, status = os.waitpid(question["wait"], 0)
            answer(os.waitstatus_to_exitcode(status))
        else:
            answer(run(question["arguments"]))


def answer(text: object) -> None:
    """Send one line, so that nothing of it is left in a buffer when a run is forked."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
