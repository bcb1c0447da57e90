from __future__ import annotations

import pytest

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import CompactionRequest
from agentkit.messages import Message, TextPart, user_message
from agentkit.specs import AgentSpec
from agentkit.testing import ScriptedCompactor

AGENT = AgentSpec(name="a", models=("demo:demo",), planner="tools")
REQUEST = CompactionRequest(agent=AGENT, model="demo:demo", reason="share", facts=("pay was done",))


def _said(text: str) -> Message:
    return Message(role="assistant", parts=(TextPart(text=text),))


async def test_the_first_message_and_the_newest_exchanges_are_kept() -> None:
    messages = [user_message("go"), _said("a"), user_message("b"), _said("c"), user_message("d")]
    compactor = ScriptedCompactor(keep=1)

    compacted = await compactor.compact(messages, REQUEST)

    assert [message.text for message in compacted.messages] == [
        "go",
        "This is a summary of 2 messages.\npay was done",
        "c",
        "d",
    ]
    assert (compacted.tokens_before, compacted.tokens_after) == (500, 400)
    assert (compactor.requests, compactor.transcripts) == ([REQUEST], [tuple(messages)])


async def test_a_transcript_that_is_short_already_stays_as_it_is() -> None:
    messages = (user_message("go"), _said("a"))
    compacted = await ScriptedCompactor().compact(messages, REQUEST)
    assert compacted.messages == messages


async def test_the_failures_come_first() -> None:
    compactor = ScriptedCompactor(failures=[ModelUnavailable("busy")])
    with pytest.raises(ModelUnavailable):
        await compactor.compact([user_message("go")], REQUEST)
    await compactor.compact([user_message("go")], REQUEST)
