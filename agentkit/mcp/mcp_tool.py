"""A tool of an MCP server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import cast

import mcp_types as types
from mcp import Client, MCPError
from pydantic import JsonValue, TypeAdapter, ValidationError

from agentkit.errors import (
    McpServerUnavailable,
    RequestStateLost,
    ResultUnreadable,
    ToolArgumentsInvalid,
    ToolError,
    ToolNotStarted,
)
from agentkit.interfaces import ClientInputRequest, InputRequired, McpCall, ToolContext, ToolOutput, ToolValue
from agentkit.mcp.call_failures import call_error, call_timed_out, is_lost_state, required_urls
from agentkit.mcp.protocol_choice import is_older
from agentkit.mcp.request_clock import RequestClock
from agentkit.mcp.result_content import content_text, tool_output
from agentkit.mcp.server_requests import ServerRequests
from agentkit.mcp.server_sessions import RequestHandlers
from agentkit.specs import ToolSpec
from agentkit.telemetry import current_trace

__all__ = ["IDEMPOTENCY_KEY", "McpTool"]

IDEMPOTENCY_KEY = "opspawn/idempotency-key"
"""In ``_meta`` of a call: ``ToolContext.idempotency_key``."""

_CHECK_TIMEOUT_S = 5.0
"""Of the SDK's check of structured content, which may list the tools."""
_MAX_ERROR_CHARS = 20_000
_URL_KEY = "opspawn-url-"
"""Of requests to visit a page before the call is made again."""

_RESULT: TypeAdapter[types.CallToolResult | types.InputRequiredResult] = TypeAdapter(
    types.CallToolResult | types.InputRequiredResult
)
_INPUTS: TypeAdapter[types.InputResponses] = TypeAdapter(types.InputResponses)


