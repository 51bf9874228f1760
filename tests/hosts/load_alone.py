"""Import a plugin's modules with a stand-in of the host's API, by `python -I -S`: nothing but the
standard library and the plugin is there.

load_alone.py FOLDER API,API,... MODULE...
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
import types


class Lenient(type):
    """The type of classes that have every attribute, and take part in every expression."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return Lenient(name, (Anything,), {})


class Anything(metaclass=Lenient):
    """Whatever the host's API offers: may be called, subclassed, asked for attributes."""

    __gtype__ = None  # GObject's

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, *_: object, **__: object) -> Anything:
        return self

    def __getattr__(self, name: str) -> Anything:
        if name.startswith("__"):
            raise AttributeError(name)
        return Anything()


class StandIn(types.ModuleType):
    """A module of the host's API."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return Lenient(name, (Anything,), {})


class Host(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives stand-ins for the host's API."""

    def __init__(self, apis: list[str]) -> None:
        self.apis = apis

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if name.split(".")[0] in self.apis:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return StandIn(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


folder, apis, *modules = sys.argv[1:]
sys.path.insert(0, folder)
sys.meta_path.insert(0, Host(apis.split(",")))
for module in modules:
    importlib.import_module(module)
    sys.stdout.write(f"{module}\n")
