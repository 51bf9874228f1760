"""Signals end a process soon, at the latest after the grace period."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest

from dinplug.batch.interrupt import Stop, stop_on_signals
from dinplug.batch.unfinished import UnfinishedFiles
from dinplug.errors import WriteError
from dinplug.imaging import Photo, Source, write, write_photo

PREAMBLE = "import signal, sys, time\nfrom dinplug.batch.interrupt import stop_on_signals\n"


def start(body: str) -> subprocess.Popen[str]:
    """Run `body` in a process of its own and wait until it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + textwrap.dedent(body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_raises_the_flag(number: signal.Signals) -> None:
    with stop_on_signals(grace=60) as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop.wait(30) and stop()


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stop_on_signals():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert "interrupt" not in {thread.name for thread in threading.enumerate()}


def test_outside_the_main_thread_nothing_is_touched() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def enter() -> None:
        with stop_on_signals() as stop:
            seen.extend([stop(), signal.getsignal(signal.SIGINT) is before])

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [False, True]


def test_a_program_that_heeds_the_flag_ends_its_own_way() -> None:
    process = start(
        """
        with stop_on_signals(grace=60) as stop:
            print("ready", flush=True)
            stop.wait(60)
            print("finished well")
            sys.exit(7)
        """
    )
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (7, "finished well\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_program_that_hangs_in_one_call_is_left_with_130(number: signal.Signals) -> None:
    process = start(
        """
        import threading
        with stop_on_signals(grace=0.1) as stop:
            stop.before_leaving.append(lambda: print("cleaned up", flush=True))
            print("ready", flush=True)
            threading.Lock().acquire() and threading.Event().wait()
        """
    )
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (130, "cleaned up\n", "Interrupted.\n")


def test_a_second_signal_does_not_wait_for_the_grace_period() -> None:
    process = start(
        """
        import threading
        with stop_on_signals(grace=1000) as stop:
            print("ready", flush=True)
            stop.wait(60)
            print("first", flush=True)
            threading.Event().wait()
        """
    )
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None and process.stdout.readline() == "first\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "Interrupted.\n")


def test_a_flag_can_be_raised_by_hand() -> None:
    stop = Stop()
    assert not stop() and not stop.wait(0)
    stop.set()
    assert stop()


def test_only_our_unfinished_files_are_removed(tmp_path: Path) -> None:
    others, ours = tmp_path / ".dinplug-1.part", tmp_path / ".dinplug-2.part"
    others.touch()
    unfinished = UnfinishedFiles()
    with unfinished.writing_in(tmp_path):
        ours.touch()
        unfinished.remove()
        assert others.exists() and not ours.exists()
        ours.touch()
    unfinished.remove()
    assert others.exists() and ours.exists()


def test_unfinished_files_are_named_as_the_writer_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of a temporary file is the writer's own: leaving in its midst must remove it."""
    unfinished = UnfinishedFiles()
    seen: list[list[str]] = []

    def look(part: Path) -> None:
        seen.append(sorted(path.name for path in tmp_path.iterdir()))
        unfinished.remove()
        seen.append(sorted(path.name for path in tmp_path.iterdir()))
        raise OSError("stop here")

    monkeypatch.setattr(write, "_sync", look)
    pixels = np.zeros((2, 2, 3), np.float32)
    photo = Photo(pixels, None, Source(tmp_path / "a.png", "png", 2, 2))
    with unfinished.writing_in(tmp_path), pytest.raises(WriteError, match=r"a\.png"):
        write_photo(photo, tmp_path / "a.png")
    assert [len(names) for names in seen] == [1, 0]
