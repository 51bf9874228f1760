"""CI installs known versions: requirements-ci.txt has one for all that pyproject.toml asks for."""

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
FREE = {"torch", "triton"}
"""The range and the machine decide these."""


def wanted() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return [Requirement(line) for line in lines]


def locked() -> dict[str, Version]:
    lines = (ROOT / "requirements-ci.txt").read_text("utf-8").splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pins}


@pytest.mark.parametrize("requirement", wanted(), ids=lambda r: r.name)
def test_a_version_is_locked_that_is_allowed(requirement: Requirement) -> None:
    lock = (ROOT / "requirements-ci.txt").read_text("utf-8")
    (python,) = re.findall(r"with Python (3\.\d+)", lock)
    if requirement.marker and not requirement.marker.evaluate({"python_version": python}):
        pytest.skip(f"not for Python {python}")
    version = locked().get(canonicalize_name(requirement.name))
    if requirement.name in FREE:
        assert version is None
    else:
        assert version is not None, "run scripts/lock_dependencies"
        assert requirement.specifier.contains(version, prereleases=True)


def test_ci_installs_them() -> None:
    assert "--constraint requirements-ci.txt" in (ROOT / ".ci" / "run").read_text("utf-8")
