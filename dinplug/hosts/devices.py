"""The devices of this machine, as a host's dialog names them."""

from __future__ import annotations

import torch


def device_choices() -> list[dict[str, str]]:
    """The values a task's parameter `device` can take here, each with its label."""
    choices = [
        {"value": "auto", "label": "Automatic"},
        {"value": "cpu", "label": device_title(torch.device("cpu"))},
    ]
    for number in range(torch.cuda.device_count()):
        device = torch.device("cuda", number)
        choices.append({"value": str(device), "label": device_title(device)})
    return choices


def device_title(device: torch.device) -> str:
    """A device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"processor, {threads} thread{'' if threads == 1 else 's'}"
