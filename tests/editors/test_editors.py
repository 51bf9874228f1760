"""The recipes of docs/editors.md, in the real programs where they are installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from dinplug.batch.journal import Journal
from dinplug.imaging import read_provenance

ROOT = Path(__file__).parents[2]
STORAGE = ROOT / "examples" / "darktable" / "dinplug.lua"
NAMES = ("lake.jpg", "a photo's name.tif")


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skip where a program is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"no {', '.join(missing)} installed")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 60, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.fixture
def environment(tmp_path: Path, tiny_models: Path) -> dict[str, str]:
    """A home of its own, with the command `dinplug` of this tree and a preset."""
    presets = tmp_path / "config" / "presets"
    presets.mkdir(parents=True)
    (presets / "darktable.toml").write_text('model = "tiny-derain"\ndevice = "cpu"\n')
    command = tmp_path / "bin" / "dinplug"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dinplug "$@"\n')
    command.chmod(0o755)
    return {
        **os.environ,
        "DINPLUG_CONFIG_HOME": str(tmp_path / "config"),
        "DINPLUG_DATA_HOME": str(tiny_models),
        "PYTHONPATH": str(ROOT),
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


LUARC = """
local dt = require "darktable"
require "dinplug"
local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end
dt.control.dispatch(function()
  dt.database.import([[{photos}]])
  while #dt.database < {count} do dt.control.sleep(200) end
  local images = {{}}
  for _, image in ipairs(dt.database) do table.insert(images, image) end
  dt.gui.selection(images)
  dt.control.sleep(1000)
  dt.gui.action("lib/export/export", 0, "", "", 1.0)
  for _ = 1, 200 do
    dt.control.sleep(300)
    if exists([[{done}]]) then break end
  end
  os.exit(0)
end)
"""


@pytest.mark.slow
@needs("darktable", "xvfb-run")
def test_darktable_exports_through_dinplug(
    tmp_path: Path, photos: Path, environment: dict[str, str]
) -> None:
    """Real darktable: import, select, press the export button, with our storage as target."""
    settings = tmp_path / "darktable"
    (settings / "lua").mkdir(parents=True)
    shutil.copy(STORAGE, settings / "lua")
    done = tmp_path / "done"
    # The command tells when dinplug has ended.
    told = tmp_path / "bin" / "told"
    told.write_text(f'#!/bin/sh\ndinplug "$@"; code=$?; touch "{done}"; sleep 1; exit $code\n')
    told.chmod(0o755)
    (settings / "luarc").write_text(LUARC.format(photos=photos, count=len(NAMES), done=done))
    (settings / "darktablerc").write_text(
        "plugins/lighttable/export/storage_name=dinplug\n"
        "plugins/lighttable/export/format_name=tiff\n"
        f"lua/dinplug/command={told}\n"
    )
    result = subprocess.run(
        [
            *("xvfb-run", "-a", "darktable", "--configdir", str(settings)),
            *("--cachedir", str(tmp_path / "cache"), "--library", str(tmp_path / "library.db")),
            "--disable-opencl",
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    out = photos / "dinplug"
    assert done.exists(), result.stdout + result.stderr
    assert sorted(path.name for path in out.glob("*.tif")) == ["a photo's name.tif", "lake.tif"]
    for path in out.glob("*.tif"):
        assert tifffile.imread(path).shape == (40, 60, 3)
        assert [step.model for step in read_provenance(path)] == ["tiny-derain"]
    assert len(Journal.read(out).outputs()) == 2


@needs("luac")
def test_the_storage_is_lua() -> None:
    subprocess.run(["luac", "-p", str(STORAGE)], check=True)


def run(script: str, environment: dict[str, str], folder: Path) -> None:
    result = subprocess.run(
        ["sh", "-ec", script], env=environment, cwd=folder, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
@needs("darktable-cli")
def test_darktable_cli_develops_for_dinplug(
    tmp_path: Path, photos: Path, environment: dict[str, str]
) -> None:
    script = (
        "mkdir developed; darktable-cli photos developed --out-ext tif "
        f"--core --configdir '{tmp_path}/darktable' --disable-opencl; "
        "dinplug batch --preset darktable developed"
    )
    run(script, environment, tmp_path)
    results = {path.name for path in (tmp_path / "developed-derain").glob("*.tif")}
    assert {name.rpartition(".")[0] for name in NAMES} == {Path(name).stem for name in results}


@pytest.mark.slow
@needs("rawtherapee-cli")
def test_rawtherapee_cli_develops_for_dinplug(
    tmp_path: Path, photos: Path, environment: dict[str, str]
) -> None:
    script = (
        "mkdir developed; rawtherapee-cli -t -b16 -o developed -c photos/*; "
        "dinplug batch --preset darktable developed"
    )
    run(script, environment, tmp_path)
    results = sorted((tmp_path / "developed-derain").glob("*.tif"))
    assert len(results) == 2
    assert tifffile.imread(results[0]).dtype == np.uint16
