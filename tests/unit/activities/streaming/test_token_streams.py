from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from activities.streaming.token_batches import ResponseId, TokenBatch
from activities.streaming.token_streams import NullTokenPublisher, TokenStreams, TokenSubscriber
from agentkit.interfaces import ModelDelta

RESPONSE = ResponseId("task", "run", "1", 1, 1)
OTHER_TASK = ResponseId("other", "run", "1", 1, 1)
TIMEOUT_S = 10.0


def text(words: str) -> ModelDelta:
    return ModelDelta("text", words)


def text_of(*batches: TokenBatch) -> str:
    return "".join(delta.text for batch in batches for delta in batch.deltas)


async def next_batches(subscriber: TokenSubscriber) -> list[TokenBatch]:
    async with asyncio.timeout(TIMEOUT_S):
        return (await subscriber.next_batches())[1]


async def receive_and_acknowledge(subscriber: TokenSubscriber, received: list[TokenBatch]) -> None:
    """Receive until the last batch, as an API process does."""
    while not (received and received[-1].last):
        number, batches = await subscriber.next_batches()
        received.extend(batches)
        subscriber.acknowledge(number)


@pytest.fixture
def streams() -> TokenStreams:
    return TokenStreams()


@pytest.fixture
async def subscriber(streams: TokenStreams) -> AsyncIterator[TokenSubscriber]:
    """It watches the task."""
    subscriber = TokenSubscriber(streams)
    subscriber.watch("task")
    yield subscriber
    subscriber.close()


async def test_deltas_of_one_moment_are_one_batch_with_kinds_in_order(
    streams: TokenStreams, subscriber: TokenSubscriber
) -> None:
    async with streams.publishing(RESPONSE) as emit:
        for delta in (ModelDelta("thinking", "Hm"), ModelDelta("thinking", "m."), text("Yes"), text(", it is.")):
            emit(delta)
        (batch,) = await next_batches(subscriber)
    assert batch == TokenBatch(RESPONSE, "start", (ModelDelta("thinking", "Hmm."), text("Yes, it is.")))


@pytest.mark.parametrize(("others", "least"), [pytest.param(0, 0.004, id="few"), pytest.param(99, 0.02, id="many")])
async def test_the_second_batch_is_due_later_the_more_tasks_have_open_streams(
    streams: TokenStreams, subscriber: TokenSubscriber, others: int, least: float
) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for number in range(others):
            await stack.enter_async_context(streams.publishing(ResponseId(f"other-{number}", "run", "1", 1, 1)))
        emit = await stack.enter_async_context(streams.publishing(RESPONSE))
        emit(text("one "))
        await next_batches(subscriber)
        first_sent_at = loop.time()
        emit(text("two "))
        emit(text("three"))
        (batch,) = await next_batches(subscriber)
        assert (batch.kind, text_of(batch)) == ("continue", "two three")
        assert loop.time() - first_sent_at >= least


async def test_only_watched_tasks_are_sent(streams: TokenStreams, subscriber: TokenSubscriber) -> None:
    async with streams.publishing(OTHER_TASK) as emit_other, streams.publishing(RESPONSE) as emit:
        emit_other(text("secret"))
        emit(text("hello"))
        assert [batch.response for batch in await next_batches(subscriber)] == [RESPONSE]


async def test_a_late_subscriber_gets_all_text_so_far_as_a_restart(streams: TokenStreams) -> None:
    late = TokenSubscriber(streams)
    async with streams.publishing(RESPONSE) as emit:
        for _ in range(1000):
            emit(text("word "))
        late.watch("task")
        (first,) = await next_batches(late)
        emit(text("end"))
        (second,) = await next_batches(late)
    assert (first.kind, text_of(first)) == ("restart", "word " * 1000)
    assert (second.kind, text_of(second)) == ("continue", "end")


