"""The outcomes that a tool's probe reports: whether a call whose end is unknown took effect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from agentkit.errors import NotDone
from agentkit.interfaces.tool import Tool, ToolContext

__all__ = ["PROBE_INTERVAL_S", "Done", "ProbeOutcome", "ProbedTool", "Unknown", "probe_record", "read_probe_record"]

PROBE_INTERVAL_S = 3.0
"""Seconds after which a probe that reported ``NotDone`` is asked again: what the call had sent when it was cut off may
be on its way to a service, and take effect meanwhile."""


@dataclass(frozen=True)
class Done:
    """The call took effect."""

    result: JsonValue = None
    """What the tool would have returned, for the model."""


@dataclass(frozen=True)
class Unknown:
    """The probe can't tell whether the call took effect."""

    reason: str = ""
    """For the person who is asked then."""


ProbeOutcome = Done | NotDone | Unknown
"""What a probe returns. ``NotDone`` is an exception that a tool may raise as well; a probe may return or raise it."""


class ProbedTool(Tool, Protocol):
    """A tool with a probe; its spec has ``has_probe``."""

    async def probe(self, arguments: Mapping[str, JsonValue], context: ToolContext) -> ProbeOutcome:
        """Return whether the call of this context took effect. It changes nothing, and may be repeated.

        Raises:
            ToolUnavailable: the probe failed; another attempt may succeed.
            ToolError: the probe failed for good.
        """
        ...


def probe_record(outcome: ProbeOutcome) -> dict[str, JsonValue]:
    """Return an outcome as JSON: ``done`` with a ``result``, or ``not_done`` or ``unknown`` with a ``reason``."""
    match outcome:
        case Done(result):
            return {"outcome": "done", "result": result}
        case NotDone():
            return {"outcome": "not_done", "reason": str(outcome)}
        case Unknown(reason):
            return {"outcome": "unknown", "reason": reason}


def read_probe_record(value: object) -> ProbeOutcome:
    """Return the outcome that ``probe_record`` wrote; anything else is ``Unknown``."""
    record = value if isinstance(value, dict) else {}
    reason = str(record.get("reason") or "")
    match record.get("outcome"):
        case "done":
            return Done(record.get("result"))
        case "not_done":
            return NotDone(reason)
        case "unknown":
            return Unknown(reason)
    return Unknown("The probe returned something else than done, not_done or unknown.")
