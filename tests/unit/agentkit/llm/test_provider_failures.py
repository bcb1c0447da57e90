"""How every provider's model fails: the same causes give the same errors, within the same time, without the key."""

from __future__ import annotations

import asyncio
import time
import traceback
from contextlib import aclosing
from dataclasses import replace
from email.utils import formatdate

import pytest

from agentkit.errors import (
    ContextTooLong,
    ModelError,
    ModelNotAuthorized,
    ModelOutputInvalid,
    ModelRequestRejected,
    ModelUnavailable,
)
from agentkit.llm.shared.streaming_model import ModelOptions
from agentkit.llm.shared.streams.response_timeouts import ResponseTimeouts
from agentkit.messages import Message, ToolCall, ToolResult
from agentkit.specs import ModelSettings
from agentkit.testing import (
    RawResponse,
    ServerFailure,
    ServerResponse,
    ServerScriptEntry,
)
from tests.unit.agentkit.llm.providers import PROVIDERS, Provider

KEY = "sk-test-0123456789abcdef"
LONG = "word " * 40
STREAM = "text/event-stream"
JSON = "application/json"

every_provider = pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)


async def _failure(provider: Provider, entry: ServerScriptEntry, *, key: str = KEY) -> ModelError:
    """Return the error of a single request."""
    async with provider.server([entry]) as server:
        async with aclosing(provider.model(api_key=key, base_url=server.url)) as model:
            with pytest.raises(ModelError) as caught:
                await model.respond(provider.request)
        assert server.request_count == 1, "only Temporal retries"
        return caught.value


@every_provider
@pytest.mark.parametrize(
    "entry",
    [
        *(pytest.param(ServerFailure(status=status), id=str(status)) for status in (408, 409, 429, 500, 503, 504, 529)),
        pytest.param(ServerResponse(text=LONG, fault="cut"), id="stream that ends in the middle"),
        pytest.param(ServerResponse(text=LONG, fault="cut", fault_after=0), id="stream without events"),
        pytest.param(ServerResponse(text=LONG, fault="drop"), id="lost connection"),
        pytest.param(ServerResponse(text=LONG, fault="garbage"), id="event that is no JSON"),
        pytest.param(ServerResponse(text=LONG, fault="error"), id="error in the stream"),
        pytest.param(RawResponse(body="data: null\n\n", content_type=STREAM), id="null event"),
        pytest.param(RawResponse(body="data: [1]\n\n", content_type=STREAM), id="event that is a list"),
        pytest.param(
            RawResponse(body="data: " + "[" * 100_000 + "\n\n", content_type=STREAM), id="deeply nested event"
        ),
        pytest.param(RawResponse(body="<html>Hello</html>"), id="web page"),
        pytest.param(RawResponse(body="", content_type=STREAM), id="empty stream"),
        pytest.param(RawResponse(body="", content_type=JSON), id="empty body"),
        pytest.param(RawResponse(body="{", content_type=JSON), id="incomplete JSON"),
        pytest.param(RawResponse(body="[]", content_type=JSON), id="JSON list"),
        pytest.param(RawResponse(body="null", content_type=JSON), id="JSON null"),
    ],
)
async def test_a_failure_that_may_pass_is_worth_a_retry(provider: Provider, entry: ServerScriptEntry) -> None:
    assert type(await _failure(provider, entry)) is ModelUnavailable


@every_provider
async def test_a_request_of_more_characters_than_any_provider_takes_is_not_sent(provider: Provider) -> None:
    text = "x" * 1_048_576
    call = ToolCall(id="c1", name="look", arguments={"text": [text]})
    result = ToolResult(call_id="c1", name="look", content=text)
    turn = (Message(role="assistant", parts=(call,)), Message(role="tool", parts=(result,)))
    request = replace(provider.request, messages=(*provider.request.messages, *turn * 33))
    async with provider.server([]) as server, aclosing(provider.model(api_key=KEY, base_url=server.url)) as model:
        with pytest.raises(ContextTooLong, match="more than 67,108,864 characters"):
            await model.respond(request)
    assert server.request_count == 0


