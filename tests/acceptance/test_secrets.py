"""A secret of a tool is nowhere but in the tool: not in history, stored payloads, the API, or logs."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

from tests.acceptance.conftest import Stack

pytestmark = pytest.mark.acceptance

SECRET = "s3cr3t/of+the tool-4711"

TOOL = '''
"""A tool that shows its secret wherever it can."""

import base64
import logging
import os
import sys
from urllib.parse import quote

from agentkit.tools import ToolContext, ToolError, ToolUnavailable, tool

logger = logging.getLogger("leaky")


@tool(effect="idempotent", secrets=["vault"])
async def leak(how: str, context: ToolContext) -> object:
    """Show the secret."""
    secret = context.secret("vault")
    assert len(secret) == 23 and "VAULT_TOKEN" not in os.environ
    encoded = base64.b64encode(b"user:" + secret.encode()).decode()
    print("printed", secret, encoded, quote(secret))
    print("written", secret, file=sys.stderr, flush=True)
    logger.warning("logged %s and %s", secret, encoded)
    if how == "return":
        return {"plain": secret, secret: [encoded, quote(secret, safe=""), secret.encode().hex()], "size": 17}
    if how == "long":
        return "x" * 32_750 + secret + "y" * 40_000
    if how == "tool error":
        raise ToolError(f"not with {secret}")
    if how == "unavailable" and context.attempt == 1:
        raise ToolUnavailable(f"later with {secret}")
    if how == "exit":
        os.write(2, f"the end of {secret}\\n".encode())
        os._exit(3)
    raise ValueError(f"wrong: {secret} {encoded}")


@tool(effect="pure")
async def other() -> str:
    """Return what leak has written."""
    return "found: s3cr3t/of+the tool-4711"
'''


@pytest.fixture
def app_files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("VAULT_TOKEN", SECRET)
    return {
        "tools/leaky.py": TOOL,
        "agents/leaker.yaml": "model: demo:demo\ntools: [leak, other]",
        "opspawn.toml": '[secrets]\nvault = {env = "VAULT_TOKEN"}\n',
    }


async def test_a_secret_that_a_tool_shows_is_nowhere_else(stack: Stack) -> None:
    shown = [f'call leak {{"how": "{how}"}}' for how in ("return", "long", "tool error", "unavailable", "bug", "exit")]
    task_id = await stack.submit("\n".join([*shown, "call other {}"]), agent="leaker")
    task = await stack.wait_for_end(task_id)
    assert task["status"] == "completed", task
    async with stack.client() as client:
        responses = [
            (await client.get(f"/api/v1/tasks/{task_id}{path}")).text for path in ("", "/transcript", "/events")
        ]
    history = await (await stack.temporal()).get_workflow_handle(task_id).fetch_history()
    events = b"".join(event.SerializeToString() for event in history.events)
    files = [path for path in stack.directory.rglob("*") if path.is_file() and stack.app_dir not in path.parents]
    places = {
        "responses": "".join(responses).encode(),
        "history": events,
        **{str(path.relative_to(stack.directory)): path.read_bytes() for path in files},
    }
    assert {"worker.log", "api.log"} < places.keys()
    assert leaks(places) == []
    # What is shown instead says which secret it was.
    for marker in (b"found: [secret:vault]", b"not with [secret:vault]", b"wrong: [secret:vault]"):
        assert marker in events, marker
        assert marker in places["responses"], marker
    log = stack.log("worker")
    for text in ("leak: printed [secret:vault]", "leak: written [secret:vault]", "[leaky] logged [secret:vault]"):
        assert text in log, text
    assert "ValueError: wrong: [secret:vault]" in log, "the traceback"


def leaks(places: dict[str, bytes]) -> list[str]:
    """Return where a part of the secret is, in any of the encodings."""
    raw = SECRET.encode()
    parts = [raw[2:14], quote(SECRET).encode()[2:14], raw.hex().encode()[2:20]]
    parts += [base64.b64encode(b"\0" * shift + raw)[4:24] for shift in range(3)]
    return [f"{name}: {part!r}" for name, data in places.items() for part in parts if part in data]
