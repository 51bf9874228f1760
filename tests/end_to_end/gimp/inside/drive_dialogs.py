"""Drives GIMP's window by keyboard and pointer: run beside GIMP, on the same display.

`python3 -m ... OUTER_PYTHON SCREENSHOTS FIRST_PHOTO SECOND_PHOTO`: OUTER_PYTHON has Pillow, which
takes the screenshots. It prints what it sees as JSON lines.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

OUTER_PYTHON, SCREENSHOTS, *PHOTOS = sys.argv[1:]
SETTINGS = Path(os.environ["GIMP3_DIRECTORY"])
PATIENCE = 120.0
DIALOG = "^dinplug: "
KEYS = {"dinplug-dehaze": "ctrl+shift+F9", "dinplug-sr": "ctrl+shift+F10"}
# Saves a screenshot; prints how colourful the two views of a dialog at 0, 0 are, and what they
# show as one number each. They lie side by side at the top, in the left and right half.
LOOK = """
import sys, zlib
from PIL import Image, ImageGrab, ImageStat
screen = ImageGrab.grab(xdisplay=sys.argv[1]).convert("RGB")
screen.save(sys.argv[2])
width, height = int(sys.argv[3]), int(sys.argv[4])
for left in (0, width // 2):
    part = screen.crop((left + 24, 50, left + width // 2 - 24, min(height, 360)))
    print(ImageStat.Stat(part.convert("HSV")).mean[1], zlib.crc32(part.tobytes()))
"""


def say(**what: object) -> None:
    """Tell the test what is seen."""
    print(json.dumps(what), flush=True)


def fail(why: str) -> NoReturn:
    """End with a screenshot."""
    look("failed")
    sys.exit(f"{why}; the windows are {[title(w) for w in windows('.')]}")


def xdotool(*words: object) -> str:
    """Run xdotool."""
    command = ["xdotool", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def windows(name: str) -> list[str]:
    """The windows that are there with a title like `name`, oldest first."""
    return xdotool("search", "--onlyvisible", "--name", name).split()


def title(window: str) -> str:
    return xdotool("getwindowname", window)


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for something, or fail."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            fail(f"waited in vain until {what}")
        time.sleep(0.2)


def press(window: str, *keys: str) -> None:
    """Press keys while a window has the focus."""
    xdotool("windowfocus", "--sync", window)
    xdotool("key", "--delay", 60, *keys)


def main_window() -> str:
    """GIMP's own window, known by the photo it showed first."""
    return shown[0]


def wait_for_title(pattern: str) -> None:
    """Wait until GIMP's window shows an image of which its title says so."""
    wait_until(lambda: re.search(pattern, title(main_window())), f"the title is {pattern}")


def open_dialog(procedure: str, photo: int) -> str:
    """Show an image, start a filter on it, and return its dialog."""
    there = set(windows(DIALOG))
    press(main_window(), f"alt+{photo + 1}")
    wait_for_title(rf"\[{Path(PHOTOS[photo]).stem}\]")
    press(main_window(), KEYS[procedure])
    wait_until(lambda: set(windows(DIALOG)) - there, "there is a dialog")
    return (set(windows(DIALOG)) - there).pop()


def look(name: str, dialog: str = "") -> list[tuple[float, int]]:
    """Take a screenshot; return how colourful the views of a dialog are, and what is in them."""
    geometry = (
        dict(line.split("=") for line in xdotool("getwindowgeometry", "--shell", dialog).split())
        if dialog
        else {}
    )
    file = Path(SCREENSHOTS, f"gimp-{name}.png")
    size = geometry.get("WIDTH", "100"), geometry.get("HEIGHT", "100")
    seen = subprocess.run(
        [OUTER_PYTHON, "-c", LOOK, os.environ["DISPLAY"], file, *size],
        capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    return [(float(seen[0]), int(seen[1])), (float(seen[2]), int(seen[3]))]


def wait_for_preview(dialog: str, name: str) -> list[tuple[float, int]]:
    """Wait until the view "After", grey as long as it waits, has its colours."""
    views: list[tuple[float, int]] = []

    def there() -> bool:
        views[:] = look(name, dialog)
        return views[1][0] > 0.6 * views[0][0]

    wait_until(there, "there is a preview")
    return views


def is_gone(window: str) -> bool:
    return window not in windows(".")


(SETTINGS / "shortcutsrc").write_text(
    '(file-version 1)\n(action "dinplug-dehaze" "<Primary><Shift>F9")\n'
    '(action "dinplug-sr" "<Primary><Shift>F10")\n'
)
with (SETTINGS / "gimprc").open("a") as settings:
    settings.write("(color-profile-policy keep)\n")
gimp = subprocess.Popen(["gimp-3.0", "-s", "-f", "-d", *PHOTOS])
stems = "|".join(Path(photo).stem for photo in PHOTOS)
shown: list[str] = []
wait_until(lambda: shown or shown.extend(windows(rf"\[({stems})\]")), "GIMP shows a photo")
wait_for_title(rf"\[{Path(PHOTOS[1]).stem}\]")

# Two dialogs at once, the first with a preview that is moved, and half the strength.
first = open_dialog("dinplug-dehaze", 0)
views = wait_for_preview(first, "preview")
xdotool("mousemove", "--window", first, 180, 200, "click", 1)
press(first, "Right", "Right")
moved = wait_for_preview(first, "moved")
say(moved=[old[1] != new[1] for old, new in zip(views, moved)])
second = open_dialog("dinplug-dehaze", 1)
say(dialogs=len(windows(DIALOG)))
wait_for_preview(second, "second")
xdotool("windowraise", first)
press(first, "alt+t", "ctrl+a", "0", "period", "5", "Tab")
look("strength", first)
for dialog in (second, first):
    press(dialog, "alt+o")
    wait_until(lambda: is_gone(dialog), "it has restored")
saved = "GimpProcedureConfigRun-dinplug-dehaze.last"
say(remembered=(SETTINGS / "plug-in-settings" / saved).read_text())
for number, photo in enumerate(PHOTOS):
    press(main_window(), f"alt+{number + 1}")
    wait_for_title(rf"\[{Path(photo).stem}\].*2 layers")
look("result")

# One step of undo, and back.
press(main_window(), "ctrl+z")
wait_for_title("1 layer")
press(main_window(), "ctrl+y")
wait_for_title("2 layers")

# Cancel in mid-run comes back to the dialog, and Escape leaves it.
dialog = open_dialog("dinplug-dehaze", 0)
wait_for_preview(dialog, "again")
press(dialog, "alt+a")
press(dialog, "alt+o")
time.sleep(4)
look("running", dialog)
press(dialog, "alt+c")
time.sleep(1)
look("cancelled", dialog)
say(after_cancel=not is_gone(dialog))
press(dialog, "Escape")
wait_until(lambda: is_gone(dialog), "the dialog is closed")
say(title_after_cancel=title(main_window()))

# Enlarging opens a new image.
dialog = open_dialog("dinplug-sr", 1)
wait_for_preview(dialog, "enlarge")
press(dialog, "alt+o")
wait_for_title(r"\[Untitled\].*1 layer")
say(enlarged=title(main_window()))
gimp.kill()
