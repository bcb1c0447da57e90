"""Ask a language model, durably."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from temporalio import activity

from activities.failure_mapping import application_error
from activities.heartbeat import heartbeating
from activities.payload_types import MODEL_ACTIVITY, ModelCall, ModelReply
from activities.streaming.token_streams import AnswerId, Deltas, NoDeltas
from activities.transcript_reader import TranscriptReader
from agentkit.errors import ModelNotAuthorized, OpspawnError
from agentkit.interfaces import Model, ModelResponse
from agentkit.planners import get_planner
from agentkit.runtime.loop import with_unique_call_ids

__all__ = ["ModelActivities"]


class ModelActivities:
    """Asks models on behalf of workflows; models are keyed by provider."""

    def __init__(self, models: Mapping[str, Model], reader: TranscriptReader, deltas: Deltas | None = None) -> None:
        """Take what answers, what reads the transcript, and where deltas go."""
        self._models = models
        self._reader = reader
        self._deltas = deltas or NoDeltas()

    @activity.defn(name=MODEL_ACTIVITY)
    async def request_model(self, call: ModelCall) -> ModelReply:
        """Render the referenced transcript, ask the model once, and return its answer.

        Raises:
            ApplicationError: typed by the name of our error; see ``posture``.
        """
        async with heartbeating():
            try:
                response = await self._ask(call)
            except OpspawnError as error:
                raise application_error(error) from error
        return ModelReply(response=response, model=call.model)

    async def _ask(self, call: ModelCall) -> ModelResponse:
        agent = await self._reader.agent(call)
        messages = [*await self._reader.messages(call.segments), *call.delta]
        request = get_planner(agent.planner).render(agent, messages, agent.tools)
        request = replace(request, model=call.model, attempt=activity.info().attempt)
        async with self._deltas.telling(_answer_id(call)) as emit:
            response = await self._model(call.model).respond(request, emit)
        return response.model_copy(update={"message": with_unique_call_ids(response.message, messages, call.step)})

    def _model(self, name: str) -> Model:
        provider = name.partition(":")[0]
        if provider not in self._models:
            raise ModelNotAuthorized(
                f"This worker has no {provider} model for {name!r}: set its key or address, and restart the worker. "
                "`opspawn doctor` says which."
            )
        return self._models[provider]


def _answer_id(call: ModelCall) -> AnswerId:
    info = activity.info()
    return AnswerId(call.task_id, info.workflow_run_id or "", info.activity_id, info.attempt, call.step)
