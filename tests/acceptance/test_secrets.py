"""A secret of a tool is nowhere but in the tool: not in history, stored payloads, the API, or logs."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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

CALLER = """
model: demo:demo
tools: [http_request, "echo__*"]
policy: [{tool: http_request, then: allow}, {tool: "*", then: allow}]
"""

DOCUMENT = """
openapi: 3.1.0
info: {title: Echo, version: "1"}
servers: [{url: "http://127.0.0.1:1"}]
security: [{key: []}]
paths:
  /echo/{word}:
    parameters: [{name: word, in: path, required: true, schema: {type: string}}]
    post: {operationId: say, responses: {"200": {description: The request.}}}
components: {securitySchemes: {key: {type: apiKey, in: query, name: key}}}
"""

SETTINGS = """
http_fetch_allow = ["127.0.0.0/8"]
[secrets]
vault = {env = "VAULT_TOKEN", hosts = ["http://127.0.0.1:PORT"]}
[openapi.echo]
base_url = "http://127.0.0.1:PORT"
secrets = {key = "vault"}
"""


class EchoHandler(BaseHTTPRequestHandler):
    """Sends back what it gets."""

    def do_POST(self) -> None:
        received.append(f"{self.path}\n{self.headers}")
        body = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", self.headers.get("X-Key", ""))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


received: list[str] = []


@pytest.fixture
def echo_port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), EchoHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def app_files(monkeypatch: pytest.MonkeyPatch, echo_port: int) -> dict[str, str]:
    monkeypatch.setenv("VAULT_TOKEN", SECRET)
    return {
        "tools/leaky.py": TOOL,
        "agents/leaker.yaml": "model: demo:demo\ntools: [leak, other]",
        "agents/caller.yaml": CALLER,
        "openapi/echo.yaml": DOCUMENT,
        "opspawn.toml": SETTINGS.replace("PORT", str(echo_port)),
    }


async def test_a_secret_that_a_tool_shows_is_nowhere_else(stack: Stack) -> None:
    shown = [f'call leak {{"how": "{how}"}}' for how in ("return", "long", "tool error", "unavailable", "bug", "exit")]
    task_id = await stack.submit("\n".join([*shown, "call other {}"]), agent="leaker")
    task = await stack.wait_for_end(task_id)
    assert task["status"] == "completed", task
    places = await places_of(stack, task_id)
    assert leaks(places) == []
    events = places["history"]
    # What is shown instead says which secret it was.
    for marker in (b"found: [secret:vault]", b"not with [secret:vault]", b"wrong: [secret:vault]"):
        assert marker in events, marker
        assert marker in places["responses"], marker
    log = stack.log("worker")
    for text in ("leak: printed [secret:vault]", "leak: written [secret:vault]", "[leaky] logged [secret:vault]"):
        assert text in log, text
    assert "ValueError: wrong: [secret:vault]" in log, "the traceback"


async def test_a_secret_that_a_server_sends_back_is_nowhere_else(stack: Stack, echo_port: int) -> None:
    url = f"http://127.0.0.1:{echo_port}/direct"
    headers = {"X-Key": "{secret:vault}", "Authorization": "Bearer {secret:vault}"}
    request = json.dumps({"method": "POST", "url": url, "headers": headers})
    elsewhere = json.dumps({"method": "POST", "url": "http://127.0.0.1:1/", "headers": headers})
    lines = [f"call http_request {request}", 'call echo__say {"word": "hi"}', f"call http_request {elsewhere}"]
    task_id = await stack.submit("\n".join(lines), agent="caller")
    task = await stack.wait_for_end(task_id)
    assert task["status"] == "completed", task
    direct, imported = received[-2:]
    assert f"X-Key: {SECRET}" in direct
    assert f"/echo/hi?key={quote(SECRET, safe='').replace('%20', '+')}" in imported.replace("%20", "+")
    places = await places_of(stack, task_id)
    assert leaks(places) == []
    assert b"[secret:vault]" in places["history"]
    assert b"'vault' is not sent to http://127.0.0.1:1." in places["history"]


async def places_of(stack: Stack, task_id: str) -> dict[str, bytes]:
    """Return what the API, Temporal, and the files of the system have of a task."""
    async with stack.client() as client:
        responses = [
            (await client.get(f"/api/v1/tasks/{task_id}{path}")).text for path in ("", "/transcript", "/events")
        ]
    history = await (await stack.temporal()).get_workflow_handle(task_id).fetch_history()
    files = [path for path in stack.directory.rglob("*") if path.is_file() and stack.app_dir not in path.parents]
    places = {
        "responses": "".join(responses).encode(),
        "history": b"".join(event.SerializeToString() for event in history.events),
        **{str(path.relative_to(stack.directory)): path.read_bytes() for path in files},
    }
    assert {"worker.log", "api.log"} < places.keys()
    return places


def leaks(places: dict[str, bytes]) -> list[str]:
    """Return where a part of the secret is, in any of the encodings."""
    return [f"{name}: {part!r}" for name, data in places.items() for part in parts_of(SECRET) if part in data]


def parts_of(secret: str) -> list[bytes]:
    """Return a part of the secret in each encoding that it may be found in."""
    raw = secret.encode()
    parts = [raw[2:14], quote(secret).encode()[2:14], raw.hex().encode()[2:20]]
    return [*parts, *(base64.b64encode(b"\0" * shift + raw)[4:24] for shift in range(3))]
