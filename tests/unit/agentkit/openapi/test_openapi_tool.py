"""Operations of three documents are called on a real server: parameters, bodies, authentication and responses."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import JsonValue

from agentkit.config.openapi_settings import OpenApiSettings
from agentkit.config.secret_sources import SecretSource
from agentkit.errors import SecretMissing, ToolArgumentsInvalid, ToolError, ToolInterrupted, ToolUnavailable
from agentkit.interfaces import ToolContext
from agentkit.openapi import OpenApiDocument, OpenApiTool, read_operations, validate_document
from agentkit.secrets import SecretStore
from agentkit.web import PublicHttpClient
from tests.unit.agentkit.web.scripted_site import LOOPBACK, ScriptedSite, page, redirect, serve_site

DOCUMENTS = Path(__file__).parent / "documents"
CONTEXT = ToolContext(task_id="t", call_id="c", idempotency_key="t/c", step=1)
JSON_TYPE = "content-type: application/json"


@dataclass
class Api:
    """A server, and the tools of a document that calls it."""

    site: ScriptedSite
    tools: dict[str, OpenApiTool]

    async def call(self, name: str, **arguments: JsonValue) -> JsonValue:
        return await self.tools[name].call(arguments, CONTEXT)

    def answer(self, path: str, body: str = "{}", *headers: str, status: str = "200 OK") -> None:
        self.site.responses[path] = page(body, JSON_TYPE, *headers, status=status)

    @property
    def last(self) -> dict[str, str]:
        return dict(self.site.requests[-1])


@pytest.fixture
async def site() -> AsyncIterator[ScriptedSite]:
    async with serve_site() as started:
        yield started


def load(file: str, site: ScriptedSite, prefix: str = "", hosts: tuple[str, ...] = (), **secrets: str) -> Api:
    data = yaml.safe_load((DOCUMENTS / file).read_text())
    document = validate_document(data)
    assert isinstance(document, OpenApiDocument), document
    settings = OpenApiSettings(base_url=site.url(prefix), secrets={scheme: scheme for scheme in secrets})
    operations, issues = read_operations(document, file.partition(".")[0], settings)
    assert issues == []
    hosts = hosts or (f"http://127.0.0.1:{site.port}",)
    sources = {name: SecretSource(env=name, hosts=hosts) for name in secrets}
    store = SecretStore(sources, Path(), secrets)
    client = PublicHttpClient(allow=LOOPBACK)
    return Api(site, {operation.spec.name: OpenApiTool(operation, client, store) for operation in operations})


@pytest.fixture
def shop(site: ScriptedSite) -> Api:
    return load("shop.yaml", site, "/v1", key="0123456789")


async def test_names_effects_and_schemas_come_from_the_document(shop: Api) -> None:
    assert {name: tool.spec.effect for name, tool in shop.tools.items()} == {
        "shop__getOrder": "pure",
        "shop__replace_order": "idempotent",
        "shop__deleteOrder": "irreversible",
        "shop__listOrders": "pure",
        "shop__createOrder": "irreversible",
    }
    spec = shop.tools["shop__replace_order"].spec
    assert spec.description == "PUT /orders/{order_id}"
    assert spec.parameters == {
        "type": "object",
        "properties": {
            "order_id": {"type": "string", "description": "Such as A-1."},
            "body": {"$ref": "#/$defs/Order"},
        },
        "additionalProperties": False,
        "required": ["order_id", "body"],
        "$defs": {
            "Order": {
                "type": "object",
                "required": ["article"],
                "properties": {
                    "article": {"type": "string"},
                    "note": {"type": ["string", "null"]},
                    "due": {"type": "string", "format": "date"},
                },
            }
        },
    }
    listed: Any = shop.tools["shop__listOrders"].spec.parameters["properties"]
    assert (list(listed), listed["page"]) == (["status", "tags", "page"], {"type": "integer", "exclusiveMinimum": 0})


async def test_path_query_and_header_are_filled_in_and_json_is_the_result(shop: Api) -> None:
    shop.answer("/v1/orders/A%2F1%20x?fields=a|b%26c", '{"id": "A/1", "sum": 1.5}')
    arguments: dict[str, JsonValue] = {"order_id": "A/1 x", "fields": ["a", "b&c"], "X-Trace": 7}
    result = await shop.call("shop__getOrder", **arguments)
    assert result == {"id": "A/1", "sum": 1.5}
    assert (shop.last[":method"], shop.last["x-trace"], shop.last["x-key"]) == ("GET", "7", "0123456789")
    assert "idempotency-key" not in shop.last


async def test_arrays_in_a_query_are_repeated_or_joined_and_no_secret_is_sent_where_none_is_asked_for(
    shop: Api,
) -> None:
    shop.answer("/v1/orders?status[]=new&status[]=a%20b&tags=x,y%2Cz", "[]")
    arguments: dict[str, JsonValue] = {"status": ["new", "a b"], "tags": ["x", "y,z"]}
    assert await shop.call("shop__listOrders", **arguments) == []
    assert "x-key" not in shop.last, "the operation needs no authentication"


async def test_a_json_body_is_sent_with_the_idempotency_key(shop: Api) -> None:
    shop.answer("/v1/orders", "", status="204 No Content")
    assert await shop.call("shop__createOrder", body={"article": "A-1", "note": None}) == "204 No Content"
    assert json.loads(shop.last[":body"]) == {"article": "A-1", "note": None}
    assert (shop.last["content-type"], shop.last["idempotency-key"]) == ("application/json", "t/c")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "'order_id' is a required property"),
        ({"order_id": 7}, "order_id: 7 is not of type 'string'"),
        ({"order_id": "A", "other": 1}, "'other' was unexpected"),
        ({"order_id": ".."}, "'..' can't be part of a path"),
        ({"order_id": ""}, "'' can't be part of a path"),
    ],
)
async def test_wrong_arguments_are_refused_before_anything_is_sent(
    shop: Api, arguments: dict[str, JsonValue], message: str
) -> None:
    with pytest.raises(ToolArgumentsInvalid) as raised:
        await shop.call("shop__getOrder", **arguments)
    assert message in str(raised.value)
    assert shop.site.requests == []


@pytest.mark.parametrize(
    ("tool", "status", "error"),
    [
        ("shop__getOrder", "404 Not Found", ToolError),
        ("shop__getOrder", "500 Internal Server Error", ToolUnavailable),
        ("shop__getOrder", "429 Too Many Requests", ToolUnavailable),
        ("shop__deleteOrder", "409 Conflict", ToolError),
        ("shop__deleteOrder", "500 Internal Server Error", ToolInterrupted),
        ("shop__deleteOrder", "503 Service Unavailable", ToolError),
    ],
)
async def test_statuses_of_errors_are_what_the_effect_makes_of_them(
    shop: Api, tool: str, status: str, error: type[ToolError]
) -> None:
    shop.answer("/v1/orders/A", '{"detail": "so it is"}', status=status)
    with pytest.raises(ToolError, match=f'{tool} failed: {status}. {{"detail": "so it is"}}') as raised:
        await shop.call(tool, order_id="A")
    assert type(raised.value) is error


async def test_a_broken_connection_is_unavailable_only_where_a_retry_does_no_harm(site: ScriptedSite) -> None:
    async def close(writer: Any) -> None:
        writer.close()

    api = load("shop.yaml", site, key="0123456789")
    site.responses["/orders/A"] = close
    with pytest.raises(ToolUnavailable):
        await api.call("shop__getOrder", order_id="A")
    with pytest.raises(ToolInterrupted):
        await api.call("shop__deleteOrder", order_id="A")


async def test_a_secret_is_only_for_its_hosts_and_one_that_is_not_named_is_asked_for(site: ScriptedSite) -> None:
    elsewhere = load("shop.yaml", site, hosts=("api.example.com",), key="0123456789")
    with pytest.raises(SecretMissing, match="not sent to http://127"):
        await elsewhere.call("shop__getOrder", order_id="A")
    without = load("shop.yaml", site)
    with pytest.raises(SecretMissing, match=r"scheme 'oauth'.*\[openapi\.shop\] secrets = \{oauth = \"SECRET\"\}"):
        await without.call("shop__getOrder", order_id="A")
    assert site.requests == []


async def test_a_secret_does_not_follow_a_redirect(site: ScriptedSite) -> None:
    async with serve_site() as other:
        api = load("shop.yaml", site, oauth="abcdefgh")
        site.responses["/orders/A"] = redirect(other.url("/x"))
        other.responses["/x"] = page("{}", JSON_TYPE)
        await api.call("shop__getOrder", order_id="A")
        assert site.requests[0]["authorization"] == "Bearer abcdefgh"
        assert "authorization" not in other.requests[0]


@pytest.fixture
def uploads(site: ScriptedSite) -> Api:
    return load("uploads.json", site, login="user:pass word", session="session-1", token="to/ken-12")


async def test_files_are_uploaded_as_parts_of_a_form(uploads: Api) -> None:
    uploads.answer("/files", status="201 Created")
    body: JsonValue = {
        "photo": {"filename": 'a"b.png', "base64": base64.b64encode(b"\x89PNG").decode()},
        "others": [
            {"filename": "1.txt", "content": "one"},
            {"filename": "2.csv", "content": "2", "media_type": "text/csv"},
        ],
        "title": "Grüße",
        "meta": {"a": [1]},
    }
    await uploads.call("uploads__uploadFile", body=body)
    kind, _, boundary = uploads.last["content-type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    parts = uploads.last[":body"].encode("latin-1").split(f"--{boundary}".encode())
    name = b"\r\nContent-Disposition: form-data; name="
    assert parts == [
        b"",
        name + b'"photo"; filename="a%22b.png"\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n',
        name + b'"others"; filename="1.txt"\r\nContent-Type: application/octet-stream\r\n\r\none\r\n',
        name + b'"others"; filename="2.csv"\r\nContent-Type: text/csv\r\n\r\n2\r\n',
        name + b'"title"\r\n\r\n' + "Grüße".encode() + b"\r\n",
        name + b'"meta"\r\nContent-Type: application/json\r\n\r\n{"a": [1]}\r\n',
        b"--\r\n",
    ]
    assert uploads.last["authorization"] == "Basic " + base64.b64encode(b"user:pass word").decode()


@pytest.mark.parametrize("file", [{}, {"base64": "no base64!"}, {"base64": "é"}], ids=["none", "invalid", "not ASCII"])
async def test_a_file_without_content_is_refused(uploads: Api, file: dict[str, JsonValue]) -> None:
    with pytest.raises(ToolArgumentsInvalid, match="needs content"):
        await uploads.call("uploads__putRaw", body={"filename": "a", **file})


async def test_the_content_of_a_file_is_the_whole_body(uploads: Api) -> None:
    uploads.answer("/raw")
    await uploads.call("uploads__putRaw", body={"filename": "a", "content": "raw text"})
    assert (uploads.last[":body"], uploads.last["content-type"]) == ("raw text", "application/octet-stream")


async def test_a_form_repeats_or_joins_lists(uploads: Api) -> None:
    uploads.answer("/login")
    await uploads.call("uploads__logIn", body={"user": "a&b", "scopes": ["x", "y z"], "groups": ["1", "2"]})
    assert uploads.last[":body"] == "user=a%26b&scopes=x&scopes=y+z&groups=1%2C2"
    assert uploads.last["content-type"] == "application/x-www-form-urlencoded"
    assert "authorization" not in uploads.last


async def test_one_of_several_schemas_is_checked_and_cookies_and_queries_carry_secrets(uploads: Api) -> None:
    uploads.answer("/shapes?token=to%2Fken-12")
    await uploads.call("uploads__addShape", body={"kind": "square", "side": None}, lang="en")
    assert uploads.last["cookie"] == "lang=en; sid=session-1"
    assert uploads.last["content-type"] == "application/vnd.shape+json"
    with pytest.raises(ToolArgumentsInvalid, match="not valid under any of the given schemas"):
        await uploads.call("uploads__addShape", body={"kind": "circle", "radius": 0})


async def test_objects_and_lists_in_paths_and_queries(site: ScriptedSite) -> None:
    tree = load("tree.yaml", site)
    name = next(name for name in tree.tools if name.startswith("tree__get"))
    assert name == "tree__get_trees_path_size"
    path = (
        "/trees/a%2Fb,c/x=1,y=2?filter[a]=1&filter[b][c]=x%26y&from=1&to=2&words=one%20two"
        "&where=%7B%22name%22%3A%20%22n%22%7D"
    )
    tree.answer(path, '{"name": "root"}')
    result = await tree.call(
        name,
        path=["a/b", "c"],
        size={"x": 1, "y": 2},
        filter={"a": 1, "b": {"c": "x&y"}},
        range={"from": 1, "to": 2},
        words=["one", "two"],
        where={"name": "n"},
    )
    assert result == {"name": "root"}


async def test_a_recursive_schema_is_a_definition_that_is_checked(site: ScriptedSite) -> None:
    tree = load("tree.yaml", site)
    tree.answer("/nodes")
    spec = tree.tools["tree__nodes_add_many"].spec
    assert list(spec.parameters["$defs"]) == ["Node"]  # type: ignore[arg-type]
    node: JsonValue = {"name": "a", "children": [{"name": "b", "children": []}], "parent": None}
    await tree.call("tree__nodes_add_many", body=node)
    assert json.loads(tree.last[":body"]) == node
    with pytest.raises(ToolArgumentsInvalid, match=r"body\.children\.0: 'name' is a required property"):
        await tree.call("tree__nodes_add_many", body={"name": "a", "children": [{}]})


def test_the_servers_of_a_document_are_used_without_a_base_url() -> None:
    data = yaml.safe_load((DOCUMENTS / "tree.yaml").read_text())
    document = validate_document(data)
    assert isinstance(document, OpenApiDocument)
    operations, _ = read_operations(document, "tree", OpenApiSettings())
    assert operations[1].url == "http://localhost:1/v2/nodes"
