"""Write every function's file: `python -m scripts.machine_code FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.machine_code.compiler import write

for path in write(Path(sys.argv[1])):
    print(f"{path}: {path.stat().st_size} bytes")
