"""The manifest fits its schema, the table of models, and what the command line accepts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

import dinplug
from dinplug.batch.options import TASKS, restoration_options
from dinplug.checkpoints import load_model
from dinplug.errors import UsageError
from dinplug.hosts import manifest
from dinplug.hosts.protocol import ProtocolError
from dinplug.restoration import RestoreOptions, Restorer
from dinplug.specs import MODELS, TASK_TITLES, Task

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = manifest.load_manifest()
TASK = {task["id"]: task for task in MANIFEST["tasks"]}
PARAMETERS = [(task, p["name"]) for task, entry in TASK.items() for p in entry["parameters"]]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The manifest's schema, itself checked."""
    text = (ROOT / "dinplug" / "hosts" / "manifest.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(found)
    return found


def parameter_of(task: str, name: str) -> dict[str, Any]:
    """One parameter of a task."""
    return next(p for p in TASK[task]["parameters"] if p["name"] == name)


@click.command()
@restoration_options
def some_command(**_options: object) -> None:
    """A command with the options of `batch` and `restore`."""


DEFAULTS = some_command.make_context("some", []).params


def option_of(name: str) -> click.Option:
    """The command line's option of that name."""
    (option,) = [p for p in some_command.params if p.name == name]
    assert isinstance(option, click.Option)
    return option


def accepts(option: click.Option, text: str) -> bool:
    """Whether the command line takes a value."""
    context = click.Context(click.Command("test"))
    try:
        value = option.type_cast_value(context, text)
        if option.callback is not None:
            option.callback(context, option, value)
    except click.BadParameter:
        return False
    return True


def test_it_fits_its_schema(schema: dict[str, Any]) -> None:
    jsonschema.validate(MANIFEST, schema)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda m: m.pop("version"),
        lambda m: m.update(more=1),
        lambda m: m["tasks"][0].pop("menu_label"),
        lambda m: m["tasks"][0].update(result="a surprise"),
        lambda m: m["tasks"][0]["parameters"][0].pop("help"),
        lambda m: m["tasks"][0]["parameters"][0].update(kind="colour"),
        lambda m: m["tasks"][1]["parameters"][0].pop("minimum"),
        lambda m: m["hosts"][0].update(minimum_version="new"),
    ],
)
def test_the_schema_finds_faults(
    spoil: Callable[[dict[str, Any]], object], schema: dict[str, Any]
) -> None:
    spoilt = json.loads(json.dumps(MANIFEST))
    spoil(spoilt)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spoilt, schema)


def test_it_names_this_dinplug_and_its_tasks() -> None:
    assert MANIFEST["name"] == "dinplug"
    assert MANIFEST["version"] == dinplug.__version__
    assert [task["id"] for task in MANIFEST["tasks"]] == [task.value for task in Task]
    assert tuple(TASK) == TASKS
    hosts = {host["id"] for host in MANIFEST["hosts"]}
    for task in Task:
        assert TASK[task.value]["title"] == TASK_TITLES[task]
        assert set(TASK[task.value]["menu_path"]) == hosts
    assert len({task["menu_label"] for task in TASK.values()}) == len(TASK)


@pytest.mark.parametrize("task", Task)
def test_tasks_that_enlarge_make_new_images(task: Task) -> None:
    scales = {m.scale for m in MODELS.values() if m.task == task and not m.any_factor}
    enlarges = scales != {1}
    assert TASK[task.value]["result"] == ("new-image" if enlarges else "new-layer")
    names = [p["name"] for p in TASK[task.value]["parameters"]]
    assert ("scale" in names) == enlarges
    assert len(set(names)) == len(names)
    if enlarges:
        choices = [choice["value"] for choice in parameter_of(task.value, "scale")["choices"]]
        assert choices == sorted(scales)


@pytest.mark.parametrize(("task", "name"), PARAMETERS)
def test_parameters_are_what_the_command_line_accepts(task: str, name: str) -> None:
    parameter, option = parameter_of(task, name), option_of(name)
    kind, default = parameter["kind"], parameter["default"]
    assert manifest.checked_value(parameter, default) == default
    if kind == "number":
        assert isinstance(option.type, click.FloatRange)
        assert (parameter["minimum"], parameter["maximum"]) == (option.type.min, option.type.max)
        assert default == DEFAULTS[name]
    elif kind == "boolean":
        assert option.is_flag and default is DEFAULTS[name]
    elif kind == "choice":
        values = [choice["value"] for choice in parameter["choices"]]
        assert default in values
        assert all(accepts(option, str(value)) for value in values)
    elif kind == "device":
        assert default == DEFAULTS[name]
        for text in ("auto", "cpu", "cuda", "cuda:1", "tpu", "cuda:x", "", "cuda:1 "):
            taken = True
            try:
                manifest.checked_value(parameter, text)
            except ProtocolError:
                taken = False
            assert taken == accepts(option, text), text
    else:
        assert all(manifest.checked_value(parameter, model) for model in MODELS)


@pytest.mark.usefixtures("tiny_models")
def test_the_strengths_range_is_the_restorers() -> None:
    parameter = parameter_of("dehaze", "strength")
    model = load_model("tiny-dehaze")
    for name in ("minimum", "maximum", "default"):
        Restorer(model, RestoreOptions(strength=parameter[name]))
    for beyond in (parameter["minimum"] - 0.01, parameter["maximum"] + 0.01):
        with pytest.raises(UsageError):
            Restorer(model, RestoreOptions(strength=beyond))
        with pytest.raises(ProtocolError):
            manifest.checked_value(parameter, beyond)


def test_parameters_are_completed_and_checked() -> None:
    assert manifest.checked(TASK["dehaze"], {"strength": 0.5}) == {
        "strength": 0.5,
        "model": "",
        "device": "auto",
        "ensemble": False,
    }
    for wrong in (
        {"scale": 2},
        {"strength": float("nan")},
        {"strength": True},
        {"strength": 10**400},
        {"ensemble": 1},
        {"model": "../../etc/passwd"},
        {"model": ["a"]},
        {"device": "cuda:-1"},
    ):
        with pytest.raises(ProtocolError):
            manifest.checked(TASK["dehaze"], wrong)
    for scale in (1, 5, 2.0, "2", True, None):
        with pytest.raises(ProtocolError):
            manifest.checked(TASK["sr"], {"scale": scale})
    with pytest.raises(ProtocolError, match="no task is named"):
        manifest.task_of(MANIFEST, "denoise")


def test_it_is_found_beside_a_plugins_modules(tmp_path: Path) -> None:
    assert manifest.manifest_path() == str(ROOT / manifest.NAME)
    assert manifest.load_manifest(str(ROOT / manifest.NAME)) == MANIFEST
