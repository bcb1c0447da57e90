"""Transcripts that were shortened, in the requests of every provider: calls and results stay paired."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest

from agentkit.interfaces import CompactionRequest, Model
from agentkit.messages import Message, StoredContent, TextPart, ThinkingPart, ToolCall, ToolResult, user_message
from agentkit.runtime.compaction.model_compactor import ModelCompactor
from agentkit.specs import AgentSpec, CompactionSettings, ToolSpec
from agentkit.testing import ReceivedRequest, ServerResponse
from tests.unit.agentkit.llm.providers import PROVIDERS, Provider

TOOLS = tuple(
    ToolSpec.model_validate({"name": name, "description": name, "parameters": {"type": "object"}, "effect": effect})
    for name, effect in (("look", "pure"), ("pay", "irreversible"))
)
SUMMARY = "Two birds were seen, and one bill was paid."
every_provider = pytest.mark.parametrize("name", PROVIDERS)


def step(provider: Provider, number: int) -> list[Message]:
    """Two parallel calls after a thought, one of which fails; every fifth step ends with feedback."""
    thought = ThinkingPart(text="hm", signature=f"signature{number}", provider=provider.name)
    calls = tuple(ToolCall(id=f"call_{number}_{part}", name="look", arguments={"at": part}) for part in (1, 2))
    results = tuple(
        ToolResult(call_id=call.id, name="look", content=f"{number} " + "bird " * 60, is_error=index == 1)
        for index, call in enumerate(calls)
    )
    messages = [
        Message(role="assistant", parts=(thought, TextPart(text="I look. " * 40), *calls), model=provider.model_name),
        Message(role="tool", parts=results),
    ]
    if number % 5 == 0:
        messages.append(Message(role="user", parts=(TextPart(text="Faster."),), source="planner"))
    return messages


def transcript(provider: Provider) -> list[Message]:
    payment = ToolCall(id="call_pay", name="pay", arguments={"bill": 1})
    image = StoredContent(media_type="image/png", size=3, claim={"key": "1"})
    paid = ToolResult(call_id="call_pay", name="pay", content="paid", files=(image,))
    return [
        user_message("Count the birds."),
        Message(role="assistant", parts=(payment,), model=provider.model_name),
        Message(role="tool", parts=(paid,)),
        Message(role="user", parts=(TextPart(text="Never at night."),), pinned=True),
        *(message for number in range(12) for message in step(provider, number)),
        Message(role="assistant", parts=(TextPart(text="Four bi"),), model=provider.model_name, is_interrupted=True),
        user_message("Go on."),
        *step(provider, 20),
    ]


async def shortened(provider: Provider, model: Model, window: int = 2_000) -> Sequence[Message]:
    agent = AgentSpec(
        name="a",
        models=(provider.model_name,),
        planner="tools",
        tools=TOOLS,
        compaction=CompactionSettings(window=window),
    )
    request = CompactionRequest(agent=agent, model=provider.model_name, reason="share")
    compacted = await ModelCompactor({provider.name: model}).compact(transcript(provider), request)
    assert compacted.tokens_after < compacted.tokens_before
    return compacted.messages


def paired_ids(body: Mapping[str, Any]) -> list[str]:
    """Return the ids of a request's tool calls; fail where one has no result right behind it, or the reverse."""
    calls, results = [*_calls(body)], [*_results(body)]
    assert [ids for _, ids in calls] == [ids for _, ids in results]
    for (called_at, ids), (answered_at, _) in zip(calls, results, strict=True):
        assert 0 < answered_at - called_at <= len(ids)
    return [call_id for _, ids in calls for call_id in ids]


