from __future__ import annotations

import re

import httpx2
from fastapi import FastAPI


async def test_the_page_loads_nothing_and_shows_every_call(app: FastAPI, http: httpx2.AsyncClient) -> None:
    page = (await http.get("/docs")).text
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", page)
    assert "<script" not in page
    for path in app.openapi()["paths"]:
        assert path in page


async def test_the_page_shows_examples_and_parameters(http: httpx2.AsyncClient) -> None:
    page = (await http.get("/docs")).text
    assert "What is 6 times 7?" in page
    assert "<code>created_after</code><td>query" in page
