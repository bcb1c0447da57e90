from __future__ import annotations

import asyncio

import pytest

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import ModelRequest
from agentkit.messages import user_message
from agentkit.observed_calls import (
    ObservedEmbeddings,
    ObservedModelCall,
    observed_embeddings,
    observed_response,
    observing,
)
from agentkit.testing import ScriptedModel, WordEmbedder

REQUEST = ModelRequest(model="scripted:m", system="", messages=[user_message("Hello.")])


class Observer:
    def __init__(self) -> None:
        self.calls: list[ObservedModelCall | ObservedEmbeddings] = []

    def on_model_call(self, call: ObservedModelCall) -> None:
        self.calls.append(call)

    def on_embeddings(self, call: ObservedEmbeddings) -> None:
        self.calls.append(call)


async def test_calls_are_reported_with_their_results_and_errors() -> None:
    observer, model = Observer(), ScriptedModel(["Hi.", ModelUnavailable("Later.", status=503)])
    with observing(observer):
        response = await asyncio.create_task(observed_response(model, REQUEST))
        with pytest.raises(ModelUnavailable):
            await observed_response(model, REQUEST)
        await observed_embeddings(WordEmbedder("words", 8), ["a"], "query")
    answered, failed, embedded = observer.calls
    assert isinstance(answered, ObservedModelCall)
    assert (answered.request, answered.response, answered.error_type) == (REQUEST, response, None)
    assert isinstance(failed, ObservedModelCall)
    assert (failed.response, failed.error_type) == (None, "ModelUnavailable")
    assert isinstance(embedded, ObservedEmbeddings)
    assert (embedded.model, embedded.dimension, embedded.error_type) == ("words", 8, None)
    assert embedded.end_ns >= embedded.start_ns > 0


async def test_an_observer_that_fails_fails_no_call(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Observer):
        def on_model_call(self, call: ObservedModelCall) -> None:
            raise RuntimeError("no observer")

        def on_embeddings(self, call: ObservedEmbeddings) -> None:
            raise RuntimeError("no observer")

    with observing(Failing()):
        response = await observed_response(ScriptedModel(["Hi."]), REQUEST)
        assert response.message.text == "Hi."
        assert len(await observed_embeddings(WordEmbedder(dimension=8), ["a"], "query")) == 1
    assert caplog.text.count("RuntimeError: no observer") == 2


async def test_without_an_observer_calls_are_only_made() -> None:
    response = await observed_response(ScriptedModel(["Hi."]), REQUEST)
    assert response.message.text == "Hi."
    assert len(await observed_embeddings(WordEmbedder(dimension=8), ["a"], "query")) == 1
