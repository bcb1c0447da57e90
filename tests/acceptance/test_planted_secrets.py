"""Secrets of every kind, planted in one system that runs a task with everything: no place of it shows any."""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.server.mcpserver import Context, MCPServer
from temporalio.api.common.v1 import Payload
from temporalio.client import Client

from activities.settings import Settings
from agentkit.testing import ScriptedOpenAIServer, ServerFailure, ServerResponse, ServerToolCall
from agentkit.testing.server_script import ReceivedRequest, ServerScriptEntry
from tests.acceptance.conftest import Stack, eventually
from tests.acceptance.test_secrets import parts_of
from tests.mcp_http_servers import serve_mcp
from tests.process_states import environment_of, parent_of
from tests.received_telemetry import ReceivedTelemetry, receiving_telemetry
from tests.reserved_ports import reserve_port
from tests.tenant_keys import write_tenant_keys

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

ENCRYPTION_KEY = base64.b64encode(os.urandom(32)).decode()
SECRETS = {
    "provider": "sk-planted-4f1b7e90aa5532c1",
    "tool": "vault/of+planted 7c1193f2",
    "MCP variable": "mcp-stdio-planted-88ad03",
    "MCP header": "mcp-header-planted-19ef64",
    "encryption": ENCRYPTION_KEY,
    "relay": "relay-planted-6e0b94d2",
    "webhook": f"whsec_{base64.b64encode(os.urandom(32)).decode()}",
    "OTLP header": "otlp-header-planted-70cd15",
    "Temporal metadata": "grpc-meta-planted-a4410b",
    "provider's token": "auth-token-planted-3d97fe",
}
TOOLS = '''
"""Tools that show all that they know."""

import asyncio
import os
import sys
from pathlib import Path

from agentkit.tools import ToolContext, tool


@tool(effect="idempotent", secrets=["vault"], timeout=60)
async def reveal(directory: str, context: ToolContext) -> object:
    """Show the secret, the environment and the command line; wait until the file "open" is there."""
    secret = context.secret("vault")
    print("printed", secret, dict(os.environ))
    (Path(directory) / "started").touch()
    while not (Path(directory) / "open").exists():
        await asyncio.sleep(0.02)
    return {"secret": secret, "environment": dict(os.environ), "command": sys.orig_argv}


@tool(effect="pure", secrets=["vault"])
def fail(context: ToolContext) -> str:
    """Raise the secret."""
    raise ValueError(f"not with {context.secret('vault')}")
'''
MCP_SERVER = '''
import os
import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("vaulted")
print("started with", os.environ["TOKEN"], file=sys.stderr, flush=True)


@server.tool()
def show() -> str:
    """Show the environment."""
    return str(dict(os.environ))


@server.tool()
def fail() -> str:
    """Raise the secret."""
    raise ValueError(os.environ["TOKEN"])


server.run()
'''
AGENT = """
model: openai:scripted
tools: [reveal, fail, shell, "mcp:vaulted/*", "mcp:remote/*"]
policy: [{tool: "*", then: allow}, {tool: "mcp:*", then: allow}]
"""
SETTINGS = """
[secrets]
vault = {env = "VAULT_TOKEN"}
stdio = {env = "STDIO_TOKEN"}
header = {file = "../header"}
"""


