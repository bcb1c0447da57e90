"""``opspawn dev``, started for tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.cli.dev_process import Dev


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    """Return a data directory and ports; the test starts and ends it."""
    dev = Dev(tmp_path / "work")
    yield dev
    dev.close()


@pytest.fixture(scope="module")
def running_dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """Return one that runs, for tests that leave it running."""
    dev = Dev(tmp_path_factory.mktemp("dev"))
    dev.start()
    yield dev
    dev.close()
