"""What dinplug finds on this machine: versions, devices, kernels, weights, hosts, folders."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dinplug
from dinplug.folders import user_config_folder, user_data_folder

LIBRARIES = ("torch", "numpy", "Pillow", "tifffile", "imagecodecs", "rawpy", "safetensors")
_MODULE_OF = {"Pillow": "PIL"}


@dataclass(frozen=True)
class Finding:
    """One line of the report; `is_fault` says that dinplug cannot work like this."""

    topic: str
    text: str
    is_fault: bool = False


def examine() -> list[Finding]:
    """Look at this machine. Nothing is changed."""
    return [
        Finding("dinplug", f"{dinplug.__version__} in {Path(dinplug.__file__).parent}"),
        Finding("python", f"{platform.python_version()} at {sys.executable}"),
        Finding("system", f"{platform.platform()}, {os.cpu_count()} processors"),
        *(_library(name) for name in LIBRARIES),
        *_devices(),
        *_kernels(),
        *_weights(),
        Finding("data folder", str(user_data_folder())),
        Finding("settings", str(user_config_folder())),
        *_hosts(),
    ]


def _library(name: str) -> Finding:
    try:
        importlib.import_module(_MODULE_OF.get(name, name))
        return Finding(name, importlib.metadata.version(name))
    except ImportError as error:
        return Finding(name, f"cannot be imported ({error}); install dinplug again", is_fault=True)


def _devices() -> Iterator[Finding]:
    try:
        import torch
    except ImportError:
        return  # reported among the libraries
    yield Finding("device", f"cpu, {torch.get_num_threads()} threads")
    if not torch.cuda.is_available():
        yield Finding("device", "no CUDA device")
        return
    for number in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(number)
        yield Finding(
            "device", f"cuda:{number}, {found.name}, {found.total_memory / 2**30:.0f} GiB"
        )


def _kernels() -> Iterator[Finding]:
    try:
        from dinplug import ops
    except ImportError:
        return  # torch is missing, and reported
    choice = ops.kernel_choice()
    if ops.find_kernel("weighted_sum") is None:
        yield Finding("kernels", "no Triton; plain torch operators run")
        return
    use = {"auto": "used on CUDA devices", "on": "used everywhere", "off": "switched off"}[choice]
    version = importlib.metadata.version("triton")
    yield Finding(
        "kernels", f"Triton {version}, {use} (DINPLUG_KERNELS={choice}; --kernels goes before it)"
    )


def _weights() -> Iterator[Finding]:
    try:
        from dinplug.checkpoints import list_models
        from dinplug.specs import TASK_TITLES
    except ImportError:
        return  # torch is missing, and reported
    models = [model for model in list_models() if model.weights != "none"]
    for task in TASK_TITLES:
        names = [f"{model.name} ({model.weights})" for model in models if model.task == task]
        nothing = "no weights; import some with `dinplug models import FILE`"
        yield Finding(f"task {task}", ", ".join(names) or nothing)


def _hosts() -> Iterator[Finding]:
    """Find Krita and GIMP by their programs and by the folders they keep for a user."""
    for host, program, folders in (
        ("Krita", "krita", krita_folders()),
        ("GIMP", "gimp", gimp_folders()),
    ):
        found = [path for path in (shutil.which(program),) if path]
        found += [str(folder) for folder in folders]
        yield Finding(host, ", ".join(found) or "not found")


def krita_folders() -> list[Path]:
    """Return Krita's resource folders of this user that exist."""
    home = Path.home()
    if sys.platform == "win32":
        places = [Path(os.environ.get("APPDATA", home / "AppData" / "Roaming")) / "krita"]
    elif sys.platform == "darwin":
        places = [home / "Library" / "Application Support" / "krita"]
    else:
        data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
        places = [data / "krita", home / ".var/app/org.kde.krita/data/krita"]
    return [place for place in places if place.is_dir()]


def gimp_folders() -> list[Path]:
    """Return GIMP's settings folders of this user, one for each version 3.x."""
    home = Path.home()
    if sys.platform == "win32":
        bases = [Path(os.environ.get("APPDATA", home / "AppData" / "Roaming")) / "GIMP"]
    elif sys.platform == "darwin":
        bases = [home / "Library" / "Application Support" / "GIMP"]
    else:
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        bases = [config / "GIMP", home / ".var/app/org.gimp.GIMP/config/GIMP"]
    return [found for base in bases for found in sorted(base.glob("3.*")) if found.is_dir()]
