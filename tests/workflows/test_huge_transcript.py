"""A transcript of more than 64 MiB, with messages larger than any payload in a history may be."""

from __future__ import annotations

from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from agentkit.errors import ContextTooLong
from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, TextPart
from agentkit.testing import ScriptedCompactor, ScriptedModel, ScriptedResponse
from agentkit.transcript import Segment
from tests.workflows.compacting import look, looking, summary_texts
from tests.workflows.conftest import TaskEnvironment
from workflows.agent_task import AgentTask
from workflows.task_types import StepEnds

MIB = 2**20
STEPS = 17
TOO_LONG = ContextTooLong("That is too much.", status=400)


def text_of(step: int) -> str:
    return f"{step:08d}" * (4 * MIB // 8)


async def test_a_transcript_of_68_mib_is_carried_from_run_to_run_shortened_and_read_back_whole(
    short_history_env: TaskEnvironment,
) -> None:
    env, lengths = short_history_env, list[int]()

    async def script(request: ModelRequest) -> ScriptedResponse:
        lengths.append(len(request.messages))
        step = len(lengths)
        if step <= STEPS:
            return Message(role="assistant", parts=(TextPart(text=text_of(step)), looking(step)), model="scripted:m")
        return TOO_LONG if step == STEPS + 1 else "Done."

    async with env.worker(ScriptedModel(script), look, compactor=ScriptedCompactor()):
        result, handle = await env.run("Write a lot.", env.agent(look))
        newest = env.client.get_workflow_handle_for(AgentTask.run, handle.id)
        ends = await newest.query("step_ends", result_type=StepEnds)
        [first] = ends.replaced
        # A worker that has nothing in its cache verifies every message by the digest.
        segment = Segment(workflow_id=handle.id, version=1, start=0, end=first.end, digest=first.digest)
        messages = await TranscriptReader(env.client, TranscriptCache(0)).recorded_messages([segment])
        shortened = await env.transcript(newest)
        assert (await newest.describe()).run_id != handle.first_execution_run_id
        size = (await newest.describe()).raw_description.workflow_execution_info.history_size_bytes
    assert (result.output, result.steps) == ("Done.", STEPS + 1)
    assert lengths == [*range(1, 2 * STEPS + 2, 2), 4]
    assert sum(len(message.canonical_json()) for message in messages) > 64 * MIB
    assert [message.text for message in messages if message.role == "assistant"] == list(
        map(text_of, range(1, STEPS + 1))
    )
    assert summary_texts(shortened) == [f"This is a summary of {2 * STEPS - 2} messages."]
    assert size < 100_000
