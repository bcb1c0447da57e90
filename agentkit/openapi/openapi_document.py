"""An OpenAPI document of version 3.0 or 3.1: checked, and with its references resolved where they stand."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from pydantic import JsonValue, ValidationError

from agentkit.validation.validation_messages import ValidationIssue, validation_issues

__all__ = ["Node", "OpenApiDocument", "OpenApiIssue", "plain_json", "validate_document"]

Node = Mapping[str, JsonValue]
_MAX_NODES = 500_000
"""Objects, lists and values of a document; aliases of YAML can multiply them without an end."""
_MAX_REFERENCES = 20
"""The most references that lead to one another."""


class OpenApiIssue(Exception):
    """What is wrong at a place of a document."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        super().__init__(message)
        self.path = path
        """Keys and list positions from the document's root."""
        self.message = message


@dataclass(frozen=True)
class OpenApiDocument:
    """A document that is valid."""

    root: Node
    is_v30: bool
    """Whether it is of version 3.0, whose schemas differ from JSON Schema."""

    @property
    def security_schemes(self) -> Node:
        """The security schemes by name."""
        components = self.root.get("components")
        schemes = components.get("securitySchemes") if isinstance(components, dict) else None
        return schemes if isinstance(schemes, dict) else {}

    def resolve(self, node: JsonValue, path: tuple[str | int, ...]) -> Node:
        """Return the object at a place; of a reference, the object that it leads to.

        Raises:
            OpenApiIssue: the reference leads nowhere, or to another document.
        """
        for _ in range(_MAX_REFERENCES):
            if not isinstance(node, Mapping):
                break
            reference = node.get("$ref")
            if not isinstance(reference, str):
                return node
            node = self.lookup(reference, path)
        raise OpenApiIssue(path, "expected an object, or a reference to one")

    def lookup(self, reference: str, path: tuple[str | int, ...]) -> JsonValue:
        """Return the value that a reference such as ``#/components/schemas/Pet`` names; it stands at ``path``.

        Raises:
            OpenApiIssue: it leads nowhere, or to another document.
        """
        if not reference.startswith("#"):
            message = f"reference {reference!r} leads to another document. Bundle the documents into one"
            raise OpenApiIssue((*path, "$ref"), message)
        value: JsonValue = dict(self.root)
        for part in filter(None, unquote(reference[1:]).split("/")):
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            elif isinstance(value, dict) and key in value:
                value = value[key]
            else:
                raise OpenApiIssue((*path, "$ref"), f"reference {reference!r} leads nowhere")
        return value


def validate_document(data: Mapping[str, object]) -> OpenApiDocument | list[ValidationIssue]:
    """Return the document, or what is wrong with it."""
    version = str(data.get("openapi", ""))
    if not version.startswith(("3.0", "3.1")):
        found = f"got {version!r}" if version else "which is missing"
        if "swagger" in data:
            found = f"got Swagger {data['swagger']}; convert the document"
        return [ValidationIssue(("openapi",), f"expected version 3.0 or 3.1, {found}")]
    try:
        root = plain_json(data)
    except ValueError as error:
        return [ValidationIssue((), str(error))]
    is_v30 = version.startswith("3.0")
    from openapi_pydantic.v3 import v3_0, v3_1  # takes half a second, which an app without documents need not wait for

    try:
        (v3_0 if is_v30 else v3_1).OpenAPI.model_validate(root)
    except ValidationError as error:
        issues = validation_issues(error, root)
        # What is no valid parameter is no reference either: that it lacks "$ref" helps nobody.
        return [
            issue for issue in issues if not (issue.path[-1:] == ("$ref",) and issue.error_type == "missing")
        ] or issues
    return OpenApiDocument(root, is_v30)


def plain_json(data: Mapping[str, object]) -> dict[str, JsonValue]:
    """Return YAML's data as JSON: keys such as the status ``200`` and dates are text.

    Raises:
        ValueError: it is too large or too deep, or has other values.
    """
    remaining = _MAX_NODES

    def convert(value: object) -> JsonValue:
        nonlocal remaining
        remaining -= 1
        if remaining < 0:
            raise ValueError(f"too large: {_MAX_NODES:,} values at most")
        if isinstance(value, Mapping):
            return {_key(key): convert(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [convert(item) for item in value]
        if value is None or isinstance(value, str | int | float):
            return value
        if isinstance(value, datetime.date):
            return value.isoformat()
        raise ValueError(f"expected JSON values, got {type(value).__name__}")

    try:
        return {_key(key): convert(value) for key, value in data.items()}
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _key(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)