class McpTool:
    """A tool of a server; each call is one request."""

    def __init__(self, requests: ServerRequests, name: str, spec: ToolSpec) -> None:
        """``spec.effect`` decides what is raised if a call is cut off."""
        self._requests = requests
        self._name = name
        self._spec = spec

    @property
    def spec(self) -> ToolSpec:
        """As the server's tools were listed last; without a listing, only names and the effect."""
        return self._spec

    async def call(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> ToolValue:
        """Send the call to the server and return its result, or what it wants to know first.

        Raises:
            RequestStateLost: the server doesn't know the call that is resumed; it has not acted.
        """
        resumed = context.mcp if context.mcp is not None and (context.mcp.inputs or context.mcp.state) else None
        _require_visited(resumed)
        try:
            return await self._call(arguments, context, resumed)
        except McpServerUnavailable as error:
            raise ToolNotStarted(str(error)) from error
        except TimeoutError:
            cause = f"none within {self._requests.settings.opspawn.timeout:g} s (timeout)"
            raise call_timed_out(self._requests.name, self._name, self._spec.effect, cause) from None
        except ValidationError as error:
            message = f"MCP server {self._requests.name}: the result of {self._name} does not fit the protocol"
            raise ResultUnreadable(f"{message}: {error.error_count()} errors") from None
        except MCPError as error:
            if resumed is not None and is_lost_state(error):
                text = f"MCP server {self._requests.name} no longer knows the call of {self._name} that it asked about."
                raise RequestStateLost(text) from None
            urls = required_urls(error)
            if urls:
                return _visits_required(urls)
            raise call_error(self._requests.name, self._name, self._spec.effect, error) from None

    async def _call(
        self, arguments: Mapping[str, JsonValue], context: ToolContext, resumed: McpCall | None
    ) -> ToolValue:
        options = self._requests.settings.opspawn
        clock = RequestClock(options.timeout, wait_s=options.elicitation_wait)
        began = time.monotonic()
        handlers = RequestHandlers(ask=clock.without_waits(context.signals.ask))
        async with self._requests.session(handlers) as client:
            # A wait for other calls is part of elicitation_wait: all of it must fit into ToolSpec.timeout.
            clock.shorten_wait(time.monotonic() - began - options.connect_timeout)
            async with clock:
                result = await self._send(client, arguments, context, resumed)
            note = await self._check(client, result)
        if isinstance(result, types.InputRequiredResult):
            return ToolOutput(input_required=_input_required(result))
        if result.is_error:
            raise ToolError(_error_text(result) or f"{self._name} failed, and gave no reason.")
        return tool_output(result, note)

    async def _send(
        self, client: Client, arguments: Mapping[str, JsonValue], context: ToolContext, resumed: McpCall | None
    ) -> types.CallToolResult | types.InputRequiredResult:
        async def report(progress: float, total: float | None, message: str | None) -> None:
            text = message or (f"{progress:g}" if total is None else f"{progress:g} of {total:g}")
            context.progress(text, progress / total if total else None)

        is_resumed = resumed is not None and not is_older(client.protocol_version)
        params = types.CallToolRequestParams(
            name=self._name,
            arguments=dict(arguments),
            input_responses=_inputs(resumed) if is_resumed else None,
            request_state=resumed.state if resumed is not None and is_resumed else None,
            _meta=cast(types.RequestParamsMeta, {IDEMPOTENCY_KEY: context.idempotency_key, **_trace()}),
        )
        # Not session.call_tool: it raises if structured content doesn't fit, after the call.
        return await client.session.send_request(
            types.CallToolRequest(params=params), _RESULT, progress_callback=report
        )

    async def _check(self, client: Client, result: types.CallToolResult | types.InputRequiredResult) -> str | None:
        """Return a note for the model if structured content doesn't fit the tool's output schema."""
        if isinstance(result, types.InputRequiredResult) or result.is_error or result.structured_content is None:
            return None
        try:
            with suppress(TimeoutError, MCPError, ValidationError):
                async with asyncio.timeout(_CHECK_TIMEOUT_S):
                    await client.session.validate_tool_result(self._name, result)
        except RuntimeError as error:
            cause = str(error).partition("\n")[0][:500]
            return f"[The call was made, but its result does not fit the tool's own output schema: {cause}]"
        return None


def _trace() -> dict[str, str]:
    """Return the span of this call for the server's own spans; nothing where traces are off."""
    trace = current_trace()
    return {} if trace is None else {"traceparent": str(trace)}


def _error_text(result: types.CallToolResult) -> str:
    text = content_text(result.content)
    if not text and result.structured_content is not None:
        text = json.dumps(result.structured_content, ensure_ascii=False)
    return text[:_MAX_ERROR_CHARS]


def _inputs(resumed: McpCall | None) -> types.InputResponses | None:
    if resumed is None or resumed.inputs is None:
        return None
    try:
        return _INPUTS.validate_python(
            {key: given for key, given in resumed.inputs.items() if not key.startswith(_URL_KEY)}
        )
    except ValidationError as error:
        raise ToolArgumentsInvalid(f"The input does not fit the protocol: {error.error_count()} errors") from None


def _input_required(result: types.InputRequiredResult) -> InputRequired:
    requests = [
        ClientInputRequest(
            key=key,
            method=request.method,
            params=request.model_dump(mode="json", by_alias=True, exclude_none=True).get("params", {}),
        )
        for key, request in (result.input_requests or {}).items()
    ]
    return InputRequired(requests=tuple(requests), state=result.request_state)


def _visits_required(urls: Sequence[types.ElicitRequestURLParams]) -> ToolOutput:
    requests = [
        ClientInputRequest(
            key=f"{_URL_KEY}{number}",
            method="elicitation/create",
            params=request.model_dump(mode="json", by_alias=True, exclude_none=True),
        )
        for number, request in enumerate(urls, 1)
    ]
    return ToolOutput(input_required=InputRequired(requests=tuple(requests)))


def _require_visited(resumed: McpCall | None) -> None:
    """Check that a person has agreed to visit the pages that a server requires.

    Raises:
        ToolError: they haven't.
    """
    for key, given in ((resumed and resumed.inputs) or {}).items():
        if key.startswith(_URL_KEY) and given.get("action") != "accept":
            raise ToolError(
                f"The server requires that a person visits a page first; the answer was: {given.get('action')}"
            )
