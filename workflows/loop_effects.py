"""The effects of the agent loop, carried out durably: activities, the journal and the Web UI's details."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from pydantic import JsonValue

    from activities.failure_mapping import model_error_from
    from activities.payload_types import (
        MODEL_ACTIVITY,
        NOTIFY_INPUT_ACTIVITY,
        SAMPLE_ACTIVITY,
        STORE_ACTIVITY,
        InputNotice,
        ModelCall,
        ModelReply,
        SamplingCall,
        StoredMessages,
        StoredTranscript,
        model_activity_id,
    )
    from activities.retry_policies import NOTIFY_INPUT_POLICY, STORING_POLICY, longest_attempt, model_policy
    from agentkit.errors import ModelError, NotDone, OpspawnError, ToolError, ToolInterrupted
    from agentkit.input_requests import InputAnswer, InputRequest
    from agentkit.interfaces import (
        MEMORY_TOOLS,
        PROBE_INTERVAL_S,
        READ_RESULT,
        CompactionReason,
        McpCall,
        McpDescription,
        McpToolCall,
        ModelResponse,
        ProbeOutcome,
        ToolContext,
        ToolOutput,
        ToolValue,
    )
    from agentkit.messages import StoredContent, ToolCall, ToolResult, Usage
    from agentkit.runtime.calls.call_effects import CheckedCall
    from agentkit.runtime.calls.client_inputs import ClientInputs
    from agentkit.runtime.calls.sampling import SamplingRequest
    from agentkit.runtime.calls.tool_invocation import tool_context
    from agentkit.runtime.limit_requests import limit_request
    from agentkit.runtime.loop import AgentLoop, interrupted_response
    from agentkit.specs import ToolSpec
    from workflows.answer_rules import LoopAnswerRules
    from workflows.client_requests import ClientRequests
    from workflows.human_input import HumanInput
    from workflows.listing.journal import (
        JOURNAL_KEY,
        JournalEntry,
        ParsedCallEntry,
        PlanEntry,
        RefusedCallEntry,
        SettledCallEntry,
        journal_batches,
    )
    from workflows.listing.listed_progress import ListedProgress
    from workflows.listing.listed_state import ListedState
    from workflows.listing.progress_details import ProgressDetails
    from workflows.search_attributes import MEMO_USER
    from workflows.steering_state import Steering, StepInterrupted
    from workflows.step_boundary import StepBoundary
    from workflows.task_limits import TaskLimits
    from workflows.task_memory import extract_memories, memory_scope, recall_memories
    from workflows.task_types import CarriedState
    from workflows.tools.plain_json import PlainArguments
    from workflows.tools.proxied_tools import run_mcp_description
    from workflows.tools.tool_execution import is_local, run_probe, run_tool
    from workflows.transcripts.compaction_run import run_compaction
    from workflows.transcripts.transcript_sharing import SHARE_TRANSCRIPT
    from workflows.transcripts.transcript_versions import TranscriptVersions

__all__ = ["DurableEffects"]

_INTERRUPTED = "Cancelled before it had a result: a person interrupted. Read their message first."
_MAX_KEPT_RESULTS = 1_000
"""The newest so many long results can be read by the model; all by the API."""


class DurableEffects:
    """Carries out what the loop decides, in a workflow: models and tools are called by activities."""

    def __init__(
        self,
        loop: AgentLoop,
        started_at: datetime,
        carried: CarriedState | None = None,
        *,
        versions: TranscriptVersions | None = None,
        boundary: StepBoundary | None = None,
        notify: bool = False,
    ) -> None:
        """Set up; ``started_at`` may be to come. With ``notify``, a webhook is called for each input request."""
        open_requests = carried.open_requests if carried else ()
        by_deadline = {request.id == (carried and carried.deadline_request): request for request in open_requests}
        self._carried_limit = by_deadline.get(False)
        """What asks for more steps, tokens or money since before the task continued as new."""
        self.versions = versions or TranscriptVersions()
        self._boundary = boundary or StepBoundary(_never)
        self.kept_results = dict(carried.kept_results or {}) if carried else {}
        """The long results and files that ``read_result`` can read, by the id of their call, and a file's number."""
        self.details = ProgressDetails()
        self.client_requests = ClientRequests()
        """What MCP servers ask during calls that run."""
        self.limits = TaskLimits(loop, started_at, by_deadline.get(True))
        self.listed = ListedState(
            is_paused=carried is not None and carried.is_paused,
            is_queued=started_at > workflow.now(),
            pending=open_requests,
        )
        self.steering = Steering(
            self.record,
            self.listed,
            is_paused=carried.is_paused if carried else False,
            queued=carried.queued_messages if carried else (),
            message_ids=carried.message_ids if carried else (),
        )
        self.human_input = HumanInput(
            self.record,
            self.listed,
            LoopAnswerRules(loop, self.limits),
            is_interrupted=lambda: self.steering.is_interrupted,
            on_opened=self._on_opened,
            after_wait=self._boundary.move_if_target_changed,
            opened_count=carried.opened_requests if carried else 0,
            carried=open_requests,
        )
        self._has_webhook = notify
        self._notices: dict[str, asyncio.Task[None]] = {}
        """Calls of the webhook, by the id of their request."""
        self._listed_progress = ListedProgress()
        self._plain_arguments = PlainArguments()
        self._loop = loop
        self._carried_notices = carried.unsent_notices if carried else ()

    def show_open_requests(self) -> None:
        """Show in the Web UI what an earlier run has asked; call the webhook where that run has not."""
        for request in self.human_input.pending:
            self.details.asked(request)
            if request.id in self._carried_notices:
                self._notify(request)

    @property
    def unsent_notices(self) -> tuple[str, ...]:
        """The ids of the pending requests whose webhook has not been called yet."""
        return tuple(request_id for request_id, notice in self._notices.items() if not notice.done())

    async def ask_for_limit(self, reached: str, step: int) -> InputAnswer:
        """Open an input request for a limit, or wait for the answer to one that an earlier run has opened."""
        request = self._carried_limit or limit_request(self, reached, step)
        self._carried_limit = None
        asking = asyncio.create_task(self.ask(request))
        try:
            await self._boundary.wait(asking.done)
        except asyncio.CancelledError:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            raise
        return asking.result()

    async def before_step(self, loop: AgentLoop) -> None:
        """Return when the task isn't paused and has time left, with the messages from people in the transcript."""
        if not self._may_go_on():
            self.details.paused(self.listed.status)
            await self._boundary.wait(self._may_go_on)
        await self._boundary.move_if_due()
        if self.steering.queued:
            loop.append_messages(self.steering.take_messages())

    def _may_go_on(self) -> bool:
        return not self.steering.is_paused and not self.limits.is_deadline_reached

    async def before_end(self) -> None:
        """Return when the task isn't paused: a person may want to add something before it ends."""
        if self.steering.is_paused:
            self.details.paused(self.listed.status)
            await self.steering.until_resumed()

    async def before_call(self, tool: ToolSpec) -> None:
        """Return when the task isn't paused and has time left; raise ``NotDone`` where a person interrupts the step."""
        if not self._may_go_on():
            await workflow.wait_condition(lambda: self._may_go_on() or self.steering.is_interrupted)
            self._boundary.move_if_target_changed()
        try:
            await self.steering.before_call()
        except StepInterrupted:
            raise NotDone(f"{tool.name} was not called: a person interrupted. Read their message first.") from None

    async def request_model(self, loop: AgentLoop) -> ModelResponse:
        """Run the model activity with references to the transcript."""
        self._share()
        composed = loop.composed_messages
        recorded = len(loop.transcript) - len(composed)
        call = ModelCall(
            step=loop.steps,
            agent_hash=loop.agent.hash,
            model=loop.model,
            end=recorded,
            digest=loop.transcript.digest(recorded),
            version=self.versions.number,
            composed_messages=composed,
            own_start=self.versions.own_start(recorded, has_own=bool(loop.plan or loop.ledger.entries)),
        )
        self.details.model_requested(loop.steps, loop.model)
        self._listed_progress.step_started(loop.steps, loop.usage, self.listed.waited)
        policy = model_policy(fallback=loop.has_fallback)
        try:
            activity: asyncio.Task[ModelReply] = workflow.start_activity(
                MODEL_ACTIVITY,
                call,
                activity_id=model_activity_id(loop.steps, loop.fallback_index, self.versions.number),
                result_type=ModelReply,
                start_to_close_timeout=policy.start_to_close,
                heartbeat_timeout=policy.heartbeat,
                retry_policy=policy.retry,
                # An interrupted request gives what the model had written.
                cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                summary=f"Step {loop.steps}: ask {loop.model}",
            )
            reply = await self.steering.interruptible(activity)
        except StepInterrupted:
            return interrupted_response(loop.model)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            raise model_error_from(error) from error
        self.details.model_responded(reply.response.message)
        return reply.response

    async def describe_mcp_tools(self, calls: Sequence[McpToolCall], taken: Collection[str]) -> McpDescription:
        """Run the activity that describes MCP tools; raise ``NotDone`` where a person interrupts the step."""
        try:
            await self.steering.before_call()
            return await self.steering.interruptible(asyncio.create_task(run_mcp_description(calls, taken)))
        except StepInterrupted:
            raise NotDone("Not called: a person interrupted. Read their message first.") from None

    async def store_messages(self, end: int) -> tuple[StoredMessages, ...]:
        """Run the activity that stores the messages of this run up to ``end``; return where they are.

        Raises:
            ActivityError: they can't be stored, or the task was cancelled.
        """
        task_id, transcript = workflow.info().workflow_id, self._loop.transcript
        self._share()
        segment = self.versions.segment(task_id, transcript, end).model_copy(update={"start": transcript.start})
        stored: StoredTranscript = await workflow.execute_activity(
            STORE_ACTIVITY,
            segment,
            result_type=StoredTranscript,
            start_to_close_timeout=STORING_POLICY.start_to_close,
            heartbeat_timeout=STORING_POLICY.heartbeat,
            retry_policy=STORING_POLICY.retry,
            summary=f"Store messages {segment.start} to {end}: the task continues as new",
        )
        return stored.pages

    async def compact(self, loop: AgentLoop, reason: CompactionReason, attempt: int = 1) -> bool:
        """Run the activity that shortens the transcript, and go on with the new version."""
        self._share()
        self.details.compacting(len(loop.transcript))
        entry = await run_compaction(loop, self.versions, reason, attempt)
        if entry is None:
            return False
        self.record([entry])
        messages, tokens = (entry.messages_before, entry.messages_after), (entry.tokens_before, entry.tokens_after)
        self.details.compacted(messages, tokens)
        return True

    def on_compaction_failed(self, error: OpspawnError) -> None:
        """Show the failure in the Web UI; the failed activity is in history."""
        self.details.compaction_failed(error)

    async def recall_memories(self) -> None:
        """Recall memories before the task's first step, if the agent is to, into the transcript."""
        self._share()
        await recall_memories(self._loop, self.versions)

    async def extract_memories(self) -> None:
        """Have a model remember what the task was about, if the agent is to."""
        self._share()
        await extract_memories(self._loop, self.versions)

    def _share(self) -> None:
        """Share the transcript with the activities of this process."""
        if share := workflow.extern_functions().get(SHARE_TRANSCRIPT):
            share(workflow.info().workflow_id, self.versions.number, self._loop.transcript, self._loop.agent)

    async def call_tool(self, tool: ToolSpec, call: ToolCall, step: int, mcp: McpCall | None = None) -> ToolValue:
        """Run the tool's activity; that of an MCP tool may ask for input while it runs."""
        if tool.mcp is None:
            return await self._call_tool(tool, call, step)
        self.client_requests.begin(call.id, partial(ClientInputs(self._loop, self, step).obtain, call, tool))
        try:
            return await self._call_tool(tool, call, step, mcp)
        finally:
            self.client_requests.end(call.id)

    async def _call_tool(self, tool: ToolSpec, call: ToolCall, step: int, mcp: McpCall | None = None) -> ToolValue:
        given = call.arguments
        read_id = _kept_id(given.get("call_id"), given.get("file")) if tool.name == READ_RESULT else ""
        context = self._context(tool, call, step, self.kept_results.get(read_id))
        if mcp is not None:
            context = context.model_copy(update={"mcp": mcp})
        running = run_tool(tool, call, context, self._plain_arguments)
        if tool.effect == "irreversible":  # never cancelled silently
            output = await running
        else:
            try:
                output = await self.steering.interruptible(asyncio.create_task(running))
            except StepInterrupted:
                raise ToolError(_INTERRUPTED) from None
        if isinstance(output, ToolOutput):
            self._keep((mcp and mcp.resumes) or call.id, output)
        return output

    async def sample(self, request: SamplingRequest) -> ModelResponse:
        """Run the activity that sends an MCP server's request to the task's model."""
        loop, policy = self._loop, model_policy(fallback=False)
        call = SamplingCall(task_id=workflow.info().workflow_id, step=loop.steps, model=loop.model, request=request)
        try:
            activity: asyncio.Task[ModelReply] = workflow.start_activity(
                SAMPLE_ACTIVITY,
                call,
                result_type=ModelReply,
                start_to_close_timeout=policy.start_to_close,
                heartbeat_timeout=policy.heartbeat,
                retry_policy=policy.retry,
                summary=f"Step {loop.steps}: an MCP server asks {loop.model}",
            )
            reply = await self.steering.interruptible(activity)
        except StepInterrupted:
            loop.add_usage(Usage(model_calls=1, unpriced_calls=1))
            raise ModelError("A person interrupted.") from None
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            failure = model_error_from(error)
            raise failure if isinstance(failure, ModelError) else ModelError(str(failure)) from error
        return reply.response

    async def probe_tool(self, tool: ToolSpec, call: ToolCall, step: int, error: ToolInterrupted) -> ProbeOutcome:
        """Run the tool's probe, and again after ``NotDone``: ``PROBE_INTERVAL_S`` later.

        A worker that can't be reached may not have ended: then it runs again when the call's time is over.
        """
        over_at, context = workflow.now() + longest_attempt(tool), self._context(tool, call, step)
        self.details.probing(tool.name, str(error))
        outcome = await run_probe(tool, call, context)
        if isinstance(outcome, NotDone):
            delay = timedelta(seconds=PROBE_INTERVAL_S)
            if error.may_still_run:
                delay = max(delay, over_at - workflow.now())
            await workflow.sleep(delay, summary=f"{tool.name} may still take effect")
            outcome = await run_probe(tool, call, context)
        self.details.probed(tool.name, outcome)
        return outcome

    def _context(self, tool: ToolSpec, call: ToolCall, step: int, kept: StoredContent | None = None) -> ToolContext:
        """Return the context of a call; ``kept`` is the result that it is to read."""
        task_id, agent = workflow.info().workflow_id, self._loop.agent.name
        user: str | None = workflow.memo_value(MEMO_USER, None, type_hint=str)
        context = tool_context(task_id, call.id, step, kept, agent=agent, user=user)
        if tool.name in MEMORY_TOOLS and self._loop.agent.memory is not None:
            context = context.model_copy(update={"memory": memory_scope(self._loop.agent)})
        return context if tool.mcp is None else context.model_copy(update={"mcp": McpCall(effect=tool.effect)})

    def now(self) -> datetime:
        """Return the workflow's time."""
        return workflow.now()

    def next_request_id(self) -> str:
        """Return the id of a new input request."""
        return self.human_input.next_request_id()

    async def ask(self, request: InputRequest) -> InputAnswer:
        """Open an input request, and wait for its answer."""
        try:
            answer = await self.human_input.ask(request)
        finally:
            if (notice := self._notices.pop(request.id, None)) is not None:
                notice.cancel()  # a request that has its answer needs no notice
        self.details.answered(answer)
        return answer

    def _on_opened(self, request: InputRequest) -> None:
        self.details.asked(request)
        if self._has_webhook:
            self._notify(request)

    def _notify(self, request: InputRequest) -> None:
        """Start the activity that calls the webhook; nothing waits for it, and it ends with its request."""
        if (earlier := self._notices.pop(request.id, None)) is not None:
            earlier.cancel()  # it was for those who were asked before
        notice = InputNotice(task_id=workflow.info().workflow_id, agent=self._loop.agent.name, request=request)
        sending = workflow.start_activity(
            NOTIFY_INPUT_ACTIVITY,
            notice,
            start_to_close_timeout=NOTIFY_INPUT_POLICY.start_to_close,
            heartbeat_timeout=NOTIFY_INPUT_POLICY.heartbeat,
            retry_policy=NOTIFY_INPUT_POLICY.retry,
            summary=f"Call the webhook for {request.id}",
        )
        self._notices[request.id] = sending
        sending.add_done_callback(lambda sent: sent.cancelled() or sent.exception())

    def on_call_edited(self, call: ToolCall, tool: ToolSpec) -> None:
        """Record in the journal the changed arguments of a call that no event of history will hold."""
        if is_local(tool):
            self.record([ParsedCallEntry(step=self._loop.steps, call=call)])

    def on_call_denied(self, call: ToolCall, result: ToolResult) -> None:
        """Record in the journal that the call is not made."""
        entry_call = call if self._is_proxied(call) else _named(call)
        self.record([RefusedCallEntry(step=self._loop.steps, call=entry_call, message=result.content)])

    def on_outcome_settled(self, call: ToolCall, result: ToolResult) -> None:
        """Record in the journal what became of the call."""
        self.record([SettledCallEntry(step=self._loop.steps, result=result)])

    def _keep(self, call_id: str, output: ToolOutput) -> None:
        if output.whole is not None:
            self.kept_results[_kept_id(call_id)] = output.whole
        for number, file in enumerate(output.files or (), 1):
            if file.is_text and file.claim is not None:
                self.kept_results[_kept_id(call_id, number)] = file
        for oldest in list(self.kept_results)[:-_MAX_KEPT_RESULTS]:
            del self.kept_results[oldest]

    def on_model_failed(self, model: str, error: ModelError) -> None:
        """Show the failure in the Web UI; the failed activity is in history."""
        self.details.model_failed(model, error)

    def on_plan(self, plan: Sequence[str]) -> None:
        """Record the plan in the journal."""
        self.details.plan_updated(plan)
        self.record([PlanEntry(step=self._loop.steps, plan=tuple(plan))])

    def on_calls_checked(self, calls: Sequence[CheckedCall]) -> None:
        """Record in the journal which calls are refused, and the calls that no event of history will hold."""
        native_ids = {call.id for call in self._loop.transcript.read()[-1].tool_calls}
        entries: list[JournalEntry] = []
        for checked in calls:
            call, outcome = checked.call, checked.outcome
            if isinstance(outcome, ToolResult):
                if call.id in native_ids and not self._is_proxied(call):
                    call = _named(call)
                decided_by = checked.decision.decided_by if checked.decision else None
                entries.append(
                    RefusedCallEntry(step=self._loop.steps, call=call, message=outcome.content, decided_by=decided_by)
                )
            elif call.id not in native_ids and is_local(outcome):
                entries.append(ParsedCallEntry(step=self._loop.steps, call=call))
        self.record(entries)

    def _is_proxied(self, call: ToolCall) -> bool:
        """Return whether the model has made the call by ``mcp_call``, so that its message has another name for it."""
        newest = self._loop.transcript.read()[-1]
        return any(each.id == call.id and each.name != call.name for each in newest.tool_calls)

    def on_tool_result(self, result: ToolResult) -> None:
        """Show the result in the Web UI."""
        self.details.tool_finished(result)

    def record(self, entries: Sequence[JournalEntry], memo: Mapping[str, object] | None = None) -> None:
        """Add entries to the journal; ``memo`` is upserted in the same event as the last of them."""
        batches = list(journal_batches(entries))
        for batch in batches[:-1]:
            workflow.upsert_memo({JOURNAL_KEY: batch})
        upserted = {**(memo or {}), **({JOURNAL_KEY: batches[-1]} if batches else {})}
        if upserted:
            workflow.upsert_memo(upserted)


async def _never(_: Callable[[], bool]) -> None:
    """Don't continue as new."""


def _named(call: ToolCall) -> ToolCall:
    """Return the call without its arguments: the model's message, or an earlier entry, holds them."""
    return ToolCall(id=call.id, name=call.name)


def _kept_id(call_id: JsonValue, file: JsonValue = None) -> str:
    """Return the key of a call's long result, or of a file of it."""
    return str(call_id) if file is None else f"{call_id}\n{file}"