@dataclass
class PlantedStack(Stack):
    """Its processes have all secrets in their settings, telemetry with contents, and logs of JSON."""

    received: ReceivedTelemetry = field(default_factory=lambda: ReceivedTelemetry(0))
    metrics_port: int = field(default_factory=reserve_port)
    provider_url: str = ""
    access_key: str = ""

    @property
    def settings(self) -> Settings:
        return super().settings.model_copy(update={"encryption_keys": Settings(**_ENCRYPTION).encryption_keys})

    def variables_of(self, name: str) -> Mapping[str, str]:
        if name == "temporal":
            return {}
        variables = {
            **self.received.variables,
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT",
            "OPSPAWN_LOG_FORMAT": "json",
            "OPSPAWN_ENCRYPTION_KEYS": f"planted:{ENCRYPTION_KEY}",
            "OPSPAWN_RELAY_SECRET": SECRETS["relay"],
            "OPSPAWN_INPUT_WEBHOOK": "http://127.0.0.1:9/input",
            "OPSPAWN_INPUT_WEBHOOK_SECRET": SECRETS["webhook"],
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{SECRETS['OTLP header']}",
            "TEMPORAL_GRPC_META_X_PLANTED": SECRETS["Temporal metadata"],
        }
        if name == "api":
            return {**variables, "OPSPAWN_KEYS_FILE": str(self.directory / "keys.json"), "OPSPAWN_CHECK_KEYS": "false"}
        return {
            **variables,
            "OPSPAWN_WORKER_METRICS": f"127.0.0.1:{self.metrics_port}",
            "OPENAI_API_KEY": SECRETS["provider"],
            "OPENAI_BASE_URL": self.provider_url,
            "ANTHROPIC_AUTH_TOKEN": SECRETS["provider's token"],
            "VAULT_TOKEN": SECRETS["tool"],
            "STDIO_TOKEN": SECRETS["MCP variable"],
        }

    def client(self) -> httpx2.AsyncClient:
        client = super().client()
        client.headers["Authorization"] = f"Bearer {self.access_key}"
        return client

    @property
    def secrets(self) -> Mapping[str, str]:
        return {**SECRETS, "access key": self.access_key}

    def write_planted_app(self, remote_url: str) -> None:
        self.write_app()
        servers = {
            "vaulted": {
                "command": sys.executable,
                "args": [str(self.app_dir / "vaulted.py")],
                "env": {"TOKEN": "${stdio}"},
            },
            "remote": {"url": remote_url, "headers": {"Authorization": "Bearer ${header}"}},
        }
        (self.app_dir / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
        for name, text in {
            "agents/revealer.yaml": AGENT,
            "tools/revealing.py": TOOLS,
            "vaulted.py": MCP_SERVER,
            "opspawn.toml": SETTINGS,
        }.items():
            (self.app_dir / name).write_text(text)


_ENCRYPTION: dict[str, Any] = {"encryption_keys": f"planted:{ENCRYPTION_KEY}"}


def remote() -> MCPServer:
    """Return a server whose tool sends the headers of its request back."""
    server = MCPServer("remote", log_level="CRITICAL")

    @server.tool()
    async def headers(ctx: Context) -> str:
        request = ctx.request_context.request
        assert request is not None
        return str(dict(request.headers))

    return server


def respond(directory: Path) -> Any:
    """Return the provider's script: an error that quotes the key, all tools in one step, and the text."""
    calls = (
        ServerToolCall(name="reveal", arguments={"directory": str(directory)}),
        ServerToolCall(name="fail"),
        ServerToolCall(name="shell", arguments={"command": SHELL_COMMAND}),
        ServerToolCall(name="vaulted__show"),
        ServerToolCall(name="vaulted__fail"),
        ServerToolCall(name="remote__headers"),
    )
    failed: list[str] = []

    def entry(request: ReceivedRequest) -> ServerScriptEntry:
        key = request.headers["authorization"].removeprefix("Bearer ")
        text = str(request.body)
        if "refuse" in text:
            return ServerFailure(status=401, message=f"Incorrect API key provided: {key}.", code="invalid_api_key")
        if not failed:
            failed.append(key)
            return ServerFailure(status=500, message=f"The key {key} is being looked up", headers={"x-key": key})
        return ServerResponse(calls=calls) if "call_id" not in text and "tool_call_id" not in text else DONE

    return entry


SHELL_WAITS = f"shell-waits-{uuid.uuid4().hex}"
"""A file in the program's own directory; the program ends when it is removed."""
SHELL_COMMAND = f"""
env
cat /proc/*/environ /proc/*/cmdline
touch {SHELL_WAITS}
while [ -e {SHELL_WAITS} ]; do sleep 0.05; done
"""
DONE = ServerResponse(text="All is shown.")


@pytest.fixture
async def planted(tmp_path: Path, process_starter: Any) -> AsyncIterator[PlantedStack]:
    keys = write_tenant_keys(tmp_path)
    (tmp_path / "header").write_text(SECRETS["MCP header"])
    async with (
        receiving_telemetry() as received,
        ScriptedOpenAIServer(respond(tmp_path)) as provider,
        serve_mcp(lambda: remote().streamable_http_app()) as server,
    ):
        stack = PlantedStack(
            tmp_path,
            reserve_port(),
            "planted",
            process_starter=process_starter,
            received=received,
            provider_url=provider.url,
            access_key=keys.admin,
        )
        stack.write_planted_app(server.url)
        async with stack.running():
            yield stack
        (tmp_path / "header").unlink()


async def test_no_place_shows_a_planted_secret(planted: PlantedStack, tmp_path: Path) -> None:
    task_id = await planted.submit("Show everything.", agent="revealer")
    seen: dict[str, bytes] = {}

    async def programs_run() -> bool:
        seen.update(processes_of(planted))
        return (tmp_path / "started").exists() and all(
            any(mark in data for data in seen.values()) for mark in (b"vaulted.py", b"confined_process")
        )

    await eventually(programs_run, "the tool, the MCP server and the sandboxed program run")
    (tmp_path / "open").touch()

    async def shell_ends() -> bool:
        return end_shell()

    await eventually(shell_ends, "the sandboxed program has shown everything")
    task = await planted.wait_for_end(task_id)
    assert (task["status"], task["output"]) == ("completed", "All is shown."), task
    refused = await planted.wait_for_end(await planted.submit("refuse", agent="revealer"))
    assert refused["status"] == "failed"
    places = {**seen, **await problems_of(planted), **await shown_of(planted, task_id, refused["id"])}
    places |= await histories_of(planted)
    places |= await telemetry_of(planted)
    places |= files_of(planted)
    everything = b"".join(places.values())
    for marker in (b"[secret:vault]", b"[secret:stdio]", b"[secret:header]", b"[key]"):
        assert marker in everything, "the secret was shown to the worker, and redacted"
    found = [
        f"{kind} in {place}"
        for kind, secret in planted.secrets.items()
        for place, data in places.items()
        if any(part in data for part in parts_of(secret))
    ]
    assert not found, "\n".join(found)


def end_shell() -> bool:
    """Let the sandboxed program end; False: it has not shown everything yet."""
    waiting = list(Path(tempfile.gettempdir()).glob(f"opspawn-sandbox-*/*/files/{SHELL_WAITS}"))
    for path in waiting:
        path.unlink()
    return bool(waiting)


def processes_of(stack: Stack) -> Iterator[tuple[str, bytes]]:
    """Yield the command line of each process of the system, and the environment of those that worker or API started."""
    parents = [stack.pid(name) for name in ("worker", "api")]
    for path in Path("/proc").iterdir():
        with suppress(OSError):
            if not path.name.isdigit() or not _is_below(int(path.name), os.getpid()):
                continue
            command = (path / "cmdline").read_bytes()
            yield f"command line of {path.name}, {command[-60:]!r}", command
            if any(_is_below(int(path.name), parent) for parent in parents):
                environment = environment_of(int(path.name)) or b""
                if b"vaulted.py" in command:
                    environment = environment.replace(SECRETS["MCP variable"].encode(), b"")  # its own
                yield f"environment of {path.name}, {command[-60:]!r}", environment


def _is_below(pid: int, ancestor: int) -> bool:
    while pid > 1:
        pid = parent_of(pid)
        if pid == ancestor:
            return True
    return False


def files_of(stack: Stack) -> dict[str, bytes]:
    """Return all files of the system, Temporal's database and the logs among them."""
    files = [path for path in stack.directory.rglob("*") if path.is_file() and path.name != "header"]
    places = {str(path.relative_to(stack.directory)): path.read_bytes() for path in files}
    assert {"temporal.db", "worker.log", "api.log"} < places.keys()
    return places


async def problems_of(stack: PlantedStack) -> dict[str, bytes]:
    """Return the responses to bad requests that have the access key, or another secret, in the wrong place."""
    key = stack.access_key
    wrong: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/api/v1/tasks", {"headers": {"Authorization": f"Bearer {key}x"}}),
        ("GET", "/api/v1/tasks", {"headers": {"Authorization": f"Basic {key}"}}),
        ("GET", "/api/v1/tasks", {"headers": {"Authorization": "", "X-API-Key": key, "Cookie": f"key={key}"}}),
        ("GET", "/api/v1/tasks", {"params": {"api_key": key}}),
        ("GET", "/api/v1/tasks", {"params": {"cursor": key, "status": key, "limit": key}}),
        ("POST", "/api/v1/tasks", {"json": {"agent": "porter", "input": "x", "api_key": key, "limits": key}}),
        ("POST", "/api/v1/tasks", {"json": {"agent": "porter", "input": {"text": key}, "tags": key}}),
        (
            "POST",
            "/api/v1/tasks",
            {"content": f'{{"api_key": "{key}" oops', "headers": {"Content-Type": "application/json"}},
        ),
        ("POST", "/api/v1/tasks", {"content": key, "headers": {"Content-Type": key}}),
        ("DELETE", "/api/v1/memories", {"params": {"key": key}}),
    ]
    async with stack.client() as client:
        responses = [await client.request(method, path, **options) for method, path, options in wrong]
    return {
        f"response to {number}: {each.request.method} {each.status_code}": each.content + str(each.headers).encode()
        for number, each in enumerate(responses)
    }


