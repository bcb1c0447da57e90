"""The tool ``http_request``: any HTTP request, with secrets in its headers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Literal

from agentkit.errors import ToolArgumentsInvalid, ToolError
from agentkit.interfaces import HttpClient, HttpReply, HttpRequest, Secrets, Tool, ToolContext
from agentkit.tools.function_tool import tool

__all__ = ["http_request_tool"]

_MAX_BYTES = 1_000_000
_MAX_CHARS = 20_000
"""The most characters of a body in a result."""
_TIMEOUT_S = 55.0
"""Less than the tool's own timeout, so that the model reads which server was slow."""
_SECRET = re.compile(r"\{secret:([A-Za-z][A-Za-z0-9_-]*)\}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_REFUSED_HEADERS = frozenset({"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"})
_SHOWN_HEADERS = ("location", "etag", "last-modified", "link", "retry-after", "allow", "www-authenticate")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def http_request_tool(client: HttpClient | None, secrets: Secrets) -> Tool:
    """Return the tool; without a client, it has a spec, but its calls fail."""

    @tool(effect="irreversible", timeout="60s")
    async def http_request(
        method: Method,
        url: str,
        context: ToolContext,
        headers: dict[str, str] | None = None,
        body: str | None = None,
        json_body: dict[str, Any] | list[Any] | None = None,
    ) -> str:
        """Send an HTTP request to a public server, and return the response: status, main headers and text.

        Secrets that the operator has set up can be used in headers by their names, such as
        "Authorization": "Bearer {secret:github}". To read a web page, http_fetch is better.

        Args:
            method: Of the request.
            url: Absolute, with http:// or https://.
            headers: By name.
            body: Text of the request's body.
            json_body: Sent as JSON, instead of a body.
        """
        if client is None:
            raise ToolError("Nothing can be requested in this process. A worker can: give the task to one.")
        if body is not None and json_body is not None:
            raise ToolArgumentsInvalid("Give either body or json_body, not both. Nothing was sent.")
        if _SECRET.search(f"{url}{body}{json.dumps(json_body)}"):
            raise ToolArgumentsInvalid("Secrets are for headers only, not for the URL or body. Nothing was sent.")
        plain, secret = _split_headers(headers or {}, url, secrets)
        names = {name.lower() for name in (*plain, *secret)}
        if method not in _SAFE_METHODS and "idempotency-key" not in names:
            plain["Idempotency-Key"] = context.idempotency_key
        content = body if json_body is None else json.dumps(json_body)
        if json_body is not None and "content-type" not in names:
            plain["Content-Type"] = "application/json"
        request = HttpRequest(method, url, plain, secret, body=None if content is None else content.encode())
        return _format(await client.send(request, max_bytes=_MAX_BYTES, timeout_s=_TIMEOUT_S))

    return http_request


def _split_headers(headers: Mapping[str, str], url: str, secrets: Secrets) -> tuple[dict[str, str], Mapping[str, str]]:
    """Return the headers without secrets, and those with secrets in place of their names."""
    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    for name, value in headers.items():
        if (
            not _HEADER_NAME.fullmatch(name)
            or not (value.isascii() and value.isprintable())
            or name.lower() in _REFUSED_HEADERS
        ):
            raise ToolArgumentsInvalid(f"Header {name!r} can't be set, or not to this value. Nothing was sent.")
        if _SECRET.search(value):
            secret[name] = _SECRET.sub(lambda match: secrets.value_for(match[1], url), value)
        else:
            plain[name] = value
    return plain, secret


def _format(reply: HttpReply) -> str:
    try:
        status = f"{reply.status} {HTTPStatus(reply.status).phrase}"
    except ValueError:
        status = str(reply.status)
    head = [f"[{status}, {reply.media_type or 'no content type'}, {reply.size} bytes, {reply.url}]"]
    head += [f"{name}: {reply.headers[name]}" for name in _SHOWN_HEADERS if name in reply.headers]
    if reply.text is None:
        return "\n".join([*head, "(The body is not text.)"]) if reply.size else "\n".join(head)
    if len(reply.text) > _MAX_CHARS or reply.truncated:
        head.append(f"(Only the first {min(len(reply.text), _MAX_CHARS)} characters of the body are shown.)")
    return "\n".join(head) + f"\n\n{reply.text[:_MAX_CHARS]}"
