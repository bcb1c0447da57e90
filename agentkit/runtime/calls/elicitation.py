"""Elicitation of MCP servers: which forms and pages are shown to people, and which answers fit the protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from pydantic import JsonValue

from agentkit.errors import ConfigurationInvalid, OpspawnError
from agentkit.interfaces import ClientInputRequest
from agentkit.json_text import check_strict_json, is_deeper_than
from agentkit.records import Record
from agentkit.schemas.schema_rules import check_schema

__all__ = ["Elicitation", "ElicitationInvalid", "check_client_request", "fits_protocol", "read_elicitation"]

_MAX_FORM_BYTES = 32_000
_MAX_URL_CHARS = 2_000
_MAX_REQUEST_BYTES = 4 * 1024 * 1024
_MAX_DEPTH = 64


class ElicitationInvalid(OpspawnError):
    """A server's question can't be shown to a person; the message is for the server."""


class Elicitation(Record):
    """What a server asks a person: to fill in a form, or to open a page."""

    message: str
    """The server's own text."""
    form: dict[str, JsonValue] | None = None
    """JSON Schema of the answer, an object."""
    url: str | None = None
    """Of the page, where there is no form."""


def read_elicitation(params: Mapping[str, JsonValue]) -> Elicitation:
    """Return the parameters of ``elicitation/create``.

    Raises:
        ElicitationInvalid: the form is no schema of an object or too large, or the page is none of the web.
    """
    message = str(params.get("message") or "")
    if params.get("mode") == "url":
        return Elicitation(message=message, url=_url(params.get("url")))
    form = params.get("requestedSchema")
    if not isinstance(form, dict) or form.get("type", "object") != "object":
        raise ElicitationInvalid('The form must be a JSON Schema of "type": "object".')
    if is_deeper_than(form, _MAX_DEPTH) or len(json.dumps(form)) > _MAX_FORM_BYTES:
        raise ElicitationInvalid(f"The form must be a JSON Schema of {_MAX_FORM_BYTES:,} bytes at most.")
    return Elicitation(message=message, form={**form, "type": "object"})


def _url(url: JsonValue) -> str:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        is_of_web = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_of_web = False
    if not isinstance(url, str) or not is_of_web or not url.isprintable() or " " in url or len(url) > _MAX_URL_CHARS:
        raise ElicitationInvalid(f"The page must have an http or https URL of {_MAX_URL_CHARS:,} characters at most.")
    return url


def check_client_request(request: ClientInputRequest) -> None:
    """Check what a server asks, where it enters: in a worker, for it takes up to a second.

    Raises:
        ElicitationInvalid: it is too large, no JSON that can be stored, or a form that can't be evaluated.
    """
    if is_deeper_than(request.params, _MAX_DEPTH):
        raise ElicitationInvalid(f"The request is nested too deeply: {_MAX_DEPTH} levels at most.")
    try:
        check_strict_json(request.params)
    except ValueError:
        raise ElicitationInvalid("The request has text that isn't Unicode, or a number that JSON has not.") from None
    if len(request.canonical_json()) > _MAX_REQUEST_BYTES:
        raise ElicitationInvalid(f"The request is too large: {_MAX_REQUEST_BYTES:,} bytes at most.")
    if request.method != "elicitation/create":
        return
    form = read_elicitation(request.params).form
    try:
        check_schema(form or {})
    except ConfigurationInvalid as error:
        raise ElicitationInvalid(f"The form can't be used: {error}") from None


def fits_protocol(content: JsonValue) -> bool:
    """Return whether an answer is what the protocol takes: texts, numbers, booleans and lists of texts by name."""
    return isinstance(content, dict) and all(map(_is_field, content.values()))


def _is_field(value: JsonValue) -> bool:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return not isinstance(value, dict)
