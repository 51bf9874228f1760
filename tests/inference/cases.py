"""Small networks of every family, with random weights, for tests of execution."""

from collections.abc import Callable

import torch
from torch import nn

from dinplug.networks.aidn import AIDN, AIDNSpec
from dinplug.networks.din import DIN, DINSpec
from dinplug.networks.imdn import IMDN, IMDNSpec
from dinplug.networks.msfin import MSFIN, MSFINSpec
from dinplug.networks.stages import StagedNetwork

TINY_DIN = {"branches": 3, "depth": 2, "blocks": 2, "features": 16, "growth": 8}


def din(**fields: object) -> Callable[[], StagedNetwork]:
    """A builder of a tiny DIN."""
    return lambda: DIN(DINSpec(**{**TINY_DIN, **fields}))  # type: ignore[arg-type]


def imdn(**fields: bool) -> Callable[[], StagedNetwork]:
    """A builder of a tiny IMDN."""
    return lambda: IMDN(IMDNSpec(2, features=16, blocks=2, **fields))


def aidn(**fields: object) -> Callable[[], StagedNetwork]:
    """A builder of a tiny AIDN."""
    return lambda: AIDN(AIDNSpec(2, features=8, blocks=2, **fields))  # type: ignore[arg-type]


NETWORKS: dict[str, Callable[[], StagedNetwork]] = {
    "din-sr-x2": din(edition="ijcai", scale=2),
    "din-sr-x3": din(edition="ijcai", scale=3),
    "din-sr-x4": din(edition="ijcai", scale=4),
    "din-x2-bicubic": din(scale=2, residual_mode="bicubic"),
    "din-x8": din(scale=8),
    "din-derain": din(),
    "din-dehaze": din(strided=True),
    "din-paper-nodes": din(first_node="paper"),
    "din-concat": din(fusion="concat"),
    "din-sum": din(fusion="sum"),
    "din-se": din(fusion="se"),
    "din-no-dwc": din(weighted_links=False),
    "din-no-gff": din(global_fusion=False),
    "imdn-x2": lambda: IMDN(IMDNSpec(scale=2)),
    "imdn-x3": lambda: IMDN(IMDNSpec(scale=3)),
    "imdn-x4": lambda: IMDN(IMDNSpec(scale=4)),
    "imdn-as": lambda: IMDN(IMDNSpec(scale=1, adaptive=True)),
    "imdn-no-prm": imdn(progressive=False),
    "imdn-no-cca": imdn(contrast_attention=False),
    "imdn-no-iic": imdn(collects=False),
    "imdn-basic": imdn(progressive=False, contrast_attention=False, collects=False),
    "aidn-x2": lambda: AIDN(AIDNSpec(scale=2)),
    "aidn-x4": lambda: AIDN(AIDNSpec(scale=4)),
    "rfdn-x4": lambda: AIDN(AIDNSpec(scale=4, block="rfdb", blocks=4, value_range=255)),
    "arfdn-x4": lambda: AIDN(AIDNSpec(scale=4, blocks=4)),
    "aidn-no-aieb": aidn(asymmetric=False),
    "aidn-collected": aidn(distilled="collected"),
    "aidn-no-fdc": aidn(asymmetric=False, distilled="none"),
    "msfin": lambda: MSFIN(MSFINSpec()),
    "msfin-s": lambda: MSFIN(MSFINSpec(width=16, groups=4, reduction=4, loops=0)),
}


def random_network(name: str, seed: int = 0) -> StagedNetwork:
    """The named network with random weights, biases included, so that every term counts."""
    torch.manual_seed(seed)
    network = NETWORKS[name]().eval()
    for module in network.modules():
        bias = getattr(module, "bias", None)
        if isinstance(bias, nn.Parameter):
            nn.init.uniform_(bias, -0.2, 0.2)
    return network
