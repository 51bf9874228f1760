"""The tasks and the models: one table, from which every list, choice and manifest is derived."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Literal, get_args, get_origin, get_type_hints

from dinplug.networks.aidn import AIDN, AIDNSpec
from dinplug.networks.din import DIN, DINSpec
from dinplug.networks.imdn import IMDN, IMDNSpec
from dinplug.networks.msfin import MSFIN, MSFINSpec
from dinplug.networks.stages import StagedNetwork

NetworkSpec = DINSpec | IMDNSpec | AIDNSpec | MSFINSpec
Protocol = Literal["whole", "quarter-split", "adaptive-cropping"]
PROTOCOLS: tuple[Protocol, ...] = ("whole", "quarter-split", "adaptive-cropping")


class Task(str, Enum):
    """What a photo is restored from."""

    SR = "sr"
    DEBLUR = "deblur"
    DERAIN = "derain"
    DEHAZE = "dehaze"

    def __str__(self) -> str:
        return self.value


TASK_TITLES = {
    Task.SR: "Super-resolution",
    Task.DEBLUR: "Deblur",
    Task.DERAIN: "Derain",
    Task.DEHAZE: "Dehaze",
}


@dataclass(frozen=True)
class Family:
    """A kind of network: how its spec becomes a module."""

    name: str
    spec: type[NetworkSpec]
    build: Callable[[Any], StagedNetwork]


FAMILIES = {
    family.name: family
    for family in (
        Family("din", DINSpec, DIN),
        Family("imdn", IMDNSpec, IMDN),
        Family("aidn", AIDNSpec, AIDN),
        Family("msfin", MSFINSpec, MSFIN),
    )
}

IJCAI = "Li et al., Deep Interleaved Network for Image Super-Resolution, IJCAI 2020"
JOURNAL = "Li et al., Deep Interleaved Network for Image Restoration, arXiv:2010.15689"
IMDN_PAPER = (
    "Hui et al., Lightweight Image Super-Resolution with Information Multi-distillation Network, "
    "ACM MM 2019"
)
AIDN_PAPER = (
    "Zong et al., Asymmetric Information Distillation Network for Lightweight Super Resolution, "
    "CVPRW 2022"
)
RFDN_PAPER = (
    "Liu et al., Residual Feature Distillation Network for Lightweight Image Super-Resolution, "
    "AIM 2020"
)
MSFIN_PAPER = (
    "Wang et al., Lightweight Image Super-Resolution with Multi-Scale Feature Interaction "
    "Network, ICME 2021"
)
NOT_STATED = "authors' weights: not stated, do not redistribute"
CHALLENGE = "authors' weights: repository MIT, submission's not stated"
NO_WEIGHTS = "no weights released"


@dataclass(frozen=True)
class ModelSpec:
    """A model: a network of given sizes for a task; its weights may or may not be at hand.

    `title` is the network's name in its paper, `licence` that of the released weights,
    `protocol` the way the paper's numbers were measured. `is_default` marks what is used for a
    task and scale when no model is named.
    """

    name: str
    task: Task
    network: NetworkSpec
    title: str
    paper: str
    licence: str = NO_WEIGHTS
    protocol: Protocol = "whole"
    is_default: bool = False

    @property
    def scale(self) -> int:
        """How many times the output is wider than the input."""
        return self.network.scale

    @property
    def any_factor(self) -> bool:
        """Whether it serves every factor: its input is enlarged to the wanted size first."""
        return isinstance(self.network, IMDNSpec) and self.network.adaptive

    def build(self) -> StagedNetwork:
        """The network with fresh weights."""
        return build_network(self.network)


def build_network(spec: NetworkSpec) -> StagedNetwork:
    """The network that `spec` describes, with fresh weights."""
    return family_of(spec).build(spec)


def family_of(spec: NetworkSpec) -> Family:
    """The family a spec belongs to."""
    return next(family for family in FAMILIES.values() if type(spec) is family.spec)


def spec_fields(spec: NetworkSpec) -> dict[str, Any]:
    """The fields of a spec as a weights card states them."""
    return asdict(spec)


def spec_from_fields(family: str, fields: Mapping[str, Any]) -> NetworkSpec:
    """The spec that a weights card states; raises ValueError if it states none that exists."""
    if family not in FAMILIES:
        raise ValueError(f"no network family is named {family!r}")
    spec = FAMILIES[family].spec
    known = get_type_hints(spec)
    for name, value in fields.items():
        if name not in known or not _is_allowed(value, known[name]):
            raise ValueError(f"a {family} network has no field {name} = {value!r}")
    return spec(**fields)


def _is_allowed(value: object, hint: Any) -> bool:
    """Whether a field's value is of its type, and no size that a damaged card would state."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is hint and (not isinstance(value, int) or 0 <= value <= LARGEST_FIELD)


