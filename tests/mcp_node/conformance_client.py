"""Our MCP client, as the conformance suite tests it: one process serves all scenarios, as a worker serves servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2
from mcp.client import IncomingMessage
from pydantic import JsonValue

from agentkit.errors import ToolError
from agentkit.interfaces import ClientInputRequest, McpCall, ToolContext, ToolOutput
from agentkit.mcp.http.http_sessions import HttpSessions
from agentkit.mcp.http.loopback_listener import LoopbackListener, loopback_listener
from agentkit.mcp.http.oauth import server_auth
from agentkit.mcp.http.oauth_login import LoginProvider
from agentkit.mcp.server_pool import McpServerPool
from agentkit.mcp.server_sessions import ServerSessions
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.testing import MemoryTokenStore

__all__ = ["Scenario", "run_scenario"]

_ARGUMENTS: Mapping[str, Mapping[str, JsonValue]] = {"add_numbers": {"a": 5, "b": 3}}
_CLIENT_DOCUMENT = "https://conformance-test.local/client-metadata.json"
_MAX_ROUNDS = 5


@dataclass(frozen=True)
class Scenario:
    """What the suite says of a scenario."""

    name: str
    url: str
    context: Mapping[str, Any] = field(default_factory=dict)

    def settings(self) -> McpServerSettings:
        """Return the settings of the server."""
        client = {key: self.context[key] for key in ("client_id", "client_secret") if key in self.context}
        oauth = client or {"client_id": _CLIENT_DOCUMENT}
        if self.name == "auth/client-credentials-basic":
            oauth["grant"] = "client_credentials"
        return McpServerSettings.model_validate({"url": self.url, "opspawn": {"sampling": "allow", "oauth": oauth}})


async def run_scenario(scenario: Scenario) -> None:
    """List the server's tools, and call those that the suite names, or else all."""
    async with loopback_listener() as listener:
        pool = McpServerPool({"server": scenario.settings()}, _opened(scenario, listener))
        try:
            tools = await pool.list_tools("server")
            names = [tool.mcp.name for tool in tools if tool.mcp is not None]
            calls = scenario.context.get("toolCalls") or [{"name": name} for name in names]
            for call in calls:
                arguments = call.get("arguments") or _ARGUMENTS.get(call["name"], {})
                await _call_tool(pool, call["name"], arguments)
        finally:
            await pool.aclose()


def _opened(scenario: Scenario, listener: LoopbackListener) -> Callable[..., ServerSessions]:
    settings = scenario.settings()
    auth = server_auth("server", settings, MemoryTokenStore())
    oauth = settings.opspawn.oauth
    if oauth is not None and oauth.grant == "authorization_code":
        # The suite wants the login to be made when a request needs it; ours is made before, by `opspawn mcp login`.
        provider = LoginProvider(scenario.url, oauth, listener, _browse)

        def auth() -> httpx2.Auth | None:
            return provider

    def open_sessions(
        server: str, settings: McpServerSettings, on_message: Callable[[IncomingMessage], None]
    ) -> ServerSessions:
        return HttpSessions(server, settings, auth=auth, on_message=on_message)

    return open_sessions


async def _browse(url: str) -> None:
    """Log in as a person would."""
    async with httpx2.AsyncClient(follow_redirects=True) as browser:
        await browser.get(url)


async def _call_tool(pool: McpServerPool, name: str, arguments: Mapping[str, JsonValue]) -> None:
    """Call a tool; where it wants input first, resume it with input, as the workflow does."""
    resumed: McpCall | None = None
    for attempt in range(_MAX_ROUNDS):
        call_id = f"{name}.{attempt}"
        context = ToolContext(task_id="t", call_id=call_id, idempotency_key=f"t/{call_id}", step=1, mcp=resumed)
        try:
            value = await pool.tool("server", name).call(arguments, context)
        except ToolError:
            return  # some scenarios have tools that fail
        if not isinstance(value, ToolOutput) or value.input_required is None:
            return
        inputs = {request.key: _answer(request) for request in value.input_required.requests}
        resumed = McpCall(effect="irreversible", inputs=inputs, state=value.input_required.state)


def _answer(request: ClientInputRequest) -> dict[str, JsonValue]:
    """Return input that fits."""
    match request.method:
        case "elicitation/create":
            schema: Any = request.params.get("requestedSchema") or {}
            return {"action": "accept", "content": {name: _value(of) for name, of in schema["properties"].items()}}
        case "sampling/createMessage":
            return {"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}}
        case "roots/list":
            return {"roots": []}


def _value(schema: Mapping[str, Any]) -> JsonValue:
    values: dict[str, JsonValue] = {"boolean": True, "integer": 1, "number": 1.5}
    default: JsonValue = schema.get("default")
    return default if default is not None else values.get(schema.get("type", ""), "text")
