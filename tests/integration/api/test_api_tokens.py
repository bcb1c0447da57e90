"""What models say reaches those who watch, while they say it: real processes' parts on real sockets and Temporal."""

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
from activities.streaming.relay_sender import sending
from agentkit.errors import ModelUnavailable
from agentkit.interfaces import Emit, ModelDelta, ModelRequest, ModelResponse
from agentkit.messages import Message, TextPart, Usage
from agentkit.tools import ToolRegistry
from tests.integration.api.conftest import WITHIN, Front, eventually
from tests.integration.api.watching import Seen, Served, Stream, served
from worker import build_worker


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Speaker:
    """A model that says what a test puts into its mouth; an empty word ends the answer, an error the attempt."""

    def __init__(self) -> None:
        self.words: defaultdict[str, asyncio.Queue[str | Exception]] = defaultdict(asyncio.Queue)
        """By the input of the task."""
        self.told = False
        """Whether anybody could have heard."""

    def say(self, *words: str | Exception, to: str = "Hello") -> None:
        for word in words:
            self.words[to].put_nowait(word)

    async def respond(self, request: ModelRequest, emit: Emit | None = None) -> ModelResponse:
        said: list[str] = []
        while word := await self.words[request.messages[0].text].get():
            if isinstance(word, Exception):
                raise word
            said.append(word)
            if emit is not None:
                self.told = True
                emit(ModelDelta("text", word))
        message = Message(role="assistant", parts=(TextPart(text="".join(said)),), model=request.model)
        return ModelResponse(message=message, stop_reason="end", usage=Usage())

    async def aclose(self) -> None:
        """Nothing to close."""


@dataclass
class Heard:
    """What one watcher sees."""

    stream: Stream
    events: list[Seen] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    @property
    def text(self) -> str:
        """What was said since the last reset."""
        said = ""
        for event in self.events:
            said = "" if event.type == "model.reset" else said + event.data.get("text", "")
        return said

    async def until(self, text: str) -> None:
        """Read until that was said."""
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
async def watching(api: Served, task_id: str) -> AsyncIterator[Heard]:
    async with api.stream(f"/tasks/{task_id}/events") as stream:
        yield Heard(stream)


@asynccontextmanager
async def working(front: Front, speaker: Speaker, **changed: Any) -> AsyncIterator[None]:
    """Work as ``worker.py`` does, with the speaker as the model."""
    settings = front.settings.model_copy(update=changed)
    async with sending(settings) as deltas:
        worker = build_worker(front.temporal, settings, {"demo": speaker}, ToolRegistry([]), deltas)
        async with worker:
            yield


@asynccontextmanager
async def heard_from(front: Front, speaker: Speaker, task_id: str, **changed: Any) -> AsyncIterator[Heard]:
    """Serve and watch, and then work."""
    async with served(front, **changed) as api, watching(api, task_id) as heard, working(front, speaker, **changed):
        yield heard


async def test_tokens_are_told_between_the_question_and_the_answer(front: Front) -> None:
    port, speaker = free_port(), Speaker()
    task_id = await front.submit()
    async with heard_from(front, speaker, task_id, relay_port=port) as heard:
        speaker.say("hello ")
        await heard.until("hello ")
        speaker.say("there", "")
        await heard.to_the_end()
    assert heard.text == "hello there"
    spoken = [index for index, name in enumerate(heard.types) if name == "model.delta"]
    assert heard.types.index("model.started") < spoken[0]
    assert spoken[-1] < heard.types.index("model.completed")
    assert {heard.events[index].id for index in spoken} == {None}
    assert "model.reset" not in heard.types
    first = heard.events[spoken[0]].data
    assert {key: first[key] for key in ("type", "step", "kind", "text")} == {
        "type": "model.delta",
        "step": 1,
        "kind": "text",
        "text": "hello ",
    }


async def test_who_comes_in_mid_answer_is_told_what_was_said_so_far(front: Front) -> None:
    port, speaker = free_port(), Speaker()
    async with served(front, relay_port=port) as api, working(front, speaker, relay_port=port):
        task_id = await front.submit()
        speaker.say("hello ")
        await eventually(lambda: asyncio.sleep(0, speaker.told), bool)
        async with watching(api, task_id) as first, watching(api, task_id) as second:
            await first.until("hello ")  # which the worker knew
            await second.until("hello ")  # which the API knew
            speaker.say("there", "")
            await asyncio.gather(first.to_the_end(), second.to_the_end())
    for heard in (first, second):
        assert heard.text == "hello there"
        assert heard.types.count("model.reset") == 1
        assert heard.types.index("model.reset") < heard.types.index("model.delta")


