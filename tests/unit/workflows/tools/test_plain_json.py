"""What counts as plain JSON in payloads of other programs; ``test_external_tools.py`` has the rest."""

from __future__ import annotations

import pytest
from temporalio.api.common.v1 import Payload

from activities.temporal.data_converter import CompactPayloadConverter
from workflows.tools.plain_json import read_plain_json

CONVERTER = CompactPayloadConverter()


def payload(encoding: str, data: bytes) -> Payload:
    return Payload(metadata={"encoding": encoding.encode()}, data=data)


@pytest.mark.parametrize(
    ("received", "value"),
    [
        pytest.param(payload("json/plain", b'{"a": [1, null]}'), {"a": [1, None]}, id="JSON"),
        pytest.param(payload("binary/null", b""), None, id="null"),
        pytest.param(Payload(), None, id="nothing"),
    ],
)
def test_plain_json_and_nothing_are_values(received: Payload, value: object) -> None:
    assert read_plain_json(received, CONVERTER) == value


@pytest.mark.parametrize(
    ("received", "message"),
    [
        pytest.param(payload("binary/plain", b"x"), "its encoding is 'binary/plain', and not json/plain", id="bytes"),
        pytest.param(payload("json/protobuf", b"{}"), "its encoding is 'json/protobuf'", id="Protobuf"),
        pytest.param(Payload(data=b"x"), "its encoding is ''", id="no encoding"),
        pytest.param(payload("json/plain", b"{"), "Invalid JSON", id="no JSON"),
    ],
)
def test_anything_else_is_an_error_that_says_what_it_is(received: Payload, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_plain_json(received, CONVERTER)
