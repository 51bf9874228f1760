"""Drives Krita for dinplug's tests: steps through a scenario, and always ends Krita.

DINPLUG_SCENARIO names the module of this package, DINPLUG_RUN a folder with `job.json` for it;
what the scenario found goes to `report.json` there. Krita runs its main loop between the steps.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import sys
import traceback
from typing import Any

from krita import Extension, Krita
from PyQt5.QtCore import QTimer


class Driver(Extension):
    def setup(self) -> None:
        pass

    def createActions(self, _window: Any) -> None:
        QTimer.singleShot(800, self.begin)

    def begin(self) -> None:
        sys.excepthook = fail
        # Also where Krita waits for ever: say where, and end.
        faulthandler.dump_traceback_later(float(os.environ["DINPLUG_LIMIT"]), exit=True)
        folder = os.environ["DINPLUG_RUN"]
        with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
            job = json.load(file)
        Krita.instance().setBatchmode(True)
        scenario = importlib.import_module(f"{__name__}.{os.environ['DINPLUG_SCENARIO']}")
        self.report: dict[str, Any] = {}
        self.steps = scenario.main(job, self.report, folder)
        self.path = os.path.join(folder, "report.json")
        self.step()

    def step(self) -> None:
        try:
            QTimer.singleShot(int(next(self.steps) or 0), self.step)
        except StopIteration:
            with open(self.path, "w", encoding="utf-8") as file:
                json.dump(self.report, file)
            sys.stdout.flush()
            os._exit(0)


def fail(*error: Any) -> None:
    """Krita would open a dialog, and wait for ever."""
    traceback.print_exception(*error)
    sys.stderr.flush()
    os._exit(70)


Krita.instance().addExtension(Driver(Krita.instance()))