async def test_watching_again_sends_all_text_again(streams: TokenStreams, subscriber: TokenSubscriber) -> None:
    async with streams.publishing(RESPONSE) as emit:
        emit(text("hello "))
        await next_batches(subscriber)
        subscriber.unwatch("task")
        emit(text("there"))
        subscriber.watch("task")
        (batch,) = await next_batches(subscriber)
    assert (batch.kind, text_of(batch)) == ("restart", "hello there")


async def test_a_second_attempt_sends_a_restart_before_its_first_delta(
    streams: TokenStreams, subscriber: TokenSubscriber
) -> None:
    async with streams.publishing(ResponseId("task", "run", "1", 2, 1)):
        (batch,) = await next_batches(subscriber)
    assert (batch.kind, batch.deltas) == ("restart", ())


@pytest.mark.parametrize(
    ("chars", "kind", "sent"),
    [
        pytest.param(60_000, "continue", "b" * 60_000, id="below the bound"),
        pytest.param(100_000, "restart", "a" + "b" * 100_000, id="above it"),
    ],
)
async def test_a_slow_subscriber_gets_a_restart_instead_of_too_many_pending_deltas(
    streams: TokenStreams, subscriber: TokenSubscriber, chars: int, kind: str, sent: str
) -> None:
    async with streams.publishing(RESPONSE) as emit:
        emit(text("a"))
        await next_batches(subscriber)
        for _ in range(chars // 1000):
            emit(text("b" * 1000))
        (batch,) = await next_batches(subscriber)
    assert (batch.kind, text_of(batch)) == (kind, sent)


async def test_a_complete_response_waits_for_the_acknowledgement(
    streams: TokenStreams, subscriber: TokenSubscriber
) -> None:
    received: list[TokenBatch] = []
    receiving = asyncio.create_task(receive_and_acknowledge(subscriber, received))
    async with streams.publishing(RESPONSE) as emit:
        emit(text("hello"))
    assert (text_of(*received), received[-1].last) == ("hello", True)
    await receiving


async def test_a_complete_response_waits_only_briefly_for_a_silent_subscriber(
    streams: TokenStreams, subscriber: TokenSubscriber
) -> None:
    loop = asyncio.get_running_loop()
    async with streams.publishing(RESPONSE) as emit:
        emit(text("hello"))
        completed_at = loop.time()
    assert 0.04 < loop.time() - completed_at < 1
    assert not await has_batches(subscriber)


async def test_a_failed_attempt_does_not_wait_and_sends_nothing_more(
    streams: TokenStreams, subscriber: TokenSubscriber
) -> None:
    async def fail() -> None:
        async with streams.publishing(RESPONSE) as emit:
            emit(text("hello"))
            raise ValueError("the provider failed")

    with pytest.raises(ValueError, match="the provider failed"):
        await asyncio.wait_for(fail(), TIMEOUT_S)
    assert streams.open_task_count == 0
    assert not await has_batches(subscriber)


async def test_a_response_that_is_too_long_is_not_published_further(
    streams: TokenStreams, subscriber: TokenSubscriber
) -> None:
    late = TokenSubscriber(streams)
    async with streams.publishing(RESPONSE) as emit:
        emit(text("a"))
        await next_batches(subscriber)
        emit(text("b" * 1_048_576))
        emit(text("c"))
        late.watch("task")
        assert not await has_batches(subscriber)
        assert not await has_batches(late)


async def test_a_closed_subscriber_gets_nothing(streams: TokenStreams, subscriber: TokenSubscriber) -> None:
    subscriber.close()
    async with streams.publishing(RESPONSE) as emit:
        emit(text("hello"))
        assert not await has_batches(subscriber)


async def test_a_worker_without_relay_gives_models_no_callback() -> None:
    async with NullTokenPublisher().publishing(RESPONSE) as emit:
        assert emit is None


async def has_batches(subscriber: TokenSubscriber) -> bool:
    """Return whether the subscriber gets batches before its event loop has nothing else to do."""
    receiving = asyncio.create_task(subscriber.next_batches())
    done, _ = await asyncio.wait([receiving], timeout=0.05)
    receiving.cancel()
    await asyncio.gather(receiving, return_exceptions=True)
    return bool(done)
