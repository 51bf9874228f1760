"""Drives GIMP's window by keyboard and pointer: run beside GIMP, on the same display.

`python3 -m ... REPORT OUTER_PYTHON SCREENSHOTS FIRST_PHOTO SECOND_PHOTO`: OUTER_PYTHON has Pillow,
which takes the screenshots. What is seen goes to the file REPORT.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NoReturn

REPORT, OUTER_PYTHON, SCREENSHOTS, *PHOTOS = sys.argv[1:]
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


def wait_for_window(name: str, what: str, others: Collection[str] = ()) -> str:
    """Wait for a window with a title like `name` besides `others`; titles change as GIMP loads."""
    found: list[str] = []

    def is_there() -> bool:
        found[:] = [window for window in windows(name) if window not in others]
        return bool(found)

    wait_until(is_there, what)
    return found[0]


def press(window: str, *keys: str) -> None:
    """Press keys while a window has the focus."""
    xdotool("windowfocus", "--sync", window)
    xdotool("key", "--delay", 60, *keys)


def look(name: str, dialog: str = "") -> list[tuple[float, int]]:
    """Take a screenshot; return how colourful the views of a dialog are, and what is in them."""
    lines = xdotool("getwindowgeometry", "--shell", dialog).split() if dialog else []
    geometry = {"WIDTH": "100", "HEIGHT": "100", **dict(line.split("=") for line in lines)}
    file, size = Path(SCREENSHOTS, f"gimp-{name}.png"), (geometry["WIDTH"], geometry["HEIGHT"])
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


def wait_until_closed(window: str) -> None:
    wait_until(lambda: window not in windows("."), "the dialog is closed")


class Gimp:
    """GIMP with the photos open, in one window."""

    def __init__(self) -> None:
        (SETTINGS / "shortcutsrc").write_text(
            '(file-version 1)\n(action "dinplug-dehaze" "<Primary><Shift>F9")\n'
            '(action "dinplug-sr" "<Primary><Shift>F10")\n'
        )
        with (SETTINGS / "gimprc").open("a") as settings:
            settings.write("(color-profile-policy keep)\n")
        self.process = subprocess.Popen(["gimp-3.0", "-s", "-f", "-d", *PHOTOS])
        names = "|".join(Path(photo).stem for photo in PHOTOS)
        self.window = wait_for_window(rf"\[({names})\]", "GIMP shows a photo")
        self.wait_for_title(rf"\[{Path(PHOTOS[-1]).stem}\]")

    @property
    def title(self) -> str:
        return title(self.window)

    def wait_for_title(self, pattern: str) -> None:
        """Wait until the image that is shown is one of which the title says so."""
        wait_until(lambda: re.search(pattern, self.title), f"the title is {pattern}")

    def show(self, photo: int, what: str = "") -> None:
        """Show an image, and wait until its title says `what`."""
        press(self.window, f"alt+{photo + 1}")
        self.wait_for_title(rf"\[{Path(PHOTOS[photo]).stem}\].*{what}")

    def open_dialog(self, procedure: str, photo: int) -> str:
        """Start a filter on an image, and return its dialog."""
        there = set(windows(DIALOG))
        self.show(photo)
        press(self.window, KEYS[procedure])
        return wait_for_window(DIALOG, "there is a dialog", there)


def two_at_once(gimp: Gimp) -> dict[str, object]:
    """Two dialogs side by side; in the first the preview is moved, and the strength halved."""
    first = gimp.open_dialog("dinplug-dehaze", 0)
    views = wait_for_preview(first, "preview")
    xdotool("mousemove", "--window", first, 180, 200, "click", 1)
    press(first, "Right", "Right")
    moved = wait_for_preview(first, "moved")
    second = gimp.open_dialog("dinplug-dehaze", 1)
    dialogs = len(windows(DIALOG))
    wait_for_preview(second, "second")
    xdotool("windowraise", first)
    press(first, "alt+t", "ctrl+a", "0", "period", "5", "Tab")
    press(first, "alt+m", "Down")
    look("strength", first)
    for dialog in (second, first):
        press(dialog, "alt+o")
        wait_until_closed(dialog)
    for photo in range(len(PHOTOS)):
        gimp.show(photo, "2 layers")
    look("result")
    settings = SETTINGS / "plug-in-settings" / "GimpProcedureConfigRun-dinplug-dehaze.last"
    return {
        "moved": [views[side][1] != moved[side][1] for side in (0, 1)],
        "dialogs": dialogs,
        "remembered": settings.read_text(),
    }


def undo_and_redo(gimp: Gimp) -> None:
    """One step back, and forth."""
    press(gimp.window, "ctrl+z")
    gimp.wait_for_title("1 layer")
    press(gimp.window, "ctrl+y")
    gimp.wait_for_title("2 layers")


def cancel(gimp: Gimp) -> dict[str, object]:
    """Cancel in mid-run comes back to the dialog, and Escape leaves it."""
    dialog = gimp.open_dialog("dinplug-dehaze", 0)
    wait_for_preview(dialog, "again")
    press(dialog, "alt+a", "alt+o")
    time.sleep(1)
    look("running", dialog)
    press(dialog, "alt+c")
    time.sleep(1)
    look("cancelled", dialog)
    is_there = dialog in windows(DIALOG)
    press(dialog, "Escape")
    wait_until_closed(dialog)
    return {"dialog after cancel": is_there, "title after cancel": gimp.title}


def trouble(gimp: Gimp) -> dict[str, object]:
    """A dialog whose worker cannot be started says so, and stays after OK."""
    record = SETTINGS / "plug-ins" / "dinplug" / "dinplug.json"
    kept = record.read_text()
    record.write_text(json.dumps({**json.loads(kept), "python": "/nowhere/python"}))
    dialog = gimp.open_dialog("dinplug-dehaze", 0)
    press(dialog, "alt+o")
    time.sleep(1)
    look("trouble", dialog)
    is_there = dialog in windows(DIALOG)
    press(dialog, "Escape")
    wait_until_closed(dialog)
    record.write_text(kept)
    return {"dialog after trouble": is_there}


def enlarge(gimp: Gimp) -> dict[str, object]:
    """Enlarging opens a new image."""
    dialog = gimp.open_dialog("dinplug-sr", 1)
    wait_for_preview(dialog, "enlarge")
    press(dialog, "alt+o")
    gimp.wait_for_title(r"\[Untitled\].*1 layer")
    return {"enlarged": gimp.title}


def main() -> None:
    """Do all of it."""
    gimp = Gimp()
    report = two_at_once(gimp)
    undo_and_redo(gimp)
    report.update(cancel(gimp))
    report.update(trouble(gimp))
    report.update(enlarge(gimp))
    Path(REPORT).write_text(json.dumps(report), "utf-8")
    gimp.process.kill()


if __name__ == "__main__":
    main()