async def shown_of(stack: PlantedStack, *task_ids: str) -> dict[str, bytes]:
    """Return what the API shows of tasks."""
    paths = [
        f"/api/v1/tasks/{task_id}{path}"
        for task_id in task_ids
        for path in ("", "/transcript", "/events", "/tool-calls")
    ]
    async with stack.client() as client:
        return {path: (await client.get(path)).content for path in (*paths, "/api/v1/system", "/api/v1/agents")}


async def histories_of(stack: PlantedStack) -> dict[str, bytes]:
    """Return the decrypted payloads of all histories."""
    client: Client = await stack.temporal()
    codec = client.data_converter.payload_codec
    assert codec is not None
    histories: dict[str, bytes] = {}
    async for execution in client.list_workflows():
        payloads: list[Payload] = []
        async for event in client.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history_events():
            _collect(event, payloads)
        decoded = await codec.decode(payloads)
        histories[f"history of {execution.id}"] = b"\n".join(payload.data for payload in decoded)
    assert any(b"All is shown." in data for data in histories.values())
    return histories


async def telemetry_of(stack: PlantedStack) -> dict[str, bytes]:
    received = stack.received

    async def is_received() -> bool:
        requests = {span.span_id for span in received.spans if span.name.startswith("chat ")}
        has_contents = requests == {event.span_id for event in received.events}
        return has_contents and len(received.named("invoke_agent revealer")) == 2

    await eventually(is_received, "the tasks' spans, and the contents of their model requests")
    async with stack.client() as client:
        metrics = [
            (await client.get(f"http://127.0.0.1:{port}/metrics")) for port in (stack.metrics_port, stack.api_port)
        ]
    assert [response.status_code for response in metrics] == [200, 200]
    return {
        "spans": "".join(map(str, received.spans)).encode(),
        "events": "".join(map(str, received.events)).encode(),
        "metrics of the worker": metrics[0].content,
        "metrics of the API": metrics[1].content,
    }


def _collect(message: Any, found: list[Payload]) -> None:
    if isinstance(message, Payload):
        found.append(message)
        return
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        is_map = descriptor.message_type.GetOptions().map_entry
        for each in value.values() if is_map else value if descriptor.is_repeated else [value]:
            if hasattr(each, "ListFields"):
                _collect(each, found)
