"""With encryption keys, nothing that a task was given or gave can be read where Temporal and we store it."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Stack, eventually
from tests.reserved_ports import reserve_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

SECRET = "PLANTED-7f3a9c"
TOOLS = '''
"""Tools that return and raise what they are given."""

from agentkit.tools import tool


@tool(effect="idempotent")
def whisper(text: str) -> str:
    """Return the text."""
    return text


@tool(effect="pure")
async def repeat(text: str, times: int) -> str:
    """Return the text so often."""
    return text * times


@tool(effect="idempotent")
def shout(text: str) -> str:
    """Raise the text."""
    raise ValueError(text)


@tool(effect="irreversible")
def pay(text: str) -> str:
    """Pay."""
    return text
'''
AGENT = """
model: demo:demo
tools: [gate, whisper, repeat, shout, pay]
"""


def new_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


OLD, NEW = f"old:{new_key()}", f"new:{new_key()}"


@dataclass
class EncryptedStack(Stack):
    """Its processes encrypt with ``keys``."""

    keys: str = OLD
    tenant_keys: str = "false"

    def variables_of(self, name: str) -> Mapping[str, str]:
        return {"OPSPAWN_ENCRYPTION_KEYS": self.keys, "OPSPAWN_TENANT_KEYS": self.tenant_keys}

    async def restart(self, keys: str) -> None:
        """Restart worker and API with other keys."""
        self.keys = keys
        for name, start in {"worker": self.start_worker, "api": self.start_api}.items():
            self.kill(name)
            start()
        await self.wait_until_ready()

    def stored_bytes(self) -> dict[Path, bytes]:
        """Return the content of every file that Temporal, the worker and the API have written, but for their logs."""
        written = (path for path in self.directory.rglob("*") if self.app_dir not in path.parents)
        files = (path for path in written if path.is_file() and path.suffix != ".log")
        return {path.relative_to(self.directory): path.read_bytes() for path in files}

    async def get(self, path: str) -> Any:
        async with self.client() as client:
            return (await client.get(f"/api/v1/{path}")).json()


@pytest.fixture
async def encrypted(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[EncryptedStack]:
    stack = EncryptedStack(tmp_path, reserve_port(), "encrypted", tenant_keys=getattr(request, "param", "false"))
    stack.write_app()
    (stack.app_dir / "agents" / "teller.yaml").write_text(AGENT)
    (stack.app_dir / "tools" / "teller.py").write_text(TOOLS)
    async with stack.running():
        yield stack


@pytest.mark.parametrize("encrypted", ["true"], indirect=True, ids=["tenant keys"])
async def test_no_file_holds_what_a_task_was_given_or_gave(encrypted: EncryptedStack, tmp_path: Path) -> None:
    gate = tmp_path / "app" / "gate"
    gate.mkdir()
    script = [
        f'call whisper {{"text": "{SECRET}"}} & call shout {{"text": "{SECRET}"}}',
        f'call repeat {{"text": "{SECRET}", "times": 5000}}',
        f'call pay {{"text": "{SECRET}"}}',
        f'call gate {{"directory": "{gate}"}}',
        f"say {SECRET}",
    ]
    body = {"agent": "teller", "input": "\n".join(script), "metadata": {"note": SECRET}, "user": SECRET}
    async with encrypted.client() as client:
        task_id = (await client.post("/api/v1/tasks", json=body)).json()["id"]
        request_id = await _request_id(encrypted, task_id)
        answer = {"decision": "approve", "comment": SECRET}
        await client.post(f"/api/v1/tasks/{task_id}/input-requests/{request_id}", json=answer)
        await encrypted.wait_for_activity(task_id, "tool.gate")
        await client.post(f"/api/v1/tasks/{task_id}/messages", json={"text": SECRET})
        (gate / "open").touch()
        failing = await encrypted.submit(f"fail 400\n{SECRET}")
    task = await encrypted.wait_for_end(task_id)
    assert (await encrypted.wait_for_end(failing))["status"] == "failed"
    assert (task["status"], task["metadata"]) == ("completed", {"note": SECRET})
    assert SECRET in task["title"]
    assert SECRET in task["output"]
    results = [part for message in await encrypted.transcript(task_id) for part in message["parts"]]
    assert [part["is_error"] for part in results if part["type"] == "tool_result"] == [False, True, False, False, False]
    stored = encrypted.stored_bytes()
    assert any(path.parts[:2] == ("data", "payloads") for path in stored)
    assert len([path for path in stored if path.parts[:2] == ("data", "tenant-keys")]) == 4  # with naming and lock
    assert any(path.name.startswith("temporal.db") for path in stored)
    assert [path for path, content in stored.items() if SECRET.encode() in content] == []


async def test_keys_are_rotated_while_a_task_runs(encrypted: EncryptedStack, tmp_path: Path) -> None:
    gate = tmp_path / "app" / "gate"
    gate.mkdir()
    running = await encrypted.submit(f'call gate {{"directory": "{gate}"}}\nsay done', agent="teller")
    await encrypted.wait_for_activity(running, "tool.gate")
    await encrypted.restart(f"{NEW},{OLD}")
    (gate / "open").touch()
    assert (await encrypted.wait_for_end(running))["output"] == "done"

    await encrypted.restart(NEW)
    assert (await encrypted.wait_for_end(await encrypted.submit("say new")))["output"] == "new"
    problem = await encrypted.get(f"tasks/{running}")
    assert re.search(r"encrypted with the key 'old', which this process doesn't have", problem["detail"])
    listed = (await encrypted.get("tasks"))["tasks"]
    assert [task["status"] for task in listed] == ["completed", "completed"]


async def _request_id(stack: EncryptedStack, task_id: str) -> str:
    requests: list[dict[str, Any]] = []

    async def is_waiting() -> bool:
        requests.extend((await stack.get(f"tasks/{task_id}"))["input_requests"])
        return bool(requests)

    await eventually(is_waiting, "an input request", timeout_s=60)
    request_id: str = requests[0]["id"]
    return request_id
