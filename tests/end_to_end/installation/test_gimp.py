"""The plugin gets into a real GIMP by `dinplug plugin install`."""

import re
import sys
from pathlib import Path

import pytest

from dinplug.hosts.manifest import load_manifest
from tests.end_to_end.installation.scripts import run_script

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

# Prints the names of dinplug's procedures that GIMP knows.
LOOK = """gimp-console-3.0 -i -d -f --batch-interpreter=python-fu-eval --quit -b '
names = Gimp.get_pdb().query_procedures("dinplug.*", "", "", "", "", "", "", "")
print("PROCEDURES", *sorted(names))'
"""


def test_install_and_uninstall(host_scripts: Path, tmp_path: Path) -> None:
    environment = [host_scripts / "gimp3-env", "--venv", Path(sys.executable).parents[1]]
    script = (
        "$DINPLUG plugin install gimp\n"
        f"$DINPLUG plugin status\n{LOOK}"
        f"$DINPLUG plugin uninstall gimp\n{LOOK}"
    )
    said = run_script(environment, script, tmp_path)
    assert re.search(r"dinplug \S+ installed in \S+/plug-ins\n", said)
    assert re.search(r"dinplug \S+ in \S+ works\n", said)
    before, after = re.findall(r"PROCEDURES(.*)", said)
    assert before.split() == sorted(f"dinplug-{task['id']}" for task in load_manifest()["tasks"])
    assert not after.split()
