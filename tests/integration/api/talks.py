"""Conversations over REST: requests about them, with an agent whose model echoes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from agentkit.interfaces import ModelRequest
from agentkit.testing import ModelScript, ScriptedResponse
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually


async def echo(request: ModelRequest) -> ScriptedResponse:
    """Respond with the texts of all messages of people so far."""
    return " / ".join(message.text for message in request.messages if message.role == "user")


@dataclass(frozen=True)
class Talks:
    """Requests about conversations."""

    api: ApiHarness

    async def request(self, method: str, path: str, *, key: str = "", **body: Any) -> httpx2.Response:
        """Send a request about conversations."""
        headers = {"Idempotency-Key": key} if key else {}
        json = body or None
        return await self.api.http.request(method, f"/api/v1/conversations{path}", json=json, headers=headers)

    async def create(self, **body: Any) -> dict[str, Any]:
        """Start a conversation; return it."""
        return accepted(await self.request("POST", "", **{"agent": "assistant", **body}), 201)

    async def send(self, conversation: dict[str, Any], text: str, *, status: int = 201, **body: Any) -> dict[str, Any]:
        """Send a message; return the task."""
        path = f"/{conversation['id']}/messages"
        return accepted(await self.request("POST", path, **{"input": text, **body}), status)

    async def say(self, conversation: dict[str, Any], text: str, **body: Any) -> dict[str, Any]:
        """Send a message; return the turn once it has ended, and the conversation is idle."""
        turn = await self.send(conversation, text, **body)
        ended = await self.api.task(turn["id"], wait=WITHIN)
        await self.until(conversation, "idle")
        return ended

    async def get(self, conversation: dict[str, Any]) -> dict[str, Any]:
        """Show a conversation."""
        return await self.api.get(f"/conversations/{conversation['id']}")

    async def until(self, conversation: dict[str, Any], status: str) -> dict[str, Any]:
        """Return the conversation once it has a status."""
        return await eventually(lambda: self.get(conversation), lambda shown: bool(shown["status"] == status))

    async def turns(self, conversation: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
        """Return a page of turns."""
        page = await self.api.get(f"/conversations/{conversation['id']}/turns", **params)
        turns: list[dict[str, Any]] = page["turns"]
        return turns

    async def texts(self, conversation: dict[str, Any]) -> list[str]:
        """Return the texts of the transcript."""
        page = await self.api.get(f"/conversations/{conversation['id']}/transcript", limit=1000)
        return [text_of(message) for message in page["messages"]]

    @asynccontextmanager
    async def worker(self, model: ModelScript = echo) -> AsyncIterator[None]:
        """Run a worker whose model echoes; from the start on, Temporal knows that it polls."""
        async with self.api.worker(model):
            await self.api.until_worker_polls()
            yield


def accepted(response: httpx2.Response, status: int) -> dict[str, Any]:
    """Return the body of a response with this status."""
    assert response.status_code == status, response.text
    body: dict[str, Any] = response.json()
    return body


def text_of(message: dict[str, Any]) -> str:
    """Return the texts of a message."""
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")
