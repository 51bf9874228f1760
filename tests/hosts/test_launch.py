"""What the client says of programs that do not start, do not stop, or are no worker."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dinplug.hosts import client as clients
from dinplug.hosts import launch as launching
from dinplug.hosts import sandbox
from dinplug.hosts.client import Client, WorkerError
from dinplug.hosts.launch import Launch, LaunchError
from tests.hosts.conftest import ROOT


def fake(code: str, **options: Any) -> Client:
    """A client of a program that is no worker."""
    return Client(Launch((sys.executable, "-c", code)), "test", "0.1.0", **options)


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        ("raise SystemExit('no torch here')", "gone", r"did not start.*status 1.*no torch here"),
        ("print('hello'); input()", "protocol", "install dinplug and its plugin again"),
        ("print('x' * 3000000)", "protocol", "does not understand"),
        ('print(\'{"answer": "error", "id": 1}\')', "protocol", "kind must be one of"),
        (
            'print(\'{"id": 1, "answer": "result", "protocol": 9, "dinplug": "4.0"}\')',
            "version",
            r"0\.1\.0 \(protocol 1\).*4\.0 \(protocol 9\).*plugin install",
        ),
    ],
    ids=["dies", "greets", "floods", "halves", "newer"],
)
def test_programs_that_are_no_worker(code: str, kind: str, reason: str, tmp_path: Path) -> None:
    client = fake(code, parent=str(tmp_path))
    with pytest.raises(WorkerError, match=reason) as caught:
        client.call("tasks")
    assert caught.value.kind == kind
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="a signal of Unix")
def test_a_host_that_dies_of_broken_pipes_survives_a_worker_that_ended(tmp_path: Path) -> None:
    host = """
import signal, sys
from dinplug.hosts.launch import Launch, WorkerProcess
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as in a program with Python inside
worker = WorkerProcess(Launch((sys.executable, "-c", "")), sys.argv[1])
worker.wait(60)
worker.send(b"{}\\n")
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.sigpending())
"""
    command = [sys.executable, "-c", host, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "set() set()\n"), done.stderr


def test_a_worker_that_does_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "CANCEL_SECONDS", 0.2)
    code = (
        'print(\'{"id": 1, "answer": "result", "protocol": 1, "dinplug": "0.1.0"}\', flush=True)\n'
        "import time; time.sleep(600)"
    )
    client = fake(code, parent=str(tmp_path))
    with pytest.raises(WorkerError) as caught:
        client.call("restore", should_stop=lambda: client.welcome is not None)
    assert caught.value.kind == "cancelled" and not client.alive
    assert client.process.process.returncode is not None
    assert not list(tmp_path.iterdir())


def test_a_worker_that_never_starts_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "HANDSHAKE_SECONDS", 0.2)
    client = fake("import time; time.sleep(600)", parent=str(tmp_path))
    with pytest.raises(WorkerError, match="does not start"):
        client.call("tasks")


def test_a_program_that_is_missing_is_told_of(tmp_path: Path) -> None:
    launch = Launch((str(tmp_path / "nowhere" / "python"),))
    parent = tmp_path / "pixels"
    parent.mkdir()
    with pytest.raises(LaunchError, match=r"cannot be started.*install"):
        Client(launch, "test", "0.1.0", parent=str(parent))
    assert not list(parent.iterdir())


def test_the_recorded_python_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(launching.OVERRIDE, raising=False)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    record = tmp_path / launching.RECORD
    again = "dinplug plugin install krita"
    for text in (None, "", "[]", "{}", '{"python": 5}', '{"python": "/nowhere/python"}'):
        if text is not None:
            record.write_text(text)
        with pytest.raises(LaunchError, match=again):
            launching.recorded_launch(str(tmp_path), "krita")
    record.write_text(json.dumps({"python": sys.executable}))
    expected = (sys.executable, "-m", "dinplug.hosts.worker")
    assert launching.recorded_launch(str(tmp_path), "krita").command == expected
    monkeypatch.setenv(launching.OVERRIDE, "/nowhere/python")
    with pytest.raises(LaunchError, match="not there any more"):
        launching.recorded_launch(str(tmp_path), "krita")


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a plugin that knows an interpreter."""
    monkeypatch.delenv(launching.OVERRIDE, raising=False)
    (tmp_path / launching.RECORD).write_text(json.dumps({"python": "/opt/dinplug/bin/python"}))
    return tmp_path


