from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from agentkit.secrets.secret_patterns import secret_pattern

SECRET = 's3cr/t+key "x"\\&é'


def _matches(secret: str, text: str) -> bool:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return bool(re2.compile(secret_pattern(secret), options).search(text.encode()))


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        json.dumps(SECRET),
        json.dumps(json.dumps(SECRET)),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
        SECRET.encode().hex(),
        SECRET.encode().hex(":").upper(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(b"a" + SECRET.encode()).decode(),
        base64.encodebytes(b"user:" + SECRET.encode() * 3).decode(),
    ],
    ids=[
        "as it is",
        "url",
        "url whole",
        "json",
        "json twice",
        "json utf-8",
        "python",
        "hex",
        "hex:",
        "64",
        "64url",
        "lines",
    ],
)
def test_a_secret_is_found_in_every_usual_encoding(text: str) -> None:
    assert _matches(SECRET, f"before {text} after")


def test_each_long_line_of_a_secret_is_found_alone() -> None:
    key = "-----BEGIN KEY-----\n" + "A" * 64 + "\n" + "B" * 64 + "\n-----END KEY-----"
    assert _matches(key, f"line: {'B' * 64}")
    assert not _matches(key, "-----BEGIN KEY-----")


@given(st.text(min_size=8), st.binary(max_size=4))
def test_a_secret_is_found_in_base64_whatever_stands_before_it(secret: str, before: bytes) -> None:
    encoded = base64.b64encode(before + secret.encode("utf-8", "surrogatepass")).decode()
    assert _matches(secret, encoded)
