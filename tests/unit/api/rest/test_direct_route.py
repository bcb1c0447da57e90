from __future__ import annotations

from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from starlette.types import Message

from agentkit.principal import Principal
from api.current_principal import acting_as
from api.rest.access.route_roles import OPERATOR, VIEWER
from api.rest.direct_route import DirectRoute
from api.rest.problems import install_problems
from api.rest.request_bodies import JSONRoute
from api.tasks.requests.request_validation import ServiceRequest
from tests.unit.api.rest.http_problems import JSON_HEADERS

VIEWER_ONLY = Principal(subject="ada", tenant="default", roles=frozenset({"viewer"}))


class Greeting(ServiceRequest):
    """A body."""

    text: str
    times: int = 1


class DirectJSONRoute(JSONRoute, DirectRoute):
    """The route under test, as tasks have it."""


async def greet(request: Request, body: Greeting, greeting_key: Annotated[str | None, Header()] = None) -> Response:
    return Response(f"{request.method} {body!r} {greeting_key!r}", 201)


async def with_query(request: Request, body: Greeting, limit: int) -> Response:
    return Response(f"{request.method} {body!r} {limit}")


async def without_body(request: Request) -> Response:
    return Response(request.method)


@pytest.fixture
def app() -> FastAPI:
    """The same endpoint twice: called directly, and by FastAPI."""
    app, router = FastAPI(), APIRouter(dependencies=[VIEWER])
    for path, kind in (("/direct", DirectJSONRoute), ("/solved", JSONRoute)):
        router.add_api_route(path, greet, methods=["POST"], dependencies=[OPERATOR], route_class_override=kind)
    app.include_router(router)
    install_problems(app)
    return app


async def responses(app: FastAPI, principal: Principal | None, **request: Any) -> list[tuple[int, str, bytes]]:
    """Send a request to both; return statuses, content types and bodies."""
    both = []
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost") as http:
        for path in ("/direct", "/solved"):
            if principal is None:
                response = await http.post(path, **request)
            else:
                with acting_as(principal):
                    response = await http.post(path, **request)
            both.append((response.status_code, response.headers.get("content-type", ""), response.content))
    return both


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b'{"text": "hi"}', {}, 201),
        (b'{"text": "hi", "times": 2}', {"Greeting-Key": "k"}, 201),
        (b'{"text": "hi", "times": "2"}', {}, 201),
        (b'{"text": "hi"', {}, 400),
        (b'{"text": NaN}', {}, 400),
        (b"\xff", {}, 400),
        (b"", {}, 422),
        (b"null", {}, 422),
        (b'["text"]', {}, 422),
        (b"{}", {}, 422),
        (b'{"text": 1, "times": "x", "more": 1}', {}, 422),
        (b'{"text": "hi"}', {"Content-Type": "text/plain"}, 415),
        (b'{"text": "hi"}', {"Content-Encoding": "gzip"}, 415),
    ],
)
async def test_a_request_gets_the_response_that_it_gets_from_fastapi(
    app: FastAPI, content: bytes, headers: dict[str, str], status: int
) -> None:
    direct, solved = await responses(app, None, content=content, headers={**JSON_HEADERS, **headers})
    assert direct == solved
    assert direct[0] == status


@pytest.mark.parametrize(("content", "status"), [(b'{"text": "hi"}', 403), (b"{}", 403), (b"{", 400)])
async def test_roles_are_checked_after_the_syntax_and_before_the_fields(
    app: FastAPI, content: bytes, status: int
) -> None:
    direct, solved = await responses(app, VIEWER_ONLY, content=content, headers=JSON_HEADERS)
    assert direct == solved
    assert direct[0] == status


async def test_a_client_that_leaves_while_it_sends_the_body_is_no_error_of_ours(app: FastAPI) -> None:
    statuses = []
    for path in ("/direct", "/solved"):
        messages: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}]

        async def receive(messages: list[Message] = messages) -> Message:
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            statuses.append(message.get("status"))

        await app(
            {
                "type": "http",
                "method": "POST",
                "path": path,
                "query_string": b"",
                "headers": [(b"content-type", b"application/json")],
            },
            receive,
            send,
        )
    assert statuses == [400, None, 400, None]


async def allow() -> None:
    """A dependency that is no role."""


@pytest.mark.parametrize(
    ("endpoint", "dependencies"),
    [(with_query, [VIEWER]), (without_body, [VIEWER]), (greet, [Depends(allow)])],
    ids=["query", "no-body", "dependency"],
)
def test_an_endpoint_that_needs_fastapi_is_refused(endpoint: Any, dependencies: list[Any]) -> None:
    with pytest.raises(TypeError, match="needs FastAPI"):
        DirectRoute("/", endpoint, methods=["POST"], dependencies=dependencies)
