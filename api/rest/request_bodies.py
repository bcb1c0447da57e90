"""Read request bodies strictly: JSON only, finite numbers only, up to a number of bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Coroutine, Mapping
from email.message import Message as Header
from functools import lru_cache
from typing import Any, NoReturn

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agentkit.json_text import MAX_JSON_DEPTH, is_deeper_than

__all__ = ["BodyLimitMiddleware", "BodyNotJSON", "JSONRoute", "is_json"]

_TOO_DEEP = f"The body is nested too deeply: {MAX_JSON_DEPTH} levels are the most that is taken"


class BodyNotJSON(HTTPException):
    """The body isn't JSON, or JSON that other parsers may not read."""

    def __init__(self, detail: str) -> None:
        super().__init__(400, detail)


class JSONRoute(APIRoute):
    """A route whose body, if it has one, is JSON of ``Content-Type: application/json``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, which reads the body strictly."""
        handle = super().get_route_handler()
        has_body = self.body_field is not None

        async def read_strictly(request: Request) -> Response:
            if has_body and not is_json(request.headers.get("content-type", "")):
                raise HTTPException(415, "Send JSON, with the header Content-Type: application/json")
            if has_body and request.headers.get("content-encoding", "identity").lower() != "identity":
                raise HTTPException(415, "Send the body as it is, without Content-Encoding")
            return await handle(_StrictRequest(request.scope, request.receive))

        return read_strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        body = await self.body()
        try:
            value = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite_float, parse_int=_integer)
            if rb"\ud" in body.lower():
                json.dumps(value, ensure_ascii=False).encode()
        except UnicodeDecodeError:
            raise BodyNotJSON("The body isn't JSON: it isn't UTF-8") from None
        except UnicodeEncodeError:
            raise BodyNotJSON("The body holds half a surrogate pair, such as \\ud800, which is no text") from None
        except RecursionError:
            raise BodyNotJSON(_TOO_DEEP) from None
        if body.count(b"[") + body.count(b"{") > MAX_JSON_DEPTH and is_deeper_than(value, MAX_JSON_DEPTH):
            raise BodyNotJSON(_TOO_DEEP)
        return value


class BodyLimitMiddleware:
    """Refuses request bodies over a size with 413, before all of them is read.

    Not FastAPI's ``max_body_size``: where Content-Length announces too much, Starlette replaces every response, and so
    the problem document, by one in plain text.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, larger: Mapping[str, int] | None = None) -> None:
        """Refuse bodies over ``max_bytes``; ``larger`` has the limits of paths that take more."""
        self._app = app
        self._max_bytes = max_bytes
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the bytes as the application receives them."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        size, max_bytes = 0, self._larger.get(scope["path"], self._max_bytes)
        content_length = Headers(scope=scope).get("content-length", "")
        announced = int(content_length) if content_length.isdecimal() else 0

        async def receive_counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if max(size, announced) > max_bytes:
                raise HTTPException(413, f"The body is larger than {max_bytes} bytes, the most that is taken")
            return message

        await self._app(scope, receive_counted, send)


@lru_cache(maxsize=64)
def is_json(content_type: str) -> bool:
    """Return whether a ``Content-Type`` is JSON's, or one of the kind ``application/...+json``."""
    header = Header()
    header["content-type"] = content_type
    kind = header.get_content_subtype()
    return header.get_content_maintype() == "application" and (kind == "json" or kind.endswith("+json"))


def _refuse_constant(name: str) -> NoReturn:
    raise BodyNotJSON(f"The body isn't JSON: {name} is no number in JSON")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # more digits than Python converts
        raise BodyNotJSON(f"The number {text[:40]}... is too long: it has {len(text):,} characters") from None


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise BodyNotJSON(f"The number {text[:40]} is too large")
    return number
