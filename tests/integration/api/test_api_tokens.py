"""Tokens reach watchers while a model generates them: worker and API in one process, on real sockets and Temporal."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trustme
from pydantic import SecretStr

from activities.retry_policies import model_policy
from activities.streaming.relay_client import token_relay
from agentkit.errors import ModelUnavailable
from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse
from agentkit.messages import Message, TextPart, Usage
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.tools import ToolRegistry
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually
from tests.integration.api.watching import Seen, Served, Stream, served
from tests.reserved_ports import reserve_port
from worker import build_worker


class TokenModel:
    """A model that emits the tokens of ``generate``; an empty token ends the response, an error the attempt."""

    def __init__(self) -> None:
        self.tokens: defaultdict[str, asyncio.Queue[str | Exception]] = defaultdict(asyncio.Queue)
        """By the input of the task."""
        self.has_emitted = False

    def generate(self, *tokens: str | Exception, task_input: str = "Hello") -> None:
        for token in tokens:
            self.tokens[task_input].put_nowait(token)

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        emitted: list[str] = []
        while token := await self.tokens[request.messages[0].text].get():
            if isinstance(token, Exception):
                raise token
            emitted.append(token)
            if emit is not None:
                self.has_emitted = True
                emit(ModelDelta("text", token))
        message = Message(role="assistant", parts=(TextPart(text="".join(emitted)),), model=request.model)
        return ModelResponse(message=message, stop_reason="end", usage=Usage())

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass
class Watcher:
    """The events that one watcher has got."""

    stream: Stream
    events: list[Seen] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def text(self) -> str:
        """The text of all deltas since the last reset."""
        text = ""
        for event in self.events:
            text = "" if event.type == "model.reset" else text + event.data.get("text", "")
        return text

    async def until(self, text: str) -> None:
        """Read until ``text`` is complete."""
        async with asyncio.timeout(WITHIN):
            while self.text != text:
                self.events.append(await anext(self._reading))

    async def to_the_end(self) -> None:
        async with asyncio.timeout(WITHIN):
            async for event in self._reading:
                self.events.append(event)

    def __post_init__(self) -> None:
        self._reading = aiter(self.stream)


@asynccontextmanager
async def watching(api: Served, task_id: str) -> AsyncIterator[Watcher]:
    async with api.stream(f"/tasks/{task_id}/events") as stream:
        yield Watcher(stream)


@asynccontextmanager
async def working(harness: ApiHarness, model: TokenModel, **changed: Any) -> AsyncIterator[None]:
    """Run a worker as ``worker.py`` does, with ``model`` for ``demo``."""
    settings = harness.settings.model_copy(update=changed)
    async with (
        token_relay(settings) as publisher,
        build_worker(harness.temporal, settings, {"demo": model}, ToolRegistry([]), InlineOutputChecker(), publisher),
    ):
        yield


@asynccontextmanager
async def watched_from_the_start(
    harness: ApiHarness, model: TokenModel, task_id: str, **changed: Any
) -> AsyncIterator[Watcher]:
    """Serve the API, watch the task, and only then run a worker."""
    async with served(harness, **changed) as api, watching(api, task_id) as watcher, working(harness, model, **changed):
        yield watcher


async def test_deltas_come_between_model_started_and_model_completed(harness: ApiHarness) -> None:
    port, model = reserve_port(), TokenModel()
    task_id = await harness.submit()
    async with watched_from_the_start(harness, model, task_id, relay_port=port) as watcher:
        model.generate("hello ")
        await watcher.until("hello ")
        model.generate("there", "")
        await watcher.to_the_end()
    assert watcher.text == "hello there"
    deltas = [index for index, name in enumerate(watcher.types) if name == "model.delta"]
    assert watcher.types.index("model.started") < deltas[0]
    assert deltas[-1] < watcher.types.index("model.completed")
    assert {watcher.events[index].id for index in deltas} == {None}
    assert "model.reset" not in watcher.types
    first = watcher.events[deltas[0]].data
    assert {key: first[key] for key in ("type", "step", "kind", "text")} == {
        "type": "model.delta",
        "step": 1,
        "kind": "text",
        "text": "hello ",
    }


async def test_watchers_that_come_in_mid_response_get_all_text_so_far(harness: ApiHarness) -> None:
    port, model = reserve_port(), TokenModel()
    async with served(harness, relay_port=port) as api, working(harness, model, relay_port=port):
        task_id = await harness.submit()
        model.generate("hello ")
        await eventually(lambda: asyncio.sleep(0, model.has_emitted), bool)
        async with watching(api, task_id) as first, watching(api, task_id) as second:
            await first.until("hello ")  # from the worker's buffer
            await second.until("hello ")  # from the API's buffer
            model.generate("there", "")
            await asyncio.gather(first.to_the_end(), second.to_the_end())
    for watcher in (first, second):
        assert watcher.text == "hello there"
        assert watcher.types.count("model.reset") == 1
        assert watcher.types.index("model.reset") < watcher.types.index("model.delta")


async def test_a_watcher_that_comes_back_gets_the_response_from_its_beginning(harness: ApiHarness) -> None:
    port, model = reserve_port(), TokenModel()
    task_id = await harness.submit()
    async with served(harness, relay_port=port) as api, working(harness, model, relay_port=port):
        model.generate("hello ")
        async with watching(api, task_id) as first:
            await first.until("hello ")
        model.generate("there ")
        async with watching(api, task_id) as again:
            await again.until("hello there ")
            model.generate("")
            await again.to_the_end()
    assert again.types.count("model.reset") == 1


async def test_a_new_attempt_resets_the_deltas_before_it(harness: ApiHarness) -> None:
    port, model = reserve_port(), TokenModel()
    task_id = await harness.submit()
    async with watched_from_the_start(harness, model, task_id, relay_port=port) as watcher:
        model.generate("hullo")
        await watcher.until("hullo")
        model.generate(ModelUnavailable("overloaded"), "hello", "")
        await watcher.to_the_end()
    assert model_policy(fallback=False).retry.maximum_attempts > 1
    assert watcher.text == "hello"
    assert [name for name in watcher.types if name in ("model.delta", "model.reset", "model.completed")] == [
        "model.delta",
        "model.reset",
        "model.delta",
        "model.completed",
    ]


async def test_each_of_two_api_processes_gets_the_tokens_of_its_watched_tasks(harness: ApiHarness) -> None:
    ports, model = (reserve_port(), reserve_port()), TokenModel()
    first_task, second_task = await harness.submit(input="first"), await harness.submit(input="second")
    addresses = tuple(f"127.0.0.1:{port}" for port in ports)
    async with AsyncExitStack() as stack:
        first_api, second_api = [await stack.enter_async_context(served(harness, relay_port=port)) for port in ports]
        await stack.enter_async_context(working(harness, model, relay_addresses=addresses))
        watchers = [
            await stack.enter_async_context(watching(api, task_id))
            for api, task_id in ((first_api, first_task), (second_api, second_task), (second_api, first_task))
        ]
        texts = ["of the first", "of the second", "of the first"]
        model.generate("of the first", task_input="first")
        model.generate("of the second", task_input="second")
        await asyncio.gather(*(watcher.until(text) for watcher, text in zip(watchers, texts, strict=True)))
        model.generate("", task_input="first")
        model.generate("", task_input="second")
        await asyncio.gather(*(watcher.to_the_end() for watcher in watchers))
    assert [watcher.text for watcher in watchers] == texts


async def test_tasks_of_a_worker_with_another_secret_complete_without_tokens(
    harness: ApiHarness, caplog: pytest.LogCaptureFixture
) -> None:
    port, model = reserve_port(), TokenModel()
    task_id = await harness.submit()

    async def warnings() -> list[str]:
        return [record.getMessage() for record in caplog.records if "No tokens" in record.getMessage()]

    async with (
        served(harness, relay_port=port, relay_secret=SecretStr("right")) as api,
        watching(api, task_id) as watcher,
        working(harness, model, relay_port=port, relay_secret=SecretStr("wrong")),
    ):
        (warning,) = await eventually(warnings, bool)
        model.generate("hello", "")
        await watcher.to_the_end()
    assert "another secret" in warning
    assert watcher.types[-1] == "task.completed"
    assert "model.delta" not in watcher.types


async def test_the_relay_uses_tls_when_it_is_configured(harness: ApiHarness) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    directory = harness.settings.app_dir
    paths: dict[str, Any] = {
        name: directory / f"{name}.pem" for name in ("relay_tls_cert", "relay_tls_key", "relay_tls_ca")
    }
    certificate.cert_chain_pems[0].write_to_path(paths["relay_tls_cert"])
    certificate.private_key_pem.write_to_path(paths["relay_tls_key"])
    authority.cert_pem.write_to_path(paths["relay_tls_ca"])
    port, model = reserve_port(), TokenModel()
    task_id = await harness.submit()
    async with watched_from_the_start(harness, model, task_id, relay_port=port, **paths) as watcher:
        model.generate("hello")
        await watcher.until("hello")
        model.generate("")
        await watcher.to_the_end()
    assert watcher.text == "hello"


async def test_without_a_free_relay_port_tasks_complete_without_tokens(
    harness: ApiHarness, caplog: pytest.LogCaptureFixture
) -> None:
    model = TokenModel()
    task_id = await harness.submit()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with served(harness, relay_port=port) as api, working(harness, model, relay_port=0):
            model.generate("hello", "")
            seen = await api.all(task_id)
    assert seen[-1].type == "task.completed"
    (warning,) = [
        record for record in caplog.records if record.levelno == logging.WARNING and "relay_port" in str(record.msg)
    ]
    assert f"127.0.0.1:{port}" in warning.getMessage()
