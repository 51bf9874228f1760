"""Folders of Krita and GIMP on every system, looked for in an empty home."""

from pathlib import Path

import pytest

from dinplug.errors import SetupError
from dinplug.hosts.places import User, find_places, place_at

LINUX = {
    ".local/share/krita": ("Krita", ".config/kritarc"),
    ".var/app/org.kde.krita/data/krita": (
        "Krita (Flatpak)",
        ".var/app/org.kde.krita/config/kritarc",
    ),
}
MAC = {
    "Library/Application Support/krita": ("Krita", "Library/Preferences/kritarc"),
}
WINDOWS = {"AppData/Roaming/krita": ("Krita", "AppData/Local/kritarc")}
GIMPS = {
    "linux": (".config/GIMP", ".var/app/org.gimp.GIMP/config/GIMP"),
    "darwin": ("Library/Application Support/GIMP",),
    "win32": ("AppData/Roaming/GIMP",),
}


def user(home: Path, platform: str = "linux", **environment: str) -> User:
    return User(environment, home, platform)


@pytest.mark.parametrize(
    ("platform", "folders"), [("linux", LINUX), ("darwin", MAC), ("win32", WINDOWS)]
)
def test_krita(platform: str, folders: dict[str, tuple[str, str]], tmp_path: Path) -> None:
    assert find_places(user(tmp_path, platform)) == []
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    found = find_places(user(tmp_path, platform), "krita")
    assert {str(place.folder): (place.title, str(place.settings)) for place in found} == {
        str(tmp_path / folder): (title, str(tmp_path / settings))
        for folder, (title, settings) in folders.items()
    }


def test_kritas_resources_may_be_elsewhere(tmp_path: Path) -> None:
    """As chosen in Krita's settings; a folder that is gone does not count there either."""
    own, usual = tmp_path / "my resources\\", tmp_path / ".local/share/krita"
    usual.mkdir(parents=True)
    settings = tmp_path / ".config" / "kritarc"
    settings.parent.mkdir()
    escaped = str(own).replace("\\", "\\\\").replace(" ", "\\s")
    settings.write_text(f"a=1\nResourceDirectory={escaped}\n[g]\nResourceDirectory=/\n")
    assert find_places(user(tmp_path))[0].folder == usual
    own.mkdir()
    assert find_places(user(tmp_path))[0].folder == own
    settings.write_text(f"[g]\nResourceDirectory={escaped}\n")
    assert find_places(user(tmp_path))[0].folder == usual


@pytest.mark.parametrize("platform", GIMPS)
def test_every_gimp_3_is_found(platform: str, tmp_path: Path) -> None:
    for base in GIMPS[platform]:
        for version in ("2.10", "3.0", "3.2", "3.10", "3.x", "4.0"):
            (tmp_path / base / version).mkdir(parents=True)
        (tmp_path / base / "3.4").touch()
    found = find_places(user(tmp_path, platform), "gimp")
    assert [place.folder for place in found] == [
        tmp_path / base / version / "plug-ins"
        for base in GIMPS[platform]
        for version in ("3.0", "3.2", "3.10")
    ]
    assert [place.version for place in found[:3]] == ["3.0", "3.2", "3.10"]


def test_variables_name_other_folders(tmp_path: Path) -> None:
    data, config = tmp_path / "data", tmp_path / "config"
    (data / "krita").mkdir(parents=True)
    (config / "GIMP" / "3.0").mkdir(parents=True)
    environment = {"XDG_DATA_HOME": str(data), "XDG_CONFIG_HOME": str(config)}
    krita, gimp = find_places(user(tmp_path / "home", **environment))
    assert (krita.folder, krita.settings) == (data / "krita", config / "kritarc")
    assert gimp.folder == config / "GIMP" / "3.0" / "plug-ins"


def test_relative_variables_do_not_count(tmp_path: Path) -> None:
    (tmp_path / ".local/share/krita").mkdir(parents=True)
    (krita,) = find_places(user(tmp_path, XDG_DATA_HOME="data", XDG_CONFIG_HOME=""))
    assert krita.folder == tmp_path / ".local/share/krita"


@pytest.mark.parametrize("named", ["own/gimp", "/absolute/gimp"])
def test_gimps_own_variable(named: str, tmp_path: Path) -> None:
    (gimp,) = find_places(user(tmp_path, GIMP3_DIRECTORY=named))
    assert gimp.folder == tmp_path / named / "plug-ins"


def test_a_folder_named_twice_is_found_once(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "GIMP" / "3.0"
    folder.mkdir(parents=True)
    assert len(find_places(user(tmp_path, GIMP3_DIRECTORY=str(folder)))) == 1


def test_snaps_have_no_folder_to_install_into(tmp_path: Path) -> None:
    for host in ("krita", "gimp"):
        (tmp_path / "snap" / host).mkdir(parents=True)
    found = find_places(user(tmp_path))
    assert [(place.title, place.folder) for place in found] == [
        ("Krita (Snap)", None),
        ("GIMP (Snap)", None),
    ]


def test_a_folder_of_ones_own_is_known_again(tmp_path: Path) -> None:
    folder = tmp_path / ".local/share/krita"
    folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)
    assert place_at(tmp_path / "link", "krita", user(tmp_path)).settings is not None
    assert place_at(tmp_path / "elsewhere", "krita", user(tmp_path)).settings is None


def test_no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    with pytest.raises(SetupError, match="set HOME"):
        User.present()