@every_provider
async def test_a_date_to_wait_for_is_by_the_providers_clock(provider: Provider) -> None:
    sent = time.time() + 3_600
    headers = {"date": formatdate(sent, usegmt=True), "retry-after": formatdate(sent + 20, usegmt=True)}
    error = await _failure(provider, ServerFailure(status=429, headers=headers))
    assert isinstance(error, ModelUnavailable)
    assert error.retry_after == 20


@every_provider
@pytest.mark.parametrize(
    ("entry", "expected", "text"),
    [
        pytest.param(
            ServerFailure(status=400, message="No such field"), ModelRequestRejected, "No such field", id="400"
        ),
        pytest.param(ServerFailure(status=402), ModelRequestRejected, "quota is used up", id="402"),
        pytest.param(ServerFailure(status=404, message="No model x-9"), ModelRequestRejected, "No model x-9", id="404"),
        pytest.param(ServerFailure(status=413, message="Too big"), ContextTooLong, "Too big", id="413"),
        pytest.param(ServerFailure(status=422, message="Odd"), ModelRequestRejected, "Odd", id="422"),
        pytest.param(
            RawResponse(status=400, body="model not loaded", content_type="text/plain"),
            ModelRequestRejected,
            "model not loaded",
            id="400 in plain text",
        ),
    ],
)
async def test_a_failure_that_will_not_pass_has_the_message_of_the_provider(
    provider: Provider, entry: ServerScriptEntry, expected: type[ModelError], text: str
) -> None:
    error = await _failure(provider, entry)
    assert type(error) is expected
    assert text in str(error)


@every_provider
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_names_the_variable_to_set(provider: Provider, status: int) -> None:
    error = await _failure(provider, ServerFailure(status=status))
    assert type(error) is ModelNotAuthorized
    assert f"check {provider.key_variable}" in str(error)


@every_provider
@pytest.mark.parametrize(
    ("headers", "seconds"), [pytest.param({"retry-after": "7"}, 7, id="header"), pytest.param({}, None, id="no header")]
)
async def test_retry_after_is_what_the_provider_asks_for(
    provider: Provider, headers: dict[str, str], seconds: float | None
) -> None:
    error = await _failure(provider, ServerFailure(status=429, headers=headers))
    assert isinstance(error, ModelUnavailable)
    assert (error.retry_after, error.status) == (seconds, 429)


@every_provider
async def test_a_server_that_never_responds_is_given_up_after_the_first_byte_timeout(provider: Provider) -> None:
    timeouts = ResponseTimeouts(first_byte=0.1, idle=0.1)
    async with (
        asyncio.timeout(20),
        provider.server([ServerResponse(text=LONG, fault="stall", fault_after=0)]) as server,
        aclosing(provider.model(base_url=server.url, options=ModelOptions(timeouts=timeouts))) as model,
    ):
        with pytest.raises(ModelUnavailable, match=f"{provider.name} at .* did not respond in time"):
            await model.respond(provider.request)


@every_provider
async def test_a_stream_that_stalls_is_disconnected_after_the_idle_timeout(provider: Provider) -> None:
    timeouts = ResponseTimeouts(first_byte=60, idle=0.05)
    async with (
        asyncio.timeout(20),  # less than first_byte
        provider.server([ServerResponse(text=LONG, fault="stall", fault_after=5)]) as server,
        aclosing(provider.model(base_url=server.url, options=ModelOptions(timeouts=timeouts))) as model,
    ):
        with pytest.raises(ModelUnavailable, match="did not respond in time"):
            await model.respond(provider.request)
        await server.wait_for_disconnects()


@every_provider
async def test_a_cancelled_request_is_disconnected(provider: Provider) -> None:
    async with (
        asyncio.timeout(20),
        provider.server([ServerResponse(text=LONG, fault="stall")]) as server,
        aclosing(provider.model(base_url=server.url)) as model,
    ):
        responding = asyncio.create_task(model.respond(provider.request))
        await server.wait_for_requests()
        responding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await responding
        await server.wait_for_disconnects()