async def test_who_left_and_came_back_is_told_from_the_beginning(front: Front) -> None:
    port, speaker = free_port(), Speaker()
    task_id = await front.submit()
    async with served(front, relay_port=port) as api, working(front, speaker, relay_port=port):
        speaker.say("hello ")
        async with watching(api, task_id) as first:
            await first.until("hello ")
        speaker.say("there ")
        async with watching(api, task_id) as again:
            await again.until("hello there ")
            speaker.say("")
            await again.to_the_end()
    assert again.types.count("model.reset") == 1


async def test_a_new_attempt_takes_back_what_was_said(front: Front) -> None:
    port, speaker = free_port(), Speaker()
    task_id = await front.submit()
    async with heard_from(front, speaker, task_id, relay_port=port) as heard:
        speaker.say("hullo")
        await heard.until("hullo")
        speaker.say(ModelUnavailable("overloaded"), "hello", "")
        await heard.to_the_end()
    assert model_policy(fallback=False).retry.maximum_attempts > 1
    assert heard.text == "hello"
    assert [name for name in heard.types if name in ("model.delta", "model.reset", "model.completed")] == [
        "model.delta",
        "model.reset",
        "model.delta",
        "model.completed",
    ]


async def test_each_of_two_api_processes_gets_what_its_watchers_need(front: Front) -> None:
    ports, speaker = (free_port(), free_port()), Speaker()
    one, other = await front.submit(input="one"), await front.submit(input="other")
    addresses = tuple(f"127.0.0.1:{port}" for port in ports)
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(served(front, relay_port=port)) for port in ports]
        await stack.enter_async_context(working(front, speaker, relay_addresses=addresses))
        heard = [
            await stack.enter_async_context(watching(api, task_id))
            for api, task_id in ((first, one), (second, other), (second, one))
        ]
        speaker.say("from one", to="one")
        speaker.say("from the other", to="other")
        await asyncio.gather(
            *(each.until(text) for each, text in zip(heard, ("from one", "from the other", "from one"), strict=True))
        )
        for name in ("one", "other"):
            speaker.say("", to=name)
        await asyncio.gather(*(each.to_the_end() for each in heard))
    assert [each.text for each in heard] == ["from one", "from the other", "from one"]


async def test_a_worker_with_another_secret_is_refused_and_tasks_end_nevertheless(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    port, speaker = free_port(), Speaker()
    task_id = await front.submit()

    async def warnings() -> list[str]:
        return [record.getMessage() for record in caplog.records if "No tokens" in record.getMessage()]

    async with (
        served(front, relay_port=port, relay_secret=SecretStr("right")) as api,
        watching(api, task_id) as heard,
        working(front, speaker, relay_port=port, relay_secret=SecretStr("wrong")),
    ):
        (warning,) = await eventually(warnings, bool)
        speaker.say("hello", "")
        await heard.to_the_end()
    assert "another secret" in warning
    assert heard.types[-1] == "task.completed"
    assert "model.delta" not in heard.types


async def test_the_relay_speaks_tls_where_it_is_set(front: Front) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    directory = front.settings.app_dir
    paths: dict[str, Any] = {
        name: directory / f"{name}.pem" for name in ("relay_tls_cert", "relay_tls_key", "relay_tls_ca")
    }
    certificate.cert_chain_pems[0].write_to_path(paths["relay_tls_cert"])
    certificate.private_key_pem.write_to_path(paths["relay_tls_key"])
    authority.cert_pem.write_to_path(paths["relay_tls_ca"])
    port, speaker = free_port(), Speaker()
    task_id = await front.submit()
    async with heard_from(front, speaker, task_id, relay_port=port, **paths) as heard:
        speaker.say("hello")
        await heard.until("hello")
        speaker.say("")
        await heard.to_the_end()
    assert heard.text == "hello"


async def test_a_port_that_is_taken_costs_the_tokens_only(front: Front, caplog: pytest.LogCaptureFixture) -> None:
    speaker = Speaker()
    task_id = await front.submit()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with served(front, relay_port=port) as api, working(front, speaker, relay_port=0):
            speaker.say("hello", "")
            seen = await api.all(task_id)
    assert seen[-1].type == "task.completed"
    (warning,) = [
        record for record in caplog.records if record.levelno == logging.WARNING and "relay_port" in str(record.msg)
    ]
    assert f"127.0.0.1:{port}" in warning.getMessage()
