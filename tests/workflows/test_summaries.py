"""Tasks on a real server whose transcript is shortened by the real compactor, with the demo model."""

from __future__ import annotations

from agentkit.llm import DemoModel
from agentkit.specs import CompactionSettings
from agentkit.tools import tool
from tests.workflows.compacting import compactions
from tests.workflows.conftest import TaskEnvironment

STEPS = 40


@tool(effect="irreversible", approval="never")
def pay(number: int) -> str:
    return f"paid {number} in full"


@tool(effect="pure")
def read(number: int) -> str:
    return f"{number}: {'word ' * 120}"


LINES = ['call pay {"number": 17}', *(f'call read {{"number": {number}}}' for number in range(STEPS)), "say Done."]


async def test_a_long_task_ends_as_without_summaries_and_knows_what_was_paid(env: TaskEnvironment) -> None:
    agent = env.agent(pay, read, compaction=CompactionSettings(window=3_000), limits={"max_steps": STEPS + 9})
    async with env.worker(DemoModel(), pay, read):
        result, handle = await env.run("\n".join(LINES), agent)
        transcript = await env.transcript(handle)
        made = compactions(await env.history(handle))

    assert result.output == "Done."
    assert result.usage.tool_calls == STEPS + 1
    assert len(made) >= 2
    assert all(entry.reason == "share" and entry.tokens_after < entry.tokens_before for entry in made)
    summaries = [message for message in transcript if message.source == "compaction"]
    assert len(summaries) == 1
    assert summaries[0].text.count('pay {"number": 17} was done at ') == 1
    assert result.usage.model_calls == STEPS + 2 + sum(entry.usage.model_calls for entry in made)
