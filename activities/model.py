"""Request a language model, durably."""

from __future__ import annotations

from collections.abc import Mapping

from temporalio import activity

from activities.failure_mapping import application_error
from activities.heartbeat import heartbeating
from activities.payload_types import MODEL_ACTIVITY, ModelCall, ModelReply
from activities.storage.transcript_reader import TranscriptReader
from activities.streaming.token_batches import ResponseId
from activities.streaming.token_streams import NullTokenPublisher, TokenPublisher
from agentkit.errors import ModelNotAuthorized, OpspawnError
from agentkit.interfaces import Model, ModelResponse, OutputChecker
from agentkit.runtime.model_request import request_model

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

        Raises:
            ApplicationError: its type is the name of our error; see ``failure_mapping``.
        """
        async with heartbeating():
            try:
                response = await self._request(call)
            except OpspawnError as error:
                raise application_error(error) from error
        return ModelReply(response=response, model=call.model)

    async def _request(self, call: ModelCall) -> ModelResponse:
        agent = await self._reader.agent(call)
        messages = [*await self._reader.messages(call.segments), *call.composed_messages]
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
                emit=emit,
            )

    def _model(self, name: str) -> Model:
        provider = name.partition(":")[0]
        if provider not in self._models:
            raise ModelNotAuthorized(
                f"This worker has no {provider} model for {name!r}: set its key or address, and restart the worker. "
                "`opspawn doctor` says which."
            )
        return self._models[provider]


def _response_id(call: ModelCall) -> ResponseId:
    info = activity.info()
    return ResponseId(call.task_id, info.workflow_run_id or "", info.activity_id, info.attempt, call.step)
