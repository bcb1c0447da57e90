from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue

from agentkit.interfaces import ClientInputRequest
from agentkit.runtime.calls.elicitation import (
    ElicitationInvalid,
    check_client_request,
    fits_protocol,
    read_elicitation,
)

FORM: dict[str, JsonValue] = {"type": "object", "properties": {"seat": {"type": "string"}}}


def nested(levels: int) -> dict[str, JsonValue]:
    schema: dict[str, JsonValue] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return {"type": "object", "properties": {"x": schema}}


def test_a_form_is_the_schema_of_an_object() -> None:
    read = read_elicitation({"message": "Seat?", "requestedSchema": {"properties": {}}})

    assert (read.message, read.form, read.url) == ("Seat?", {"properties": {}, "type": "object"}, None)


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        pytest.param({}, "type", id="nothing"),
        pytest.param({"requestedSchema": {"type": "string"}}, "type", id="no object"),
        pytest.param({"requestedSchema": {"description": "x" * 40_000}}, "32,000 bytes", id="huge"),
        pytest.param({"requestedSchema": nested(80)}, "32,000 bytes", id="deep"),
        pytest.param({"mode": "url"}, "http or https", id="no URL"),
        pytest.param({"mode": "url", "url": "javascript:alert(1)"}, "http or https", id="script"),
        pytest.param({"mode": "url", "url": "file:///etc/passwd"}, "http or https", id="file"),
        pytest.param({"mode": "url", "url": "https://"}, "http or https", id="no host"),
        pytest.param({"mode": "url", "url": "https://[x/"}, "http or https", id="no address"),
        pytest.param({"mode": "url", "url": "https://a.example/\x1b[2J"}, "http or https", id="control characters"),
        pytest.param({"mode": "url", "url": "https://a.example/\u202egpj"}, "http or https", id="reversed text"),
        pytest.param({"mode": "url", "url": "https://a.example/ or b.example"}, "http or https", id="spaces"),
        pytest.param({"mode": "url", "url": f"https://a.example/{'x' * 3_000}"}, "2,000 characters", id="long"),
    ],
)
def test_what_people_can_not_be_shown_is_refused(params: dict[str, Any], problem: str) -> None:
    with pytest.raises(ElicitationInvalid, match=problem):
        read_elicitation(params)


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        pytest.param({"requestedSchema": {**FORM, "$ref": "https://a.example/s.json"}}, "isn't in it", id="reference"),
        pytest.param({"requestedSchema": {"type": "object", "properties": 7}}, "no JSON Schema", id="no schema"),
        pytest.param({"requestedSchema": FORM, "message": "\ud800"}, "Unicode", id="surrogate"),
        pytest.param({"requestedSchema": {**FORM, "maxProperties": float("nan")}}, "JSON has not", id="NaN"),
        pytest.param({"requestedSchema": FORM, "message": "x" * 5_000_000}, "too large", id="large"),
        pytest.param({"requestedSchema": FORM, "_meta": nested(80)}, "too deeply", id="deep"),
    ],
)
def test_what_a_worker_can_not_pass_on_is_refused(params: dict[str, Any], problem: str) -> None:
    request = ClientInputRequest(key="k", method="elicitation/create")
    with pytest.raises(ElicitationInvalid, match=problem):
        check_client_request(request.model_copy(update={"params": params}))


def test_ordinary_requests_are_passed_on() -> None:
    check_client_request(ClientInputRequest(key="k", method="elicitation/create", params={"requestedSchema": FORM}))
    check_client_request(ClientInputRequest(key="k", method="sampling/createMessage", params={"messages": []}))


@pytest.mark.parametrize(
    ("content", "fits"),
    [
        ({"a": "x", "b": 1.5, "c": True, "d": ["x", "y"], "e": None}, True),
        ({}, True),
        ({"a": {"b": 1}}, False),
        ({"a": [1]}, False),
        ("text", False),
        (None, False),
    ],
)
def test_the_protocol_takes_flat_objects(content: JsonValue, fits: bool) -> None:
    assert fits_protocol(content) is fits
