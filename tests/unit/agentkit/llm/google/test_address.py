from __future__ import annotations

import pytest

from agentkit.llm.google.address import google_api_url


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        pytest.param(None, "https://generativelanguage.googleapis.com/v1beta", id="googles-own"),
        pytest.param("http://127.0.0.1:9/", "http://127.0.0.1:9/v1beta", id="without-version"),
        pytest.param("http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1", id="with-version"),
    ],
)
def test_an_address_without_a_version_gets_one(base_url: str | None, url: str) -> None:
    assert google_api_url(base_url) == url
