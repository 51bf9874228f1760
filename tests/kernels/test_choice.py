"""Which runs, kernel or plain definition: by flag, environment, device and gradients."""

import logging
import sys
from collections.abc import Iterator

import pytest
import torch

from dinplug import ops
from dinplug.errors import SetupError, UsageError


@pytest.fixture
def forgotten_kernels() -> Iterator[None]:
    """Look for kernels afresh, before and after."""
    ops.find_kernel.cache_clear()
    yield
    ops.find_kernel.cache_clear()


def test_plain_torch_runs_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "find_kernel", lambda name: pytest.fail(f"kernel {name} asked for"))
    maps = [torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)]
    with torch.no_grad():
        assert torch.equal(ops.weighted_sum(maps, [None, None], [None, None]), maps[0] + maps[1])


def test_a_missing_triton_means_plain_torch(
    monkeypatch: pytest.MonkeyPatch, forgotten_kernels: None
) -> None:
    monkeypatch.setenv("DINPLUG_KERNELS", "on")
    monkeypatch.setitem(sys.modules, "dinplug.kernels", None)
    maps = [torch.rand(1, 3, 4, 4)]
    with torch.no_grad():
        assert torch.equal(ops.rescaled_sum(maps, torch.ones(1, 1, 3)), maps[0])


def test_kernels_forced_on_a_cpu_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINPLUG_KERNELS", "on")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    maps = [torch.rand(1, 3, 4, 4)]
    with torch.no_grad(), pytest.raises(SetupError, match="DINPLUG_KERNELS to auto"):
        ops.rescaled_sum(maps, torch.ones(1, 1, 3))


def test_the_reference_runs_plain_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINPLUG_KERNELS", "on")
    monkeypatch.setattr(ops, "find_kernel", lambda name: pytest.fail(f"kernel {name} asked for"))
    maps = [torch.rand(1, 3, 4, 4)]
    with torch.no_grad(), ops.plain_torch():
        assert torch.equal(ops.rescaled_sum(maps, torch.ones(1, 1, 3)), maps[0])


def test_an_unknown_choice_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINPLUG_KERNELS", "maybe")
    with pytest.raises(UsageError, match="auto, on or off"):
        ops.weighted_sum([torch.rand(1, 1, 1, 1)], [None], [None])


def test_the_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINPLUG_KERNELS", "on")
    assert ops.kernel_choice() == "on"
    with ops.chosen_kernels("off"):
        assert ops.kernel_choice() == "off"
        with ops.chosen_kernels(None):
            assert ops.kernel_choice() == "on"
    assert ops.kernel_choice() == "on"


def test_kernels_never_run_where_gradients_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINPLUG_KERNELS", "on")
    state = torch.rand(1, 3, 4, 4, requires_grad=True)
    total = ops.rescaled_sum([state], torch.ones(1, 1, 3)).sum()
    (gradient,) = torch.autograd.grad(total, state)
    assert torch.equal(gradient, torch.ones_like(state))


def test_the_choice_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    ops._log_choice.cache_clear()
    with caplog.at_level(logging.INFO, logger="dinplug.ops"), torch.no_grad():
        for _ in range(2):
            ops.weighted_sum([torch.rand(1, 1, 1, 1)], [None], [None])
    assert [record.getMessage() for record in caplog.records] == [
        "kernels auto: plain torch on cpu"
    ]


def test_compilers_see_definitions_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINPLUG_KERNELS", "on")
    monkeypatch.setattr(ops, "find_kernel", lambda name: pytest.fail(f"kernel {name} asked for"))
    layers = [(torch.rand(o, i, 1, 1), torch.rand(o)) for o, i in ((1, 4), (4, 1), (2, 4))]
    x = torch.rand(1, 4, 3, 5)
    compiled = torch.compile(ops.contrast, backend="eager", fullgraph=True)
    with torch.no_grad():
        with ops.chosen_kernels("off"):
            expected = ops.contrast(x, *layers)
        assert torch.equal(compiled(x, *layers), expected)
