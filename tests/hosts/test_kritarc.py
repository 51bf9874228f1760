"""Krita's file of settings: the plugin's line comes and goes, everything else stays."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinplug.errors import SetupError
from dinplug.hosts import kritarc

LINE = "enable_dinplug=true\n"
CASES = {
    "empty": ("", "[python]\n" + LINE),
    "other groups": ("[a]\nb=1\n", "[a]\nb=1\n\n[python]\n" + LINE),
    "no line end": ("[a]\nb=1", "[a]\nb=1\n\n[python]\n" + LINE),
    "group": ("[python]\nenable_x=true\n", "[python]\n" + LINE + "enable_x=true\n"),
    "switched off": (
        "[python]\nenable_dinplug=false\nenable_x=true\n",
        "[python]\n" + LINE + "enable_x=true\n",
    ),
    "spaces": ("[python]\n enable_dinplug = 0\n[a]\n", "[python]\n" + LINE + "[a]\n"),
    "Windows": (
        "[a]\r\nb=1\r\n",
        "[a]\r\nb=1\r\n\r\n[python]\r\nenable_dinplug=true\r\n",
    ),
    "same key elsewhere": (
        "[a]\nenable_dinplug=false\n",
        "[a]\nenable_dinplug=false\n\n[python]\n" + LINE,
    ),
    "longer key": (
        "[python]\nenable_dinplug2=false\n",
        "[python]\n" + LINE + "enable_dinplug2=false\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), CASES.values(), ids=CASES)
def test_the_plugin_is_switched_on(before: str, after: str) -> None:
    assert kritarc.enabled(before) == after
    assert kritarc.enabled(after) == after


def others(text: str) -> list[str]:
    """The lines that are neither empty, nor ours, nor the heading of our group."""
    lines, group = [], ""
    for line in text.replace("\r", "\n").split("\n"):
        group = line if line.startswith("[") else group
        ours = group == "[python]" and line.startswith("enable_dinplug=")
        if line and line != "[python]" and not ours:
            lines.append(line)
    return lines


@given(
    st.lists(
        st.sampled_from(["[python]", "[a]", "enable_dinplug=false", "x=[\u2028", "", "\xa0", "é"])
    ),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_other_lines_stay_as_they_were(lines: list[str], end: str) -> None:
    text = end.join(lines)
    switched_on = kritarc.enabled(text)
    switched_off = kritarc.disabled(switched_on)
    assert others(switched_on) == others(switched_off) == others(text)
    assert "[python]" not in switched_off or "[python]" in text


def test_switching_off_keeps_what_is_not_ours() -> None:
    text = "[python]\nenable_dinplug=true\nenable_x=true\n\n[z]\nenable_dinplug=true\n"
    assert kritarc.disabled(text) == text.replace("[python]\n" + LINE, "[python]\n")
    assert kritarc.disabled("[a]\nb=1\n") == "[a]\nb=1\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("[python]\n" + LINE, True),
        ("[python]\nenable_dinplug=false\n", False),
        ("[other]\n" + LINE, False),
        ("[python]\n" + LINE + "[a]\n[python]\nenable_dinplug=no\n", False),
    ],
)
def test_whether_it_is_on(text: str, expected: bool, tmp_path: Path) -> None:
    (tmp_path / "kritarc").write_text(text)
    assert kritarc.is_enabled(tmp_path / "kritarc") is expected


def test_bytes_permissions_and_links_stay(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "kritarc"
    real.parent.mkdir()
    content = b"[a]\nname=\xff\xe9 not UTF-8\n"
    real.write_bytes(content)
    real.chmod(0o640)
    link = tmp_path / "kritarc"
    link.symlink_to(real)
    kritarc.enable(link)
    assert link.is_symlink() and real.read_bytes().startswith(content)
    assert os.stat(real).st_mode & 0o777 == 0o640
    kritarc.disable(link)
    assert real.read_bytes() == content


def test_no_file_is_made_to_switch_off(tmp_path: Path) -> None:
    kritarc.disable(tmp_path / "kritarc")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot read"):
        kritarc.enable(tmp_path)
