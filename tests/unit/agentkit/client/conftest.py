"""A scripted API for tests of the client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.scripted_api import ScriptedApi, serve_scripted_api


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with serve_scripted_api() as scripted:
        yield scripted