def _entries(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = body.get("messages") or body.get("contents") or body.get("input") or []
    return entries


def _blocks(entry: dict[str, Any]) -> list[dict[str, Any]]:
    content = entry.get("content") or entry.get("parts") or []
    return content if isinstance(content, list) else []


def _grouped(found: list[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    """Join the ids of successive entries: some APIs have an entry for each call and result."""
    groups: list[tuple[int, list[str]]] = []
    for at, call_id in found:
        if groups and at <= groups[-1][0] + 1:
            groups[-1] = (at, [*groups[-1][1], call_id])
        else:
            groups.append((at, [call_id]))
    return groups


def _calls(body: Mapping[str, Any]) -> list[tuple[int, list[str]]]:
    found: list[tuple[int, str]] = []
    for at, entry in enumerate(_entries(body)):
        found += [(at, call["id"]) for call in entry.get("tool_calls") or []]
        found += [(at, block["id"]) for block in _blocks(entry) if block.get("type") == "tool_use"]
        found += [(at, block["functionCall"]["id"]) for block in _blocks(entry) if "functionCall" in block]
        found += [(at, entry["call_id"])] if entry.get("type") == "function_call" else []
    return _grouped(found)


def _results(body: Mapping[str, Any]) -> list[tuple[int, list[str]]]:
    found: list[tuple[int, str]] = []
    for at, entry in enumerate(_entries(body)):
        found += [(at, entry["tool_call_id"])] if entry.get("role") == "tool" else []
        found += [(at, block["tool_use_id"]) for block in _blocks(entry) if block.get("type") == "tool_result"]
        found += [(at, block["functionResponse"]["id"]) for block in _blocks(entry) if "functionResponse" in block]
        found += [(at, entry["call_id"])] if entry.get("type") == "function_call_output" else []
    return _grouped(found)


def without_cache_marks(value: Any) -> Any:
    """Return a body without the marks that tell a provider what to keep in its cache; they move with each request."""
    if isinstance(value, dict):
        return {key: without_cache_marks(inner) for key, inner in value.items() if key != "cache_control"}
    return [without_cache_marks(inner) for inner in value] if isinstance(value, list) else value


async def sent(name: str) -> tuple[list[ReceivedRequest], Sequence[Message]]:
    """Return the requests for a summary, and of two steps after it; and the shortened transcript."""
    provider = PROVIDERS[name]
    async with (
        provider.server([ServerResponse(text=SUMMARY)] * 9) as server,
        aclosing(provider.model(base_url=server.url)) as model,
    ):
        messages = await shortened(provider, model)
        first = replace(provider.request, messages=messages, tools=TOOLS)
        await model.respond(first)
        await model.respond(replace(first, messages=(*messages, *step(provider, 30))))
        return server.requests, messages


@every_provider
async def test_calls_and_results_are_paired_wherever_the_summary_ends(name: str) -> None:
    provider, kept = PROVIDERS[name], set()
    async with (
        provider.server([ServerResponse(text=SUMMARY)] * 99) as server,
        aclosing(provider.model(base_url=server.url)) as model,
    ):
        for window in range(2_400, 5_600, 125):
            messages = await shortened(provider, model, window)
            await model.respond(replace(provider.request, messages=messages, tools=TOOLS))
            ids = [call.id for message in messages for call in message.tool_calls]
            assert len(paired_ids(server.requests[-1].body)) == len(ids)
            kept.add(len(ids))
    assert len(kept) >= 3


@every_provider
async def test_the_summary_the_pinned_message_and_the_facts_are_sent(name: str) -> None:
    requests, _ = await sent(name)
    body = json.dumps(requests[-2].body).replace('\\"', '"')
    for text in ("Count the birds.", SUMMARY, "Never at night.", "Go on.", 'pay {"bill": 1} was done: paid'):
        assert text in body


@every_provider
async def test_a_summary_is_asked_for_without_tools_and_old_calls(name: str) -> None:
    requests, _ = await sent(name)
    for request in requests[:-2]:
        assert paired_ids(request.body) == []
        assert not request.body.get("tools")
        assert "<record>" in json.dumps(request.body)


@every_provider
async def test_until_the_next_compaction_each_request_begins_with_the_one_before(name: str) -> None:
    requests, _ = await sent(name)
    first, second = (without_cache_marks(_entries(request.body)) for request in requests[-2:])
    assert second[: len(first) - 1] == first[:-1]
    assert json.dumps(second[len(first) - 1]).startswith(json.dumps(first[-1])[:-3])


async def test_anthropic_gets_roles_that_alternate_from_a_person_on() -> None:
    requests, _ = await sent("anthropic")
    roles = [entry["role"] for entry in requests[-2].body["messages"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


async def test_google_gets_each_call_behind_a_message_of_a_person_or_a_result() -> None:
    requests, _ = await sent("google")
    roles = [entry["role"] for entry in requests[-2].body["contents"]]
    assert roles[0] == "user"
    assert "model,model" not in ",".join(roles)