def test_without_a_record_the_command_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a plugin from Krita's importer, and where a desktop's PATH lacks the user's folder."""
    monkeypatch.delenv(launching.OVERRIDE, raising=False)
    command = tmp_path / ".local" / "bin" / launching.COMMAND
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert launching.recorded_launch(str(tmp_path), "krita").command == (str(command),)
    monkeypatch.setenv("PATH", str(command.parent))
    monkeypatch.setenv("HOME", "/nowhere")
    assert launching.recorded_launch(str(tmp_path), "krita").command == (str(command),)


@pytest.mark.parametrize("policy", ["talk", "own"])
def test_in_flatpak_it_starts_outside(
    policy: str, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "flatpak-info"
    info.write_text(
        "[Application]\nname=org.kde.krita\nruntime=runtime/org.kde.Platform/x86_64/5.15-23.08\n\n"
        "[Context]\nfilesystems=host;/tmp;\n\n"
        f"[Session Bus Policy]\norg.gtk.vfs.*=talk\norg.freedesktop.Flatpak={policy}\n"
    )
    monkeypatch.setattr(sandbox, "INFO", str(info))
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/me/.var/app/org.kde.krita/cache")
    launch = launching.recorded_launch(str(plugin), "krita")
    spawn = ("flatpak-spawn", "--host", "--watch-bus")
    assert launch.command == (*spawn, "/opt/dinplug/bin/python", "-m", "dinplug.hosts.worker")
    assert launch.pixels == "/home/me/.var/app/org.kde.krita/cache"


@pytest.mark.parametrize(
    "text",
    [
        "[Application]\nname=org.kde.krita\n[Session Bus Policy]\norg.freedesktop.Flatpak=none\n",
        "[Application]\nname=org.kde.krita\n",
        "[System Bus Policy]\norg.freedesktop.Flatpak=talk\n[Application]\nname=org.kde.krita\n",
    ],
)
def test_a_sandbox_that_forbids_it_is_explained(
    text: str, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "flatpak-info").write_text(text)
    monkeypatch.setattr(sandbox, "INFO", str(tmp_path / "flatpak-info"))
    remedy = "flatpak override --user --talk-name=org.freedesktop.Flatpak org.kde.krita"
    with pytest.raises(LaunchError, match=remedy):
        launching.recorded_launch(str(plugin), "krita")


def test_what_is_no_account_of_permissions_gives_none() -> None:
    assert not sandbox.may_start_programs(sandbox.permissions("no INI\n\x00["))


def test_a_snap_is_explained(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAP_NAME", "krita")
    with pytest.raises(LaunchError, match="Snap store cannot start dinplug"):
        launching.recorded_launch(str(plugin), "krita")


def test_pixels_go_where_both_can_reach_them(tmp_path: Path) -> None:
    client = Client(Launch((sys.executable, "-c", "input()"), pixels=str(tmp_path)), "test", "0")
    assert Path(client.folder.path).parent == tmp_path
    client.close(0.0)


def test_what_hosts_set_for_themselves_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONPATH", "PYTHONHOME", "QT_PLUGIN_PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    code = "import os, sys; sys.exit(' '.join(sorted(os.environ)))"
    client = fake(code, parent=str(tmp_path))
    with pytest.raises(WorkerError) as caught:
        client.call("tasks")
    assert "PATH" in caught.value.detail.split()
    assert not {"PYTHONPATH", "PYTHONHOME", "QT_PLUGIN_PATH"} & set(caught.value.detail.split())


def test_stray_prints_do_not_disturb_the_messages() -> None:
    code = (
        "import os, subprocess, sys\n"
        "from dinplug.hosts.worker import private_streams\n"
        "requests, answers = private_streams()\n"
        "print('stray', flush=True)\n"
        "subprocess.run([sys.executable, '-c', 'print(\"stray child\")'])\n"
        "assert sys.stdin.read() == ''\n"
        "os.write(answers, os.read(requests, 100))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=b"message", cwd=ROOT, capture_output=True, check=True
    )
    assert done.stdout == b"message"
    assert done.stderr.split(b"\n") == [b"stray", b"stray child", b""]
