"""The worker restores what it is given as `dinplug restore` does, and checks what it is told."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from numpy.typing import NDArray

import dinplug
from dinplug.cli import main
from dinplug.hosts.client import Client, WorkerError
from dinplug.hosts.pixels import PixelShape
from dinplug.imaging import profiles
from dinplug.imaging.samples import SAMPLE_TYPES
from tests.hosts.conftest import StartClient
from tests.imaging.test_samples import FORMS, PROFILES, as_tiff, random_samples

MODEL = {"model": "tiny-dehaze"}


def shape_of(samples: NDArray[Any]) -> PixelShape:
    """The shape of samples (H, W, C), as messages state it."""
    height, width, channels = samples.shape
    return PixelShape(width, height, channels, str(samples.dtype))


def opened(client: Client, samples: NDArray[Any], profile: bytes | None = None, **more: Any) -> int:
    """Hand samples over and return the number of the picture."""
    told = client.put_pixels(shape_of(samples), samples.tobytes(), profile or b"")
    number = client.call("open", **told, **more)["picture"]
    assert isinstance(number, int)
    return number


def taken(client: Client, result: dict[str, Any]) -> NDArray[Any]:
    """The samples (H, W, C) of a result."""
    form = PixelShape.of(result)
    with client.take_pixels(result) as view:
        flat = np.frombuffer(view[:], form.dtype)
    return flat.reshape(form.height, form.width, form.channels)


def restored(client: Client, samples: NDArray[Any], profile: bytes | None = None) -> NDArray[Any]:
    """Samples after the task dehaze with the tiny model."""
    picture = opened(client, samples, profile)
    result = client.call("restore", picture=picture, task="dehaze", parameters=MODEL)
    client.call("close", picture=picture)
    return taken(client, result)


@pytest.mark.parametrize(("channels", "profile"), FORMS)
@pytest.mark.parametrize("dtype", SAMPLE_TYPES)
@pytest.mark.usefixtures("tiny_models")
def test_results_are_those_of_the_command_line(
    dtype: str, channels: int, profile: str, warm_client: Client, tmp_path: Path
) -> None:
    samples = random_samples(dtype, channels, (21, 26))
    source = as_tiff(tmp_path / "photo.tif", samples, PROFILES[profile])
    target = tmp_path / "result.tif"
    told = CliRunner().invoke(
        main, ["restore", "--task", "dehaze", "--model", "tiny-dehaze", str(source), str(target)]
    )
    assert told.exit_code == 0, told.output
    expected = tifffile.imread(target).reshape(samples.shape)
    result = restored(warm_client, samples, PROFILES[profile])
    assert result.dtype == samples.dtype
    assert np.array_equal(result, expected)
    assert not np.array_equal(result, samples)


@pytest.mark.parametrize("dtype", SAMPLE_TYPES)
def test_strength_nothing_is_the_way_there_and_back(dtype: str, warm_client: Client) -> None:
    samples = random_samples(dtype, 4)
    picture = opened(warm_client, samples, encoding="display")
    result = warm_client.call(
        "restore", picture=picture, task="dehaze", parameters={**MODEL, "strength": 0}
    )
    warm_client.call("close", picture=picture)
    back = taken(warm_client, result)
    if dtype in ("uint32", "float64"):  # wider than the float32 that dinplug computes in
        white = np.iinfo(dtype).max if dtype == "uint32" else 1.0
        difference = back.astype(np.float64) - samples.astype(np.float64)
        assert np.abs(difference).max() <= 2**-23 * white
    else:
        assert np.array_equal(back, samples)


@pytest.mark.parametrize("parameters", [{}, {"strength": 0.3}, {"ensemble": True}], ids=str)
def test_a_preview_is_a_part_of_the_result(
    parameters: dict[str, object], warm_client: Client
) -> None:
    samples = random_samples("float32", 4, (40, 52))
    order: dict[str, Any] = {"task": "dehaze", "parameters": {**MODEL, **parameters}}
    first, second = opened(warm_client, samples), opened(warm_client, samples)
    # The preview comes first, from a picture that has no result to take it from.
    part = warm_client.call("preview", picture=first, region=[7, 5, 20, 11], **order)
    whole = warm_client.call("restore", picture=second, **order)
    assert part["region"] == [7, 5, 20, 11] and part["whole"] == [52, 40]
    assert whole["region"] == [0, 0, 52, 40]
    assert np.array_equal(taken(warm_client, part), taken(warm_client, whole)[5:16, 7:27])


def test_an_enlarged_preview_is_a_part_of_the_result(warm_client: Client) -> None:
    samples = random_samples("uint16", 4, (20, 26))
    picture = opened(warm_client, samples, profiles.named_profile("display-p3"))
    order: dict[str, Any] = {
        "picture": picture, "task": "sr", "parameters": {"model": "tiny-x2", "scale": 2},
    }  # fmt: skip
    part = warm_client.call("preview", region=[3, 4, 5, 6], **order)
    whole = taken(warm_client, warm_client.call("restore", **order))
    assert whole.shape == (40, 52, 4)
    assert part["region"] == [6, 8, 10, 12]
    assert np.array_equal(taken(warm_client, part), whole[8:20, 6:16])


def test_a_model_of_any_factor_is_told_the_scale(warm_client: Client) -> None:
    picture = opened(warm_client, random_samples("uint8", 3, (10, 12)))
    parameters = {"model": "tiny-as", "scale": 3}
    result = warm_client.call("restore", picture=picture, task="sr", parameters=parameters)
    assert taken(warm_client, result).shape == (30, 36, 3)
    assert result["name"] == "Super-resolution (tiny-as)" and result["model"] == "tiny-as"


def test_another_strength_or_region_runs_no_network(warm_client: Client) -> None:
    picture = opened(warm_client, random_samples("uint16", 3, (30, 30)))
    stages: list[str] = []
    for strength in (1.0, 0.5, 0.25):
        warm_client.call(
            "preview", lambda told: stages.append(told["stage"]), picture=picture, task="dehaze",
            parameters={**MODEL, "strength": strength}, region=[0, 0, 5, 5],
        )  # fmt: skip
        if strength == 1.0:
            assert set(stages) > {"loading the model", "finishing"}
            stages.clear()
    assert stages and set(stages) == {"loading the model", "finishing"}


def test_the_dialog_learns_what_there_is(warm_client: Client) -> None:
    told = warm_client.call("tasks")
    models = {task["id"]: [m["name"] for m in task["models"]] for task in told["tasks"]}
    assert list(models) == ["sr", "deblur", "derain", "dehaze"]
    assert {"tiny-x2", "tiny-as"} <= set(models["sr"]) and "tiny-dehaze" in models["dehaze"]
    assert [device["value"] for device in told["devices"]][:2] == ["auto", "cpu"]


def test_a_model_is_described_with_its_cost(warm_client: Client) -> None:
    order: dict[str, Any] = {"task": "dehaze", "parameters": MODEL}
    told = warm_client.call("describe", **order)
    assert told["model"] == "tiny-dehaze" and told["licence"] == "Apache-2.0"
    assert told["scale"] == 1 and told["device"] and len(told["weights"]) == 64
    assert told["memory"] is None
    restored(warm_client, random_samples("uint8", 3, (30, 30)))
    small = warm_client.call("describe", width=100, height=100, **order)
    large = warm_client.call("describe", width=1000, height=1000, **order)
    assert 0 < small["memory"] < large["memory"]
    assert 0 <= small["seconds"] <= large["seconds"]


def test_progress_has_a_stage_and_a_share_that_grows(warm_client: Client) -> None:
    picture = opened(warm_client, random_samples("uint16", 3, (200, 300)))
    told: list[dict[str, Any]] = []
    warm_client.call("restore", told.append, picture=picture, task="dehaze", parameters=MODEL)
    shares = [message["share"] for message in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    assert all(message["stage"] for message in told)


@pytest.mark.parametrize(
    ("request_", "fields", "kind", "reason"),
    [
        ("restore", {"picture": 10**9, "task": "dehaze", "parameters": {}}, "protocol", "no pict"),
        ("describe", {"task": "denoise", "parameters": {}}, "protocol", "no task is named"),
        ("describe", {"task": "sr", "parameters": {"scale": 5}}, "protocol", "one of 2, 3, 4, 8"),
        ("describe", {"task": "dehaze", "parameters": []}, "protocol", "must be an object"),
        ("describe", {"task": "dehaze"}, "protocol", "parameters is missing"),
        ("describe", {"task": "dehaze", "parameters": {}, "x": 1}, "protocol", "unknown field"),
        ("describe", {"task": "deblur", "parameters": {"model": "din-deblur"}}, "setup",
         "no weights"),
        ("describe", {"task": "dehaze", "parameters": {"model": "none"}}, "usage", "no model"),
        ("describe", {"task": "dehaze", "parameters": {"device": "cuda:99"}}, "setup", "no device"),
        ("describe", {"task": "sr", "parameters": MODEL}, "usage", "is for dehaze"),
        ("open", {"pixels": "../x"}, "protocol", "missing"),
        ("close", {"picture": "1"}, "protocol", "whole number"),
        ("handshake", {"protocol": 1, "dinplug": "0.1.0", "host": "h", "folder": "/"}, "protocol",
         "handshake before"),
        ("fly", {}, "protocol", "request must be one of"),
    ],
)  # fmt: skip
def test_bad_requests_are_refused_in_one_sentence(
    request_: str, fields: dict[str, Any], kind: str, reason: str, warm_client: Client
) -> None:
    with pytest.raises(WorkerError, match=reason) as caught:
        warm_client.call(request_, **fields)
    assert caught.value.kind == kind and "\n" not in str(caught.value)
    assert warm_client.call("tasks")


def test_pixels_that_are_not_as_stated_are_refused(warm_client: Client) -> None:
    samples = random_samples("uint8", 3)
    wrongs: tuple[dict[str, Any], ...] = (
        {"width": 18},
        {"dtype": "float64"},
        {"pixels": "0" * 32 + ".pixels"},
        {"pixels": "/etc/passwd"},
        {"encoding": "gamma"},
        {"profile_bytes": 1},
    )
    for wrong in wrongs:
        told = {**warm_client.put_pixels(shape_of(samples), samples.tobytes()), **wrong}
        with pytest.raises(WorkerError) as caught:
            warm_client.call("open", **told)
        assert caught.value.kind == "protocol"


def wait_for_welcome(client: Client) -> None:
    """Wait for the answer to the handshake."""
    while client.alive and client.welcome is None:
        client.poll(0.1)


def test_the_host_may_limit_the_memory(start_client: StartClient) -> None:
    client = start_client(max_memory=64 << 20)
    wait_for_welcome(client)
    assert client.welcome is not None and client.welcome["max_memory"] == 64 << 20
    with pytest.raises(WorkerError, match="max_memory must be a whole number"):
        start_client(max_memory=1).call("tasks")


def test_a_handshake_tells_versions(start_client: StartClient) -> None:
    client = start_client()
    wait_for_welcome(client)
    assert client.welcome is not None
    assert client.welcome["protocol"] == 1 and client.welcome["dinplug"] == dinplug.__version__


def test_a_mismatch_of_versions_names_both(start_client: StartClient) -> None:
    client = start_client(speaks=2)
    with pytest.raises(WorkerError, match=r"protocol 2.*protocol 1") as caught:
        client.call("tasks")
    assert caught.value.kind == "version" and not client.alive
    assert not Path(client.folder.path).exists()


def test_two_clients_do_not_meet(start_client: StartClient) -> None:
    one, other = start_client(), start_client()
    dark, bright = np.full((20, 20, 3), 40, np.uint8), np.full((20, 20, 3), 200, np.uint8)
    pictures = opened(one, dark), opened(other, bright)
    results: dict[str, dict[str, Any]] = {}
    errors: list[WorkerError] = []
    order: dict[str, Any] = {"task": "dehaze", "parameters": {**MODEL, "strength": 0}}
    one.ask("restore", lambda r: results.update(one=r), errors.append, picture=pictures[0], **order)
    other.ask(
        "restore", lambda r: results.update(other=r), errors.append, picture=pictures[1], **order
    )
    end = time.monotonic() + 60
    while len(results) < 2 and not errors and time.monotonic() < end:
        one.poll(0.02)
        other.poll(0.02)
    assert not errors
    assert np.array_equal(taken(one, results["one"]), dark)
    assert np.array_equal(taken(other, results["other"]), bright)
    with pytest.raises(WorkerError, match="pixel file"):
        shape = shape_of(dark)
        one.call("open", **{**shape._asdict(), "pixels": other.folder.write(dark.tobytes())})
