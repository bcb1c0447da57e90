"""What watchers piece together out of tokens is what stands in history in the end, whoever is killed in between."""

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
    """Reads a task's stream to its end, and pieces answers together as the documentation says."""

    types: list[str] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    """By kind, of the step that goes on."""
    resets: int = 0
    answers: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    """What was pieced together, and the message that it should be."""
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self, stack: Stack, task_id: str) -> None:
        path = f"/api/v1/tasks/{task_id}/events"
        async with asyncio.timeout(90), stack.client() as client, client.stream("GET", path) as response:
            assert response.status_code == 200
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    self.take(json.loads(line.removeprefix("data: ")))

    def take(self, event: dict[str, Any]) -> None:
        self.types.append(event["type"])
        match event["type"]:
            case "model.reset":
                self.said = {}
                self.resets += 1
            case "model.delta":
                self.said[event["kind"]] = self.said.get(event["kind"], "") + event["text"]
                self.heard.set()
            case "model.completed":
                self.answers.append((self.said, event["message"]))
                self.said = {}

    @property
    def amiss(self) -> list[tuple[dict[str, str], dict[str, str]]]:
        """Return what isn't as it should be."""
        expected = [(said, texts(message)) for said, message in self.answers]
        return [(said, message) for said, message in expected if said != message]


def texts(message: dict[str, Any]) -> dict[str, str]:
    """Return a message's text by the kind of delta that tells it."""
    found: dict[str, str] = {}
    for part in message["parts"]:
        if part["type"] in ("text", "thinking"):
            found[part["type"]] = found.get(part["type"], "") + part["text"]
    return found


async def test_after_a_kill_of_the_worker_in_mid_stream_the_pieces_make_up_the_answer(stack: Stack) -> None:
    task_id = await stack.submit("think 4000\nsay hello there")
    first, late = Watcher(), Watcher()
    watching = asyncio.create_task(first.watch(stack, task_id))
    await asyncio.wait_for(first.heard.wait(), 30)
    stack.kill("worker")
    stack.start_worker("second")
    first.heard.clear()
    await asyncio.wait_for(first.heard.wait(), 40)
    await asyncio.gather(watching, late.watch(stack, task_id))
    for watcher in (first, late):
        assert watcher.resets >= 1
        assert watcher.amiss == []
        assert len(watcher.answers) == 1
        assert "model.delta" not in watcher.types[watcher.types.index("model.completed") :]
    assert first.answers[0][0]["text"] == "hello there"
