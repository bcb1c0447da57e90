"""One real model for each module of tests that don't stop it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from activities.settings import Settings
from agentkit.config.providers import missing_configuration
from agentkit.llm import LocalModel

MISSING = missing_configuration("local:smollm2", Settings())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of a real model if none is installed."""
    if MISSING is not None:
        for item in items:
            if item.get_closest_marker("local"):
                item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model() -> AsyncIterator[LocalModel]:
    model = LocalModel()
    yield model
    await model.aclose()
