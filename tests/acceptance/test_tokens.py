"""The deltas that watchers get make up the message in history, whichever process is killed in between."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.acceptance.conftest import Stack

pytestmark = pytest.mark.acceptance


@dataclass
class Watcher:
    """Reads a task's stream to its end, and joins the deltas of each step as documented."""

    types: list[str] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    """By kind of delta, of the current step."""
    resets: int = 0
    responses: list[tuple[dict[str, str], dict[str, str]]] = field(default_factory=list)
    """For each ``model.completed``: the joined deltas, and the texts of its message, by kind."""
    got_delta: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, stack: Stack, task_id: str) -> None:
        path = f"/api/v1/tasks/{task_id}/events"
        async with asyncio.timeout(90), stack.client() as client, client.stream("GET", path) as response:
            assert response.status_code == 200
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    self.on_event(json.loads(line.removeprefix("data: ")))

    def on_event(self, event: dict[str, Any]) -> None:
        self.types.append(event["type"])
        match event["type"]:
            case "model.reset":
                self.texts = {}
                self.resets += 1
            case "model.delta":
                self.texts[event["kind"]] = self.texts.get(event["kind"], "") + event["text"]
                self.got_delta.set()
            case "model.completed":
                self.responses.append((self.texts, texts_of(event["message"])))
                self.texts = {}


def texts_of(message: dict[str, Any]) -> dict[str, str]:
    """Return a message's text, by the kind of delta that carries it."""
    texts: dict[str, str] = {}
    for part in message["parts"]:
        if part["type"] in ("text", "thinking"):
            texts[part["type"]] = texts.get(part["type"], "") + part["text"]
    return texts


async def test_after_a_kill_of_the_worker_in_mid_stream_the_deltas_make_up_the_message(stack: Stack) -> None:
    task_id = await stack.submit("think 4000\nsay hello there")
    first, late = Watcher(), Watcher()
    watching = asyncio.create_task(first.watch(stack, task_id))
    await asyncio.wait_for(first.got_delta.wait(), 30)
    stack.kill("worker")
    stack.start_worker("second")
    first.got_delta.clear()
    await asyncio.wait_for(first.got_delta.wait(), 40)
    await asyncio.gather(watching, late.watch(stack, task_id))
    for watcher in (first, late):
        assert watcher.resets >= 1
        ((deltas, message),) = watcher.responses
        assert deltas == message
        assert deltas["text"] == "hello there"
        assert "model.delta" not in watcher.types[watcher.types.index("model.completed") :]
