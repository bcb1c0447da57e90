from __future__ import annotations

import asyncio
import threading

import pytest

from agentkit.errors import ModelUnavailable
from agentkit.interfaces import LoadableModel, Model, ModelRequest, ModelWait, RateLimited
from agentkit.llm import DemoModel
from agentkit.llm.wrappers.deferred_model import DeferredModel
from agentkit.messages import user_message

REQUEST = ModelRequest(model="demo:demo", system="", messages=(user_message("Hi"),))


class _LimitedModel(DemoModel):
    is_closed = False

    def waits(self) -> list[ModelWait]:
        return [ModelWait(model="demo:demo", key="KEY", seconds=1.0, requests=1)]

    async def aclose(self) -> None:
        self.is_closed = True


async def test_parallel_first_requests_build_the_model_once_while_the_event_loop_goes_on() -> None:
    release, threads = threading.Event(), list[int]()

    def build() -> Model:
        threads.append(threading.get_ident())
        assert release.wait(20)
        return DemoModel()

    model = DeferredModel("demo", build)
    requests = [asyncio.create_task(model.respond(REQUEST)) for _ in range(3)]
    loading = asyncio.create_task(model.load())
    await asyncio.sleep(0)
    release.set()
    responses = await asyncio.gather(*requests)
    await loading
    assert {response.message.text for response in responses} != {""}
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_a_cancelled_request_does_not_stop_the_building_of_the_model() -> None:
    release, built = threading.Event(), list[Model]()

    def build() -> Model:
        assert release.wait(20)
        built.append(DemoModel())
        return built[0]

    model = DeferredModel("demo", build)
    cancelled = asyncio.create_task(model.respond(REQUEST))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    release.set()
    await model.respond(REQUEST)
    assert len(built) == 1


async def test_a_model_that_could_not_be_built_is_built_again_by_the_next_request() -> None:
    outcomes: list[Model | ImportError] = [DemoModel(), ImportError("no SDK")]

    def build() -> Model:
        outcome = outcomes.pop()
        if isinstance(outcome, ImportError):
            raise outcome
        return outcome

    model = DeferredModel("demo", build)
    with pytest.raises(ModelUnavailable, match="demo can't be loaded by this worker: ImportError: no SDK"):
        await model.load()
    assert (await model.respond(REQUEST)).message.text


async def test_waits_are_those_of_the_built_model() -> None:
    built = _LimitedModel()
    model = DeferredModel("demo", lambda: built)
    assert isinstance(model, RateLimited)
    assert isinstance(model, LoadableModel)
    assert model.waits() == ()
    await model.load()
    assert [wait.requests for wait in model.waits()] == [1]


async def test_closing_builds_nothing_and_closes_what_is_built() -> None:
    built = _LimitedModel()
    unused, used = DeferredModel("demo", pytest.fail), DeferredModel("demo", lambda: built)
    await unused.aclose()
    await used.load()
    await used.aclose()
    assert built.is_closed
    assert "DeferredModel('demo')" in repr(unused)


async def test_a_failure_that_no_request_waited_for_is_not_that_of_the_next_request() -> None:
    release, outcomes = threading.Event(), list[Model | ImportError]([DemoModel(), ImportError("no SDK")])

    def build() -> Model:
        assert release.wait(20)
        outcome = outcomes.pop()
        if isinstance(outcome, ImportError):
            raise outcome
        return outcome

    model = DeferredModel("demo", build)
    cancelled = asyncio.create_task(model.respond(REQUEST))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    release.set()
    await model.aclose()  # it waits until the building has failed
    assert (await model.respond(REQUEST)).message.text


async def test_a_model_that_is_closed_while_it_is_built_is_closed_then() -> None:
    release, built = threading.Event(), _LimitedModel()

    def build() -> Model:
        assert release.wait(20)
        return built

    model = DeferredModel("demo", build)
    loading = asyncio.create_task(model.load())
    await asyncio.sleep(0)
    closing = asyncio.create_task(model.aclose())
    await asyncio.sleep(0)
    release.set()
    await asyncio.gather(loading, closing)
    assert built.is_closed