LARGEST_FIELD = 1024
"""No field of a network is larger: a card beyond it is damaged."""


def _din(name: str, task: Task, spec: DINSpec, *, is_default: bool = False) -> ModelSpec:
    is_ijcai = spec.edition == "ijcai"
    title, paper = ("DIN (IJCAI)", IJCAI) if is_ijcai else ("DIN", JOURNAL)
    if name.endswith("-small"):
        title = "DIN, small"
    return ModelSpec(name, task, spec, title, paper, is_default=is_default)


def _small(**fields: Any) -> DINSpec:
    """A DIN of the paper's structure with fewer branches, nodes and blocks."""
    return DINSpec(branches=2, depth=3, blocks=1, first_node="paper", **fields)


SMALL_DEHAZE = _small(strided=True, features=48, growth=16)
SMALL_DEBLUR = SMALL_DEHAZE
SMALL_DERAIN = _small(features=32, growth=16)
SMALL_X8 = _small(scale=8, features=48, growth=24)

_TABLE = (
    *(
        ModelSpec(
            f"imdn-x{scale}",
            Task.SR,
            IMDNSpec(scale),
            "IMDN",
            IMDN_PAPER,
            NOT_STATED,
            is_default=True,
        )
        for scale in (2, 3, 4)
    ),
    ModelSpec("msfin-x4", Task.SR, MSFINSpec(), "MSFIN", MSFIN_PAPER, NOT_STATED, "quarter-split"),
    ModelSpec(
        "msfin-s-x4",
        Task.SR,
        MSFINSpec(16, 4, 4, 0),
        "MSFIN-S",
        MSFIN_PAPER,
        NOT_STATED,
        "quarter-split",
    ),
    *(
        ModelSpec(f"aidn-x{scale}", Task.SR, AIDNSpec(scale), "AIDN", AIDN_PAPER)
        for scale in (2, 3, 4)
    ),
    ModelSpec("arfdn-x4", Task.SR, AIDNSpec(4, blocks=4), "ARFDN", AIDN_PAPER, CHALLENGE),
    ModelSpec(
        "rfdn-x4",
        Task.SR,
        AIDNSpec(4, "rfdb", blocks=4, fusion_slope=0.05, value_range=255.0),
        "RFDN",
        RFDN_PAPER,
        CHALLENGE,
    ),
    *(_din(f"din-x{scale}", Task.SR, DINSpec(scale)) for scale in (2, 3, 4, 8)),
    _din("din-x8-small", Task.SR, SMALL_X8, is_default=True),
    *(_din(f"din-sr-x{scale}", Task.SR, DINSpec(scale, edition="ijcai")) for scale in (2, 3, 4)),
    ModelSpec(
        "imdn-as",
        Task.SR,
        IMDNSpec(1, adaptive=True),
        "IMDN_AS",
        IMDN_PAPER,
        NOT_STATED,
        "adaptive-cropping",
        is_default=True,
    ),
    _din("din-deblur-small", Task.DEBLUR, SMALL_DEBLUR, is_default=True),
    _din("din-derain-small", Task.DERAIN, SMALL_DERAIN, is_default=True),
    _din("din-dehaze-small", Task.DEHAZE, SMALL_DEHAZE, is_default=True),
    _din("din-deblur", Task.DEBLUR, DINSpec(strided=True)),
    _din("din-derain", Task.DERAIN, DINSpec()),
    _din("din-dehaze", Task.DEHAZE, DINSpec(strided=True)),
)

MODELS: dict[str, ModelSpec] = {model.name: model for model in _TABLE}
"""Every model by name, in the order in which models are tried for a task."""


def same_network(spec: NetworkSpec) -> ModelSpec | None:
    """The model of the table whose network has exactly these fields, or None."""
    return next((model for model in MODELS.values() if model.network == spec), None)
