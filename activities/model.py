"""Request a language model, durably."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from temporalio import activity

from activities.failure_mapping import application_error
from activities.heartbeat import heartbeating
from activities.payload_types import MODEL_ACTIVITY, SAMPLE_ACTIVITY, ModelCall, ModelReply, SamplingCall
from activities.storage.transcript_reader import TranscriptReader
from activities.streaming.token_batches import ResponseId
from activities.streaming.token_streams import NullTokenPublisher, TokenPublisher
from agentkit.errors import ModelNotAuthorized, OpspawnError
from agentkit.interfaces import Emit, Model, ModelDelta, ModelResponse, OutputChecker
from agentkit.messages import Message, TextPart, Usage
from agentkit.observed_calls import observed_response
from agentkit.runtime.calls.sampling import to_model_request
from agentkit.runtime.model_request import request_model, with_unpriced_calls

__all__ = ["ModelActivities"]


class ModelActivities:
    """The model activity of a worker."""

    def __init__(
        self,
        models: Mapping[str, Model],
        reader: TranscriptReader,
        checker: OutputChecker,
        publisher: TokenPublisher | None = None,
    ) -> None:
        """Request ``models``, keyed by provider; ``publisher`` gets the deltas of their responses."""
        self._models = models
        self._reader = reader
        self._checker = checker
        self._publisher = publisher or NullTokenPublisher()

    @activity.defn(name=MODEL_ACTIVITY)
    async def request_model(self, call: ModelCall) -> ModelReply:
        """Render the transcript that the call refers to, request the model once, and return its response.

        Where the workflow cancels the call, because a person interrupts it, return what the model had written.

        Raises:
            ApplicationError: its type is the name of our error; see ``failure_mapping``.
        """
        written: list[str] = []
        async with heartbeating():
            try:
                response = await self._request(call, written)
            except OpspawnError as error:
                raise application_error(error) from error
            except asyncio.CancelledError:
                details = activity.cancellation_details()
                if details is None or not details.cancel_requested:
                    raise  # the worker stops, or the task has ended: nobody reads it
                response = _interrupted(call.model, written)
        return ModelReply(response=response)

    @activity.defn(name=SAMPLE_ACTIVITY)
    async def sample_model(self, call: SamplingCall) -> ModelReply:
        """Send an MCP server's request to a model once, and return its response.

        Raises:
            ApplicationError: its type is the name of our error; see ``failure_mapping``.
        """
        async with heartbeating():
            try:
                request = to_model_request(call.request, call.model, activity.info().attempt)
                response = await observed_response(self._model(call.model), request)
            except OpspawnError as error:
                raise application_error(error) from error
        return ModelReply(response=with_unpriced_calls(response))

    async def _request(self, call: ModelCall, written: list[str]) -> ModelResponse:
        """Return the model's response; the text of its deltas is appended to ``written`` meanwhile."""
        task_id = activity.info().workflow_id or ""
        agent = await self._reader.agent(task_id, call.agent_hash)
        messages = [*await self._reader.messages([call.segment(task_id)]), *call.composed_messages]
        model, attempt = self._model(call.model), activity.info().attempt
        async with self._publisher.publishing(_response_id(call)) as emit:
            return await request_model(
                model,
                agent,
                messages,
                checker=self._checker,
                name=call.model,
                step=call.step,
                attempt=attempt,
                own_start=call.own_start or 0,
                emit=partial(_emit_and_keep, written, emit),
            )

    def _model(self, name: str) -> Model:
        provider = name.partition(":")[0]
        if provider not in self._models:
            raise ModelNotAuthorized(
                f"This worker has no {provider} model for {name!r}: set its key or address, and restart the worker. "
                "`opspawn doctor` says which."
            )
        return self._models[provider]


def _emit_and_keep(written: list[str], emit: Emit | None, delta: ModelDelta) -> None:
    if delta.kind == "text":
        written.append(delta.text)
    if emit is not None:
        emit(delta)


def _interrupted(model: str, written: Sequence[str]) -> ModelResponse:
    """Return the response of a model that was interrupted; its tokens are not known."""
    text = "".join(written)
    parts = (TextPart(text=text),) if text.strip() else ()
    message = Message(role="assistant", parts=parts, model=model, is_interrupted=True)
    return ModelResponse(message=message, stop_reason="interrupted", usage=Usage(model_calls=1, unpriced_calls=1))


def _response_id(call: ModelCall) -> ResponseId:
    info = activity.info()
    return ResponseId(info.workflow_id or "", info.workflow_run_id or "", info.activity_id, info.attempt, call.step)
