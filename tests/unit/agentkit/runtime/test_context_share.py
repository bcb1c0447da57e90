from __future__ import annotations

import pytest

from agentkit.interfaces import ContextUse
from agentkit.messages import Usage
from agentkit.runtime.context_share import reached_share
from agentkit.specs import AgentSpec, CompactionSettings

AGENT = AgentSpec(name="a", models=("demo:demo",), planner="tools")


def compacted(**settings: object) -> AgentSpec:
    return AGENT.model_copy(update={"compaction": CompactionSettings.model_validate(settings)})


@pytest.mark.parametrize(
    ("tokens", "reached"), [(799, False), (800, True), (5_000, True)], ids=["below", "at the share", "above"]
)
def test_input_and_output_tokens_count_together(tokens: int, reached: bool) -> None:
    usage = Usage(input_tokens=tokens - 100, output_tokens=100)
    expected = ContextUse(tokens=tokens, window=1_000) if reached else None
    assert reached_share(compacted(window=1_000), "demo:demo", usage) == expected


def test_the_share_and_the_window_of_the_agent_apply() -> None:
    usage = Usage(input_tokens=250)
    assert reached_share(compacted(window=1_000, at=0.25), "openai:gpt-4o", usage) is not None
    assert reached_share(compacted(window=1_000), "openai:gpt-4o", usage) is None


def test_without_settings_the_list_gives_the_window() -> None:
    use = reached_share(AGENT, "openai:gpt-4o", Usage(input_tokens=110_000))
    assert use == ContextUse(tokens=110_000, window=128_000)


def test_nothing_is_said_of_an_unknown_window_nor_where_compaction_is_off() -> None:
    usage = Usage(input_tokens=10_000_000)
    assert reached_share(AGENT, "demo:demo", usage) is None
    assert reached_share(compacted(window=1_000, off=True), "demo:demo", usage) is None
