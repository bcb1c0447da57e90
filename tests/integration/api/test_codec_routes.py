from __future__ import annotations

import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google.protobuf.json_format import MessageToDict
from pydantic import SecretStr
from temporalio.api.common.v1 import Payload, Payloads

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from agentkit.catalog.catalog import load_catalog
from api.app import create_app
from tests.integration.api.conftest import settings_for
from tests.integration.api.two_tenants import serve_tenants
from tests.tenant_keys import ACME

WEB_UI = "http://localhost:8233"


@pytest.fixture
def settings(tmp_path: Path, temporal_port: int) -> Settings:
    keys = {"2026-11": SecretStr(base64.b64encode(os.urandom(32)).decode())}
    return settings_for(tmp_path, temporal_port).model_copy(update={"encryption_keys": keys})


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(settings, load_catalog(settings))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as client,
    ):
        yield client


def as_json(*payloads: Payload) -> dict[str, Any]:
    """Return payloads as Temporal's clients send them: JSON of the protobuf message."""
    document: dict[str, Any] = MessageToDict(Payloads(payloads=payloads))
    return document


def values(response: httpx2.Response) -> list[Any]:
    assert response.status_code == 200, response.text
    return [json.loads(base64.b64decode(payload["data"])) for payload in response.json()["payloads"]]


async def test_encrypted_and_stored_payloads_are_decoded(settings: Settings, client: httpx2.AsyncClient) -> None:
    large = os.urandom(20_000).hex()
    encoded = await data_converter(settings).encode(["short", large, {"plain": True}])
    response = await client.post("/codec/decode", json=as_json(*encoded))
    assert values(response) == ["short", large, {"plain": True}]


async def test_references_to_storage_stay_where_the_web_ui_asks_for_that(
    settings: Settings, client: httpx2.AsyncClient
) -> None:
    [short, stored] = await data_converter(settings).encode(["short", os.urandom(20_000).hex()])
    response = await client.post("/codec/decode?preserveStorageRefs=true", json=as_json(short, stored))
    assert values(response)[0] == "short"
    assert response.json()["payloads"][1] == as_json(stored)["payloads"][0]


async def test_what_the_command_line_encodes_is_encrypted_and_can_be_decoded(client: httpx2.AsyncClient) -> None:
    plain = as_json(Payload(metadata={"encoding": b"json/plain"}, data=b'"hello"'))
    encoded = (await client.post("/codec/encode", json=plain)).json()
    assert b"hello" not in base64.b64decode(encoded["payloads"][0]["data"])
    assert values(await client.post("/codec/decode", json=encoded)) == ["hello"]


@pytest.mark.parametrize("reference", ["/dev/zero", "../keys.json", "a\0b", "", "A" * 20, "0" * 20 + "\n"])
async def test_only_a_reference_of_a_key_is_looked_up(client: httpx2.AsyncClient, reference: str) -> None:
    metadata = {"encoding": b"binary/encrypted", "encryption-key-id": b"tenant:" + reference.encode()}
    response = await client.post("/codec/decode", json=as_json(Payload(metadata=metadata, data=b"x" * 40)))
    assert response.status_code == 503
    assert "which this process doesn't have" in response.json()["detail"]


async def test_a_payload_of_an_unknown_key_is_a_problem_that_names_it(client: httpx2.AsyncClient) -> None:
    metadata = {"encoding": b"binary/encrypted", "encryption-key-id": b"lost"}
    response = await client.post("/codec/decode", json=as_json(Payload(metadata=metadata, data=b"x" * 40)))
    assert response.status_code == 503
    assert "'lost'" in response.json()["detail"]


@pytest.mark.parametrize("body", [{}, {"payloads": []}, {"payloads": [{}]}, {"payloads": [{"data": "no base64!"}]}])
async def test_odd_payloads_are_no_server_error(client: httpx2.AsyncClient, body: dict[str, Any]) -> None:
    assert (await client.post("/codec/decode", json=body)).status_code in (200, 503)
    assert (await client.post("/codec/encode", json=body)).status_code == 200


async def test_pages_of_the_web_ui_may_use_the_codec_and_nothing_else(client: httpx2.AsyncClient) -> None:
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-namespace"}
    allowed = await client.options("/codec/decode", headers={"Origin": WEB_UI, **preflight})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == WEB_UI
    response = await client.post("/codec/decode", json={"payloads": []}, headers={"Origin": WEB_UI})
    assert response.headers["access-control-allow-origin"] == WEB_UI
    assert (await client.get("/api/v1/tasks", headers={"Origin": WEB_UI})).status_code == 403
    other = {"Origin": "http://evil.example"}
    assert (await client.post("/codec/decode", json={"payloads": []}, headers=other)).status_code == 403


async def test_only_admins_may_decode_where_requests_are_authenticated(settings: Settings) -> None:
    async with serve_tenants(settings) as tenants:
        for harness, status in ((tenants.of(ACME), 403), (tenants.admin, 200)):
            for path in ("/codec/decode", "/codec/encode"):
                assert (await harness.http.post(path, json={"payloads": []})).status_code == status
        assert (await tenants.anonymous.post("/codec/decode", json={"payloads": []})).status_code == 401
        preflight = {"Origin": WEB_UI, "Access-Control-Request-Method": "POST"}
        assert (await tenants.anonymous.options("/codec/decode", headers=preflight)).status_code == 200
