"""The build hook: compiles the code of `dinplug/cpu`, so that installing needs no compiler.

The same files for every platform, of which each loads its own: the wheel stays one for all.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.wheel import WheelBuilderConfig


class MachineCodeHook(BuildHookInterface[WheelBuilderConfig]):
    """Writes `dinplug/cpu/machine_code` for a wheel and for an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile into the source tree, where an editable install looks, and name it an artifact.

        Git ignores the files, and so would hatchling.
        """
        # A build knows only what it requires, not the checkout.
        sys.path.insert(0, self.root)
        try:
            from scripts.machine_code.compiler import write
        finally:
            sys.path.remove(self.root)
        folder = Path(self.root, "dinplug", "cpu", "machine_code")
        # Not over the old files: a dinplug that runs has them mapped, and some may be no more.
        shutil.rmtree(folder, ignore_errors=True)
        write(folder)
        build_data["artifacts"].append("/dinplug/cpu/machine_code/*.bin")
