"""dinplug's own convolution gives what the plain operators give and touches nothing beside maps."""

import ctypes
import os
import platform
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dinplug import direct, ops
from tests.direct_cases import (
    GEOMETRIES,
    Sides,
    are_close,
    check_geometry,
    convolved,
    counted,
    guarded,
    layer,
    picture,
    run_apart,
)

pytestmark = pytest.mark.skipif(
    direct.find_level() is None,
    reason="dinplug's own convolution is for Linux on x86-64 with AVX2 or AVX-512",
)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_own_code_gives_what_the_plain_operators_give(geometry: str) -> None:
    check_geometry(geometry)


@pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() != "AVX512",
    reason="this processor is without AVX-512: the other tests run the code for AVX2",
)
def test_the_code_for_avx2_gives_the_same() -> None:
    run_apart("check_level('AVX2', 8)", ATEN_CPU_CAPABILITY="avx2")


@pytest.mark.parametrize("capability", ["own", "avx2"])
def test_nothing_beside_a_map_is_touched(capability: str) -> None:
    run_apart("check_guards()", **({} if capability == "own" else {"ATEN_CPU_CAPABILITY": "avx2"}))


def test_what_is_guarded_cannot_be_read() -> None:
    reading, writing = os.pipe()
    try:
        for at_end, step in ((True, 4), (False, -4)):
            values = guarded(1, at_end)
            fits = (ctypes.c_char * 4).from_address(values.data_ptr())
            beside = (ctypes.c_char * 4).from_address(values.data_ptr() + step)
            assert os.write(writing, fits) == 4
            with pytest.raises(OSError, match="address"):
                os.write(writing, beside)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("slope", [None, 0.0, 0.05])
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf], ids=str)
def test_what_is_not_finite_goes_through_as_in_torch(value: float, slope: float | None) -> None:
    torch.manual_seed(0)
    x = picture()
    x[0, 3, 2, 2] = value
    x[0, 9, 0, 6] = -value
    weight, bias = layer(25, 16, (3, 3))
    weight[5] = 0
    own, plain = convolved(x, weight, bias, padding=(1, 1), slope=slope)
    assert torch.equal(own.isnan(), plain.isnan())
    assert torch.equal(own.isposinf(), plain.isposinf())
    assert torch.equal(own.isneginf(), plain.isneginf())
    assert not plain.isfinite().all()
    assert are_close(own[own.isfinite()], plain[plain.isfinite()])


@pytest.mark.parametrize(
    ("channels", "sides", "added", "biases"),
    [
        ((15,), [(5, 7)], (8, 5, 7), 8),
        ((16, 1), [(5, 7), (5, 7)], (8, 5, 7), 8),
        ((8, 8), [(5, 7), (5, 8)], (8, 5, 7), 8),
        ((8, 8), [(5, 7), (4, 7)], (8, 5, 7), 8),
        ((16,), [(5, 7)], (8, 5, 6), 8),
        ((16,), [(5, 7)], (8, 4, 7), 8),
        ((16,), [(5, 7)], (7, 5, 7), 8),
        ((16,), [(5, 7)], (8, 5, 7), 1),
        ((16,), [(5, 7)], (8, 5, 7), 7),
        ((16,), [(5, 7)], (8, 5, 7), 9),
    ],
)
def test_maps_that_do_not_fit_a_layer_are_refused(
    channels: tuple[int, ...],
    sides: list[Sides],
    added: tuple[int, int, int],
    biases: int,
) -> None:
    torch.manual_seed(0)
    x = [picture(count, side) for count, side in zip(channels, sides, strict=True)]
    weight, _ = layer(8, 16, (1, 1))
    with torch.no_grad(), pytest.raises(RuntimeError):
        ops.convolve(x, weight, torch.zeros(biases), added=[picture(added[0], added[1:])])


def test_maps_smaller_than_a_kernel_are_refused() -> None:
    weight, _ = layer(8, 16, (7, 7))
    with torch.no_grad(), pytest.raises(RuntimeError):
        ops.convolve(picture(), weight)


def test_a_layer_in_another_memory_does_not_fit() -> None:
    x = picture()
    weight, _ = layer(8, 16, (1, 1))
    with torch.no_grad():
        assert direct.is_fitting([x], weight, 1)
        assert not direct.is_fitting([x], weight.to("meta"), 1)


def test_runs_where_it_may_and_nowhere_else() -> None:
    torch.manual_seed(0)
    x = picture()
    weight, _ = layer(8, 16, (1, 1))
    with counted() as calls:
        ops.convolve(x, weight.requires_grad_())  # gradients are wanted
        with torch.no_grad():
            ops.convolve(x.half(), weight.half())
            ops.convolve(torch.cat([x, x]), weight)  # two pictures
            ops.convolve(x.contiguous(), weight)  # planes
            ops.convolve([x[:, :8], x[:, 8:].contiguous()], weight)
            ops.convolve(x, weight[:, :8], groups=2)
            assert ops.reads_anywhere()
            with ops.chosen_kernels("off"):
                assert not ops.reads_anywhere()
                ops.convolve(x, weight)
            with ops.plain_torch():
                assert not ops.reads_anywhere()
                ops.convolve(x, weight)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(direct, "find_code", lambda: None)
                assert not ops.reads_anywhere()
                ops.convolve(x, weight)
            assert calls == []
            ops.convolve(x, weight)
    assert calls == [8]


def code_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> direct.Code | None:
    """What is found in another folder."""
    monkeypatch.setattr(direct, "FOLDER", folder)
    return direct.find_code.__wrapped__()


def test_a_package_without_the_code_is_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = direct.FOLDER
    assert code_in(tmp_path / "missing", monkeypatch) is None
    assert code_in(tmp_path, monkeypatch) is None
    for path in own.iterdir():
        # Of other arguments: called with these it would go astray.
        shutil.copy(path, tmp_path / path.name.replace(direct.LAYOUT, "00000000"))
    assert code_in(tmp_path, monkeypatch) is None
    for path in own.iterdir():
        shutil.copy(path, tmp_path)
    assert code_in(tmp_path, monkeypatch) is not None


@pytest.mark.parametrize("kind", ["folder", "empty", "unreadable"])
def test_code_that_cannot_be_run_is_no_harm(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for level, _ in direct.LEVELS.values():
        path = tmp_path / f"{level}-{direct.LAYOUT}-1.bin"
        if kind == "folder":
            path.mkdir()
        elif kind == "empty":
            path.touch()
        else:
            path.symlink_to(tmp_path / "missing")
    assert code_in(tmp_path, monkeypatch) is None


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (sys, "platform", "win32"),
        (platform, "machine", lambda: "aarch64"),
        (torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT"),
    ],
    ids=["system", "machine", "processor"],
)
def test_other_computers_are_without_it(
    owner: object, name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, name, value)
    assert direct.find_code.__wrapped__() is None


def test_threads_do_not_disturb_each_other() -> None:
    torch.manual_seed(0)
    x = picture(25, (31, 33))
    layers = [layer(outputs, 25, (3, 3)) for outputs in (8, 65, 144)]

    def run(_: int) -> list[Tensor]:
        with torch.no_grad():
            return [ops.convolve(x, *of, padding=(1, 1), slope=0.05, added=[]) for of in layers]

    with counted() as calls, ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, range(16)))
    assert len(calls) == 48
    first = run(0)
    assert all(torch.equal(a, b) for other in found for a, b in zip(other, first, strict=True))
