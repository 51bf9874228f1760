"""Workers for tests: the real process, with tiny models."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dinplug.hosts import launch as launching
from dinplug.hosts.client import Client

ROOT = Path(__file__).resolve().parents[2]
StartClient = Callable[..., Client]


def worker_launch(data_home: Path, *arguments: str) -> launching.Launch:
    """How to start this checkout's worker with the models of `data_home`, on one core."""
    environment = {
        "PYTHONPATH": str(ROOT),
        "DINPLUG_DATA_HOME": str(data_home),
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE", ""),
    }
    return launching.Launch((sys.executable, "-m", launching.MODULE, *arguments), environment)


@pytest.fixture
def start_client(tiny_models: Path, tmp_path: Path) -> Iterator[StartClient]:
    """Start clients, each with a worker of its own and its folder below `tmp_path`."""
    with ExitStack() as stack:

        def start(*arguments: str, **options: object) -> Client:
            client = Client(
                worker_launch(tiny_models, *arguments),
                "test",
                "0.1.0",
                parent=str(tmp_path),
                **options,  # type: ignore[arg-type]
            )
            stack.callback(client.close)
            return client

        yield start


@pytest.fixture(scope="module")
def warm_client(tiny_data_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client whose worker serves all tests of a module: torch is loaded once."""
    parent = tmp_path_factory.mktemp("pixels")
    with Client(worker_launch(tiny_data_home), "test", "0.1.0", parent=str(parent)) as client:
        yield client