@every_provider
async def test_a_server_that_is_not_running_is_named(provider: Provider) -> None:
    async with provider.server([]) as server:
        url = server.url
    async with aclosing(provider.model(base_url=url)) as model:
        with pytest.raises(ModelUnavailable) as caught:
            await model.respond(provider.request)
    assert str(caught.value) == f"The connection to {provider.name} at {url} failed (ConnectError)"


@every_provider
@pytest.mark.parametrize(
    ("key", "entry"),
    [
        pytest.param(KEY, ServerFailure(status=401, message=f"Wrong key: {KEY}."), id="401"),
        pytest.param(KEY, ServerFailure(status=401, message="Wrong key: sk-test-****cdef."), id="masked"),
        pytest.param(
            "my-own-secret-key", ServerFailure(status=400, message="my-own-secret-key is wrong"), id="own format"
        ),
        pytest.param(
            "my-own-secret-key", ServerFailure(status=400, message="my-own-s...ret-key is wrong"), id="shortened"
        ),
        pytest.param(KEY, RawResponse(status=500, body=f"<p>{KEY}</p>"), id="web page"),
    ],
)
async def test_an_error_does_not_contain_the_key(provider: Provider, key: str, entry: ServerScriptEntry) -> None:
    error = await _failure(provider, entry, key=key)
    assert "[key]" in str(error)
    shown = "".join(traceback.format_exception(error))
    for secret in (key, key[:10], "cdef", "ret-key"):
        assert secret not in shown
    assert error.__cause__ is None, "Temporal would record the cause in the history"


@every_provider
async def test_the_headers_of_responses_and_of_failures_are_reported(provider: Provider) -> None:
    reported: list[tuple[str, str | None]] = []
    failure = ServerFailure(status=429, headers={"retry-after": "3"})
    async with (
        provider.server([ServerResponse(text="ok"), failure]) as server,
        aclosing(
            provider.model(
                base_url=server.url,
                options=ModelOptions(
                    on_headers=lambda model, headers: reported.append((model, headers.get("retry-after")))
                ),
            )
        ) as model,
    ):
        await model.respond(provider.request)
        with pytest.raises(ModelUnavailable):
            await model.respond(provider.request)
    assert reported == [(provider.model_name, None), (provider.model_name, "3")]


@every_provider
async def test_a_response_without_an_end_is_cut_off(provider: Provider) -> None:
    error = await _failure(provider, ServerResponse(text="x" * 1_100_000, chunk_chars=50_000))
    assert type(error) is ModelOutputInvalid
    assert "more than 1,048,576 characters" in str(error)


@pytest.mark.parametrize(
    "provider", [pytest.param(case, id=name) for name, case in PROVIDERS.items() if name != "anthropic"]
)  # whose SDK encodes headers as UTF-8
async def test_a_header_that_is_not_ascii_is_the_fault_of_the_request(provider: Provider) -> None:
    request = replace(provider.request, settings=ModelSettings(extra_headers={"X-Team": "Größe 漢"}))
    async with provider.server([]) as server, aclosing(provider.model(base_url=server.url)) as model:
        with pytest.raises(ModelRequestRejected, match="extra_headers"):
            await model.respond(request)


@every_provider
async def test_requests_share_a_connection(provider: Provider) -> None:
    async with (
        provider.server([ServerResponse(text="one"), ServerResponse(text="two")]) as server,
        aclosing(provider.model(base_url=server.url)) as model,
    ):
        await model.respond(provider.request)
        await model.respond(provider.request)
        assert (server.request_count, server.connection_count) == (2, 1)


@every_provider
async def test_the_representation_of_a_model_contains_no_secret(provider: Provider) -> None:
    async with aclosing(provider.model(api_key="sk-secret-secret", base_url="http://ada:pass@127.0.0.1:1/v1")) as model:
        assert repr(model).startswith(
            f"{type(model).__name__}(provider='{provider.name}', base_url='http://127.0.0.1:1"
        )
        assert "secret" not in repr(vars(model))
