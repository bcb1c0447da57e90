"""Requests and event streams of one API, and their errors."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agentkit.client import ApiUnreachable, RequestRefused, Task, TaskEvent, TaskList
from agentkit.client.api_connection import ApiConnection
from agentkit.errors import ConfigurationInvalid
from tests.reserved_ports import refusing_port
from tests.unit.scripted_api import EVENTS, ScriptedApi, ScriptedResponse, problem, stream, task

EVENTS_PATH = "/tasks/task-1/events"


@pytest.fixture
async def connection(api: ScriptedApi) -> AsyncIterator[ApiConnection]:
    connection = ApiConnection(api.url)
    yield connection
    await connection.aclose()


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://", "", "http://host:port"])
def test_an_invalid_address_is_refused_before_any_request(url: str) -> None:
    with pytest.raises(ConfigurationInvalid, match=r"xpected an address such as http://127\.0\.0\.1:8000"):
        ApiConnection(url)


async def test_a_response_is_parsed_and_kept_as_received(api: ScriptedApi, connection: ApiConnection) -> None:
    api.on("GET", "/tasks/task-1", task(more=[1]))

    received = await connection.get(Task, "/tasks/task-1", params={"wait": "5"})

    assert (received.id, received.raw["more"]) == ("task-1", [1])
    assert api.requests[0].path == "/api/v1/tasks/task-1?wait=5"


async def test_a_body_and_headers_are_posted(api: ScriptedApi, connection: ApiConnection) -> None:
    api.on("POST", "/tasks", ScriptedResponse(201, task()))

    await connection.post(Task, "/tasks", {"agent": "assistant"}, headers={"Idempotency-Key": "k"})

    assert api.requests[0].body == {"agent": "assistant"}
    assert api.requests[0].headers["idempotency-key"] == "k"


async def test_a_request_whose_connection_broke_may_have_arrived(api: ScriptedApi, connection: ApiConnection) -> None:
    api.on("POST", "/tasks", ScriptedResponse(0, None))

    with pytest.raises(ApiUnreachable) as raised:
        await connection.post(Task, "/tasks")

    assert (raised.value.temporary, raised.value.may_have_arrived) == (True, True)


async def test_a_request_that_could_not_be_sent_has_not_arrived() -> None:
    with refusing_port() as port:
        connection = ApiConnection(f"http://127.0.0.1:{port}")
        with pytest.raises(ApiUnreachable, match=f"Can't reach the API at http://127.0.0.1:{port}") as raised:
            await connection.post(Task, "/tasks")
        await connection.aclose()

    assert (raised.value.temporary, raised.value.may_have_arrived) == (True, False)


async def test_a_response_of_another_shape_is_not_the_api(api: ScriptedApi, connection: ApiConnection) -> None:
    api.on("GET", "/tasks", {"tasks": "many"})

    with pytest.raises(ApiUnreachable, match="not as Opspawn's API does"):
        await connection.get(TaskList, "/tasks")


async def test_durable_events_have_positions_and_live_ones_have_none(
    api: ScriptedApi, connection: ApiConnection
) -> None:
    api.on("GET", EVENTS_PATH, stream(*EVENTS))

    async with connection.stream_events(EVENTS_PATH, "p0") as events:
        assert events is not None
        received = [event async for event in events]

    assert [event.position for event in received] == [each.get("id") for each in EVENTS]
    assert api.requests[0].headers["last-event-id"] == "p0"


async def test_a_stream_without_further_events_is_none(api: ScriptedApi, connection: ApiConnection) -> None:
    api.on("GET", EVENTS_PATH, ScriptedResponse(204, ""))

    async with connection.stream_events(EVENTS_PATH, "p10") as events:
        assert events is None


async def read_all(connection: ApiConnection, received: list[TaskEvent]) -> None:
    async with connection.stream_events(EVENTS_PATH, None) as events:
        assert events is not None
        async for event in events:
            received += [event]


async def test_a_refused_stream_raises_the_problem(api: ScriptedApi, connection: ApiConnection) -> None:
    api.on("GET", EVENTS_PATH, problem(404, "Task not found", "There is no task 'task-1'."))

    with pytest.raises(RequestRefused, match="There is no task 'task-1'") as raised:
        await read_all(connection, [])

    assert raised.value.status == 404


async def test_a_stream_that_breaks_is_unreachable_after_its_events(
    api: ScriptedApi, connection: ApiConnection
) -> None:
    api.on("GET", EVENTS_PATH, stream(*EVENTS[:2], cut=True))
    received: list[TaskEvent] = []

    with pytest.raises(ApiUnreachable):
        await read_all(connection, received)

    assert len(received) == 2


async def test_a_key_is_sent_with_every_request_and_is_in_no_repr(api: ScriptedApi) -> None:
    api.on("GET", "/tasks/task-1", task())
    connection = ApiConnection(api.url, "opspawn_12345678_secret")
    await connection.get(Task, "/tasks/task-1")
    await connection.aclose()
    assert api.requests[-1].headers["authorization"] == "Bearer opspawn_12345678_secret"
    assert "secret" not in repr(vars(connection))


@pytest.mark.parametrize("key", ["a b", "line\nend", "schlüssel", " "])
def test_a_key_that_is_no_header_is_refused(key: str) -> None:
    with pytest.raises(ConfigurationInvalid, match="The API key has spaces"):
        ApiConnection("http://127.0.0.1:8000", key)


async def test_too_many_requests_are_temporary(api: ScriptedApi, connection: ApiConnection) -> None:
    api.on("GET", "/tasks/task-1", problem(429, "Too many requests", "Wait 1 s.", kind="requests-limited"))
    with pytest.raises(ApiUnreachable, match="Wait 1 s") as raised:
        await connection.get(Task, "/tasks/task-1")
    assert raised.value.temporary
