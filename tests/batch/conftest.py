"""Runs of the command line that can be killed, for the tests of a module."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch.forked_runs import ForkedRuns, forked_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_data_home: Path) -> Iterator[ForkedRuns]:
    with forked_runs(tmp_path_factory.mktemp("said"), tiny_data_home) as server:
        yield server
