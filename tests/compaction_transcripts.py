"""Transcripts for tests of compaction."""

from __future__ import annotations

from collections.abc import Sequence

from agentkit.interfaces import CompactionReason, CompactionRequest, ContextUse
from agentkit.messages import Message, TextPart, ToolCall, ToolResult, user_message
from agentkit.specs import AgentSpec, CompactionSettings, ToolSpec

LOOK = ToolSpec(name="look", description="", parameters={}, effect="pure")
PAY = ToolSpec(name="pay", description="", parameters={}, effect="irreversible")


def agent(window: int | None = 1_000, **fields: object) -> AgentSpec:
    compaction: dict[str, object] = {"window": window, "model": fields.pop("model", None)}
    return AgentSpec.model_validate(
        {
            "name": "a",
            "models": ("test:model",),
            "planner": "tools",
            "tools": (LOOK, PAY),
            "compaction": CompactionSettings.model_validate(compaction),
            **fields,
        }
    )


def request(
    spec: AgentSpec | None = None,
    reason: CompactionReason = "share",
    tokens: int | None = None,
    facts: Sequence[str] = (),
    attempt: int = 1,
) -> CompactionRequest:
    spec = spec or agent()
    settings = spec.compaction or CompactionSettings()
    context = None if tokens is None else ContextUse(tokens=tokens, window=settings.window or 0)
    return CompactionRequest(
        agent=spec, model=spec.models[0], reason=reason, context=context, facts=tuple(facts), attempt=attempt
    )


def said(text: str) -> Message:
    return Message(role="assistant", parts=(TextPart(text=text),), model="test:model")


def called(number: int, content: str, name: str = "look") -> tuple[Message, Message]:
    """A response with a call, and the result."""
    call = ToolCall(id=f"call_{number}", name=name, arguments={"number": number})
    result = ToolResult(call_id=call.id, name=name, content=content)
    return (
        Message(role="assistant", parts=(call,), model="test:model"),
        Message(role="tool", parts=(result,)),
    )


def task(steps: int, chars: int = 100, name: str = "look") -> list[Message]:
    """A task of so many steps, whose results have so many characters."""
    messages = [user_message("Count the birds.")]
    for number in range(steps):
        messages += called(number, "x" * chars, name)
    return messages


def talk(turns: int, chars: int = 200) -> list[Message]:
    """A conversation without tools."""
    messages: list[Message] = []
    for number in range(turns):
        messages += [user_message(f"question {number} " + "q" * chars), said(f"response {number} " + "r" * chars)]
    return messages


def are_paired(messages: Sequence[Message]) -> bool:
    """Return whether each tool message answers exactly the calls of the message before it."""
    for before, message in zip([None, *messages], messages, strict=False):
        if message.role != "tool":
            continue
        results = [part.call_id for part in message.parts if isinstance(part, ToolResult)]
        if before is None or [call.id for call in before.tool_calls] != results:
            return False
    calls = {call.id for message in messages for call in message.tool_calls}
    answered = {part.call_id for message in messages for part in message.parts if isinstance(part, ToolResult)}
    return calls == answered
