"""Krita's file of actions says of each task's entry when it can be used."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

import dinplug.hosts
from dinplug.hosts.manifest import load_manifest

FOLDER = Path(dinplug.hosts.__file__).parent / "krita"
TASKS = load_manifest()["tasks"]
ACTIONS = {
    action.get("name"): action
    for action in ElementTree.parse(FOLDER / "dinplug.action").iter("Action")
}


def test_there_is_one_for_each_task() -> None:
    assert list(ACTIONS) == [f"dinplug_{task['id']}" for task in TASKS]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task["id"]))
def test_it_agrees_with_the_manifest(task: dict[str, str]) -> None:
    action = ACTIONS[f"dinplug_{task['id']}"]
    assert action.findtext("text") == task["menu_label"]
    assert action.findtext("activationFlags") == "1"  # there is an image
