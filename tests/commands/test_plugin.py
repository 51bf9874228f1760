"""`dinplug plugin`, in a home of its own."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import dinplug
from dinplug.cli import main
from dinplug.hosts import condition, places
from dinplug.hosts.places import User

KRITA, GIMP = ".local/share/krita", ".config/GIMP/3.0"
FLATPAK_KRITA = ".var/app/org.kde.krita/data/krita"
Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a user without Krita and GIMP, on Linux."""
    monkeypatch.setattr(User, "present", lambda: User({}, tmp_path, "linux"))
    return tmp_path


@pytest.fixture
def run() -> Run:
    """Run `dinplug plugin` with words; the exit code must be as expected."""

    def invoke(*words: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["plugin", *words])
        assert result.exit_code == code, result.output
        return result

    return invoke


def with_hosts(home: Path, *folders: str) -> None:
    """Let Krita or GIMP have been started."""
    for folder in folders or (KRITA, GIMP):
        (home / folder).mkdir(parents=True)


def test_install_all(home: Path, run: Run) -> None:
    with_hosts(home, KRITA, FLATPAK_KRITA, GIMP, ".config/GIMP/3.2")
    output = run("install", "all").output
    for folder in (f"{KRITA}/pykrita", f"{FLATPAK_KRITA}/pykrita", f"{GIMP}/plug-ins"):
        assert (home / folder / "dinplug" / "dinplug.json").is_file()
        assert str((home / folder).parent if "pykrita" in folder else home / folder) in output
    assert (home / ".config/GIMP/3.2/plug-ins/dinplug/dinplug.py").is_file()
    for settings in (".config/kritarc", ".var/app/org.kde.krita/config/kritarc"):
        assert (home / settings).read_text() == "[python]\nenable_dinplug=true\n"


def test_one_host_leaves_the_other_alone(home: Path, run: Run) -> None:
    with_hosts(home)
    run("install", "gimp")
    assert not (home / KRITA / "pykrita").exists() and not (home / ".config/kritarc").exists()


def test_uninstall_leaves_the_home_as_it_was(home: Path, run: Run) -> None:
    with_hosts(home, f"{KRITA}/pykrita", f"{KRITA}/actions", f"{GIMP}/plug-ins")
    (home / ".config/kritarc").write_text("[python]\nenable_other=true\n")
    before = {path: path.is_file() and path.read_bytes() for path in home.rglob("*")}
    run("install", "all")
    output = run("uninstall", "all").output
    assert output.count("removed from") == 2
    assert {path: path.is_file() and path.read_bytes() for path in home.rglob("*")} == before
    assert run("uninstall", "all").output.count("no plugin of dinplug's") == 2


@pytest.mark.parametrize("host", ["krita", "gimp", "all"])
def test_no_host(host: str, home: Path, run: Run) -> None:
    assert "start it once, or name its folder" in run("install", host, code=3).stderr


