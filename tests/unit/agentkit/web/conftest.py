from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.unit.agentkit.web.scripted_site import ScriptedSite, serve_site


@pytest.fixture
async def site() -> AsyncIterator[ScriptedSite]:
    async with serve_site() as started:
        yield started
