"""Of several ways to authenticate, the first counts whose secrets are named."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from agentkit.openapi.openapi_document import OpenApiDocument
from agentkit.openapi.openapi_security import security_options

SCHEMES: JsonValue = {
    "key": {"type": "apiKey", "in": "query", "name": "k"},
    "login": {"type": "http", "scheme": "Basic"},
    "token": {"type": "http", "scheme": "bearer"},
}


@pytest.mark.parametrize(
    ("required", "secrets", "expected"),
    [
        ([{"key": []}, {"token": []}], {"token": "t"}, [("token", "bearer", "t")]),
        ([{}, {"token": []}], {"token": "t"}, [("token", "bearer", "t")]),
        ([{}, {"token": []}], {}, []),
        ([{"key": [], "login": []}], {"key": "k", "login": "l"}, [("key", "query", "k"), ("login", "basic", "l")]),
        ([{"key": [], "login": []}, {"token": []}], {"key": "k"}, [("key", "query", "k"), ("login", "basic", None)]),
    ],
    ids=["the named one", "one before none", "none if none is named", "two together", "nothing is named"],
)
def test_the_preferred_option(
    required: JsonValue, secrets: dict[str, str], expected: list[tuple[str, str, str | None]]
) -> None:
    document = OpenApiDocument({"components": {"securitySchemes": SCHEMES}}, is_v30=False)
    options = security_options(document, {"security": required}, secrets, ())
    assert [(scheme.name, scheme.kind, scheme.secret) for scheme in options[0]] == expected


def test_an_operation_may_do_without_what_the_document_requires() -> None:
    document = OpenApiDocument({"security": [{"key": []}], "components": {"securitySchemes": SCHEMES}}, is_v30=False)
    assert security_options(document, {"security": []}, {"key": "k"}, ()) == ()
    assert len(security_options(document, {}, {"key": "k"}, ())) == 1
