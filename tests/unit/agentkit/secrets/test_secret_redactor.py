"""Secrets are replaced in texts and values, in every usual encoding."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from agentkit.secrets import SecretRedactor

SECRETS = {
    "plain": "ghp_0123456789abcdefABCDEF",
    "special": "p@ss/w\"o\\r?d+é 🔑&<'x'>=\t1",
    "lines": "-----BEGIN KEY-----\n" + "\n".join(f"{index}" * 40 for index in range(1, 4)) + "\n-----END KEY-----",
}


def in_basic_auth(secret: str) -> str:
    return "Basic " + base64.b64encode(b"user:" + secret.encode()).decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "base64, shifted by one byte": lambda secret: base64.b64encode(b"x" + secret.encode() + b"yz").decode(),
    "base64, shifted by two bytes": lambda secret: base64.b64encode(b"xy" + secret.encode() + b"z").decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(secret.encode() + b"?>").decode(),
    "base64 with line breaks": lambda secret: base64.encodebytes(b"a" * 50 + secret.encode()).decode(),
    "base64 with line breaks, as JSON": lambda secret: json.dumps(base64.encodebytes(secret.encode() * 3).decode()),
    "base64, percent-encoded": lambda secret: quote(base64.b64encode(secret.encode()), safe=""),
    "basic authentication": in_basic_auth,
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "percent-encoded in lower case": lambda secret: (
        quote(secret, safe="/").lower() if secret.islower() else quote(secret)
    ),
    "percent-encoded with plus": quote_plus,
    "each byte percent-encoded": lambda secret: "".join(f"%{byte:02x}" for byte in secret.encode()),
    "a form": lambda secret: urlencode({"key": secret}),
    "hex": lambda secret: secret.encode().hex(),
    "hex in capitals": lambda secret: secret.encode().hex().upper(),
    "hex with colons": lambda secret: secret.encode().hex(":"),
    "JSON": json.dumps,
    "JSON with all characters": lambda secret: json.dumps(secret, ensure_ascii=False),
    "JSON in JSON": lambda secret: json.dumps({"body": json.dumps({"key": secret})}),
    "JSON with escaped slashes": lambda secret: json.dumps(secret).replace("/", "\\/"),
    "Python": repr,
    "Python bytes": lambda secret: repr(secret.encode()),
    "HTML": html.escape,
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
@pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
def test_a_secret_is_replaced_in_every_encoding(encoding: Callable[[str], str], secret: str) -> None:
    encoded = encoding(secret)
    redacted = SecretRedactor({"key": (secret,)}).redact_text(f"before {encoded} after")
    assert "[secret:key]" in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")
    # Of base64 a few characters are left at both ends: they hold less than a byte of the secret.
    longest = max(len(part) for part in redacted.replace("before ", "").replace(" after", "").split("[secret:key]"))
    assert longest <= 75, redacted  # what the encodings put around the secret themselves


@given(st.text(min_size=8, max_size=40), st.text(max_size=20), st.sampled_from(sorted(ENCODINGS)))
def test_any_secret_is_replaced_whatever_is_around_it(secret: str, around: str, encoding: str) -> None:
    encoded = ENCODINGS[encoding](secret)
    assert "[secret:k]" in SecretRedactor({"k": (secret,)}).redact_text(f"{around}{encoded}{around}")


def test_each_line_of_a_key_counts_as_a_secret() -> None:
    redactor = SecretRedactor({"key": (SECRETS["lines"],)})
    assert redactor.redact_text(f"ERROR {'2' * 40} is wrong") == "ERROR [secret:key] is wrong"
    assert redactor.redact_text("-----BEGIN KEY-----") == "-----BEGIN KEY-----"


def test_values_keep_their_shape_and_lose_their_secrets() -> None:
    redactor = SecretRedactor({"token": ("hunter2hunter2",), "pin": ("1234567890",)})
    value: JsonValue = {
        "hunter2hunter2": ["x hunter2hunter2 y", 1234567890, 12, None, True, 1.5],
        "nested": {"a": [{"b": "1234567890"}]},
    }
    assert redactor.redact_value(value) == {
        "[secret:token]": ["x [secret:token] y", "[secret:pin]", 12, None, True, 1.5],
        "nested": {"a": [{"b": "[secret:pin]"}]},
    }


def test_files_are_redacted_byte_by_byte() -> None:
    redactor = SecretRedactor({"key": ("pässwörter",)})
    assert redactor.redact_bytes(b"\xff\x00p\xc3\xa4ssw\xc3\xb6rter\xff") == b"\xff\x00[secret:key]\xff"
    data = b"\xff\x00"
    assert redactor.redact_bytes(data) is data


def test_a_value_without_secrets_is_returned_as_it_is() -> None:
    value: JsonValue = {"a": ["text", 1], "lone surrogate": "\ud800"}
    redactor = SecretRedactor({"token": ("hunter2hunter2",)})
    assert redactor.redact_value(value) is value
    assert redactor.redact_text("\ud800hunter2hunter2\udfff") == "\ud800[secret:token]\udfff"


def test_a_deeply_nested_value_is_redacted_as_text() -> None:
    value: JsonValue = "hunter2hunter2"
    for _ in range(150):
        value = [value]
    redacted = SecretRedactor({"token": ("hunter2hunter2",)}).redact_value(value)
    assert isinstance(redacted, str)
    assert "[secret:token]" in redacted
    assert "hunter2" not in redacted


def test_many_long_secrets_are_replaced() -> None:
    secrets = {f"key{index}": (base64.b64encode(bytes([index, 7]) * 1_500).decode(),) for index in range(6)}
    redactor = SecretRedactor(secrets)
    for name, (secret,) in secrets.items():
        assert redactor.redact_text(f"<{secret}>") == f"<[secret:{name}]>"
