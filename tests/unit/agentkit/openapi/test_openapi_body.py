from __future__ import annotations

from email import message_from_bytes

import pytest
from pydantic import JsonValue

from agentkit.errors import ToolArgumentsInvalid
from agentkit.openapi.openapi_body import Body, PropertyEncoding, media_rank


@pytest.mark.parametrize(
    ("media_type", "value", "body"),
    [
        ("application/json", {"a": [1]}, b'{"a": [1]}'),
        ("application/merge-patch+json; charset=utf-8", None, b"null"),
        (
            "application/x-www-form-urlencoded",
            {"a": "x y", "b": [1, 2], "c": {"d": 1}},
            b"a=x+y&b=1&b=2&c=%7B%22d%22%3A+1%7D",
        ),
        ("text/plain", "é", "é".encode()),
        ("text/csv", 5, b"5"),
        ("application/pdf", {"filename": "a.pdf", "base64": "JVBE"}, b"%PD"),
        ("application/octet-stream", {"filename": "a", "content": "é"}, "é".encode()),
    ],
)
def test_a_value_is_written_in_the_format_of_its_media_type(media_type: str, value: JsonValue, body: bytes) -> None:
    assert Body("body", media_type).encode(value) == (media_type, body)


def test_a_form_with_a_file_is_one_that_other_parsers_read() -> None:
    encodings = {"meta": PropertyEncoding("application/json"), "file": PropertyEncoding("text/csv, text/plain")}
    form: JsonValue = {
        "meta": {"a": 1},
        "file": {"filename": 'a"\r\nb.csv', "content": "1,2"},
        "tags": ["x", "y"],
        'na"me': "v",
    }
    content_type, body = Body("body", "multipart/form-data", encodings=encodings).encode(form)
    message = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts = message.get_payload()
    assert isinstance(parts, list)
    found = [(part["Content-Disposition"], part["Content-Type"], part.get_payload(decode=True)) for part in parts]  # type: ignore[union-attr,index]
    assert found == [
        ('form-data; name="meta"', "application/json", b'{"a": 1}'),
        ('form-data; name="file"; filename="a%22%0D%0Ab.csv"', "text/csv", b"1,2"),
        ('form-data; name="tags"', None, b"x"),
        ('form-data; name="tags"', None, b"y"),
        ('form-data; name="na%22me"', None, b"v"),
    ]


@pytest.mark.parametrize(
    "file", [{"filename": "a"}, {"filename": "a", "base64": "no!"}, {"filename": "a", "base64": "é"}]
)
def test_a_file_without_content_is_refused_before_anything_is_sent(file: JsonValue) -> None:
    with pytest.raises(ToolArgumentsInvalid, match="Nothing was sent"):
        Body("body", "application/pdf").encode(file)


def test_json_comes_first_and_what_is_unknown_last() -> None:
    types = [
        "image/png",
        "text/plain",
        "multipart/form-data",
        "application/hal+json",
        "application/json; charset=utf-8",
    ]
    assert sorted(types, key=media_rank) == types[::-1]
