"""The table of models: complete, buildable, and the source of the manifest."""

import json

import pytest

from dinplug.checkpoints.fitting import count_parameters
from dinplug.networks.din import DINSpec
from dinplug.networks.imdn import IMDNSpec
from dinplug.networks.msfin import MSFINSpec
from dinplug.specs import (
    FAMILIES,
    MODELS,
    PROTOCOLS,
    Task,
    family_of,
    same_network,
    spec_fields,
    spec_from_fields,
)


@pytest.mark.parametrize("name", MODELS)
def test_models_are_what_they_state(name: str) -> None:
    model = MODELS[name]
    assert model.name == name
    assert model.protocol in PROTOCOLS
    assert model.licence and model.paper and model.title
    assert count_parameters(model.network) > 0
    assert same_network(model.network) is not None


def test_built_networks_enlarge_as_stated() -> None:
    for model in MODELS.values():
        if count_parameters(model.network) < 2_000_000:
            assert model.build().scale == model.scale


def test_every_task_and_scale_has_one_default() -> None:
    wanted = {(model.task, model.scale) for model in MODELS.values()}
    defaults = [(m.task, m.scale) for m in MODELS.values() if m.is_default]
    assert sorted(defaults) == sorted(wanted)


def test_every_scale_of_the_papers_is_there() -> None:
    scales = {t: {m.scale for m in MODELS.values() if m.task == t} for t in Task}
    assert scales[Task.SR] == {1, 2, 3, 4, 8}
    for task in (Task.DEBLUR, Task.DERAIN, Task.DEHAZE):
        assert scales[task] == {1}


def test_only_imdn_as_serves_any_factor() -> None:
    assert [m.name for m in MODELS.values() if m.any_factor] == ["imdn-as"]


@pytest.mark.parametrize("name", MODELS)
def test_specs_survive_their_fields(name: str) -> None:
    spec = MODELS[name].network
    fields = json.loads(json.dumps(spec_fields(spec)))
    assert spec_from_fields(family_of(spec).name, fields) == spec


@pytest.mark.parametrize(
    ("family", "fields"),
    [
        ("resnet", {}),
        ("din", {"colour": "red"}),
        ("din", {"scale": 7}),
        ("din", {"blocks": 10**9}),
        ("din", {"features": "many"}),
        ("din", {"fusion": "glue"}),
        ("imdn", {"adaptive": 1}),
        ("msfin", {"width": None}),
    ],
)
def test_fields_of_no_network_are_refused(family: str, fields: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        spec_from_fields(family, fields)


def test_families_are_told_apart() -> None:
    for spec in (DINSpec(), IMDNSpec(), MSFINSpec()):
        assert FAMILIES[family_of(spec).name].spec is type(spec)
    assert same_network(DINSpec(features=63)) is None