def test_a_folder_of_ones_own(home: Path, run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own"
    output = run("install", "krita", "--folder", str(own)).output
    assert "switch it on in Settings" in output
    assert (own / "pykrita/dinplug.desktop").is_file() and (own / "actions").is_dir()
    assert not (home / ".config").exists()
    run("uninstall", "krita", "--folder", str(own))
    assert not [path for path in own.rglob("*") if path.is_file()]


def test_the_known_folder_named_is_switched_on_too(home: Path, run: Run) -> None:
    with_hosts(home, KRITA)
    run("install", "krita", "--folder", str(home / KRITA))
    assert "enable_dinplug=true" in (home / ".config/kritarc").read_text()


def test_a_folder_is_of_one_program(home: Path, run: Run) -> None:
    assert "name krita or gimp" in run("install", "all", "--folder", "x", code=2).stderr


def test_a_place_that_fails_does_not_stop_the_others(home: Path, run: Run) -> None:
    with_hosts(home)
    theirs = home / KRITA / "pykrita" / "dinplug"
    theirs.mkdir(parents=True)
    (theirs / "notes.txt").touch()
    result = run("install", "all", code=2)
    assert (home / GIMP / "plug-ins/dinplug/dinplug.py").is_file()
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: Krita: ") and "move it away" in line
    assert [path.name for path in theirs.iterdir()] == ["notes.txt"]


def test_a_snap_is_explained(home: Path, run: Run) -> None:
    with_hosts(home, "snap/gimp")
    assert "Snap store cannot start dinplug" in run("install", "gimp", code=3).stderr
    assert "Snap store cannot start dinplug" in run("status").output


def test_status_of_nothing(home: Path, run: Run) -> None:
    output = run("status").output
    assert "Krita: not found" in output and "GIMP: not found" in output


def test_status_before_and_after(home: Path, run: Run) -> None:
    with_hosts(home)
    output = run("status").output
    assert f"no plugin in {home / KRITA}; run `dinplug plugin install krita`" in output
    run("install", "all")
    output = run("status").output
    assert output.count(f"dinplug {dinplug.__version__} in") == output.count(" works\n") == 2


def record(home: Path) -> Path:
    return home / GIMP / "plug-ins/dinplug/dinplug.json"


def change_record(home: Path, **values: object) -> None:
    path = record(home)
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"version": "0.0.9"}, rf"is of dinplug 0.0.9, and this is {dinplug.__version__}"),
        ({"python": "/nowhere/python"}, "its interpreter /nowhere/python is gone"),
        ({"python": "{without}"}, "has no dinplug that starts"),
        ({"python": "{other}"}, "has dinplug 9.9.9"),
        ({"python": 5}, "does not know where dinplug is"),
    ],
    ids=["old", "gone", "without", "other", "unknown"],
)
def test_status_says_what_to_do(
    values: dict[str, object], fault: str, home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with_hosts(home, GIMP)
    run("install", "gimp")
    for name, answer in (("without", "exit 1"), ("other", "echo 9.9.9")):
        (home / name).write_text(f"#!/bin/sh\n{answer}\n")
        (home / name).chmod(0o755)
    if isinstance(python := values.get("python"), str):
        values = {"python": python.format(without=home / "without", other=home / "other")}
    change_record(home, **values)
    (line,) = run("status", code=3).stderr.splitlines()
    assert fault in line and "run `dinplug plugin install gimp`" in line
    run("install", "gimp")
    run("status")


def test_status_of_a_plugin_that_is_switched_off(home: Path, run: Run) -> None:
    with_hosts(home, KRITA)
    run("install", "krita")
    (home / ".config/kritarc").write_text("[python]\nenable_dinplug=false\n")
    assert "switched off" in run("status", code=3).stderr


def test_status_of_a_plugin_from_kritas_importer(
    home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no interpreter of its own; the command is enough."""
    with_hosts(home, GIMP)
    run("install", "gimp")
    content = json.loads(record(home).read_text())
    del content["python"]
    record(home).write_text(json.dumps(content))
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/dinplug-worker")
    assert "works" in run("status").output


@pytest.mark.parametrize("allowed", [True, False])
def test_flatpak_needs_a_permission(
    allowed: bool, home: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_hosts(home, FLATPAK_KRITA)
    policy = "talk" if allowed else "none"
    flatpak = home / "bin" / "flatpak"
    flatpak.parent.mkdir()
    flatpak.write_text(
        "#!/bin/sh\n"
        '[ "$*" = "info --show-permissions org.kde.krita" ] || exit 1\n'
        "echo '[Context]'; echo 'filesystems=host;xdg-config/kdeglobals:ro;'; echo\n"
        f"echo '[Session Bus Policy]'; echo 'org.freedesktop.Flatpak={policy}'\n"
    )
    flatpak.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: str(flatpak))
    remedy = "flatpak override --user --talk-name=org.freedesktop.Flatpak org.kde.krita"
    assert (remedy in run("install", "krita").output) is not allowed
    output = run("status", code=0 if allowed else 3).output
    assert (remedy in output) is not allowed


def test_flatpak_without_the_program(home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with_hosts(home, ".var/app/org.gimp.GIMP/config/GIMP/3.0")
    remedy = "flatpak override --user --talk-name=org.freedesktop.Flatpak org.gimp.GIMP"
    assert remedy in run("install", "gimp").output


def test_the_interpreter_is_asked_outside_the_present_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a host asks it: not with modules that happen to lie around, or the host's own."""
    (home / "dinplug.py").write_text("__version__ = 'a stranger'")
    monkeypatch.chdir(home)
    monkeypatch.setenv("PYTHONPATH", str(home))
    assert condition.ask_interpreter(sys.executable) == dinplug.__version__


def test_titles_cover_all_hosts() -> None:
    from dinplug.hosts.installation import LAYOUTS

    assert set(places.TITLES) == set(places.FLATPAKS) == set(LAYOUTS)
