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
from dinplug.hosts.condition import examine_plugin
from dinplug.hosts.places import TITLES, User, find_places

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

        from dinplug import ops
    except ImportError:
        return  # reported among the libraries
    own = "dinplug's own convolutions" if ops.reads_anywhere() else "convolutions by oneDNN"
    capability = torch.backends.cpu.get_cpu_capability()
    yield Finding("device", f"cpu, {torch.get_num_threads()} threads, {capability}, {own}")
    if not torch.cuda.is_available():
        yield Finding("device", "no CUDA device")
        return
    for number in range(torch.cuda.device_count()):
        found = torch.cuda.get_device_properties(number)
        free, total = torch.cuda.mem_get_info(number)
        yield Finding(
            "device",
            f"cuda:{number}, {found.name}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free, "
            f"compute capability {found.major}.{found.minor}",
        )
    yield Finding(
        "precision",
        "float16 on CUDA where it is measured to be exact, else float32 (--precision chooses)",
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
    """Krita and GIMP: their programs, and the plugins in their folders."""
    places = find_places(User.present())
    for host, title in TITLES.items():
        found = [path for path in (shutil.which(host),) if path]
        for place in places:
            if place.host == host:
                plugin = examine_plugin(place)
                condition = "needs attention" if plugin.faults else plugin.version or "none"
                found.append(f"{place.folder or place.packaging} (plugin: {condition})")
        text = ", ".join(found) or "not found"
        yield Finding(title, f"{text}; see `dinplug plugin status`" if found else text)
