from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from activities.streaming.token_streams import AnswerId, Answers, Listener, NoDeltas, Piece, Said
from agentkit.interfaces import ModelDelta

ANSWER = AnswerId("task", "run", "1", 1, 1)
WITHIN = 10.0


def text(words: str) -> ModelDelta:
    return ModelDelta("text", words)


async def next_of(listener: Listener) -> list[Piece]:
    async with asyncio.timeout(WITHIN):
        return (await listener.batch())[1]


def words(piece: Piece) -> str:
    return "".join(delta.text for delta in piece.deltas)


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def listener(answers: Answers) -> AsyncIterator[Listener]:
    """It watches the task."""
    listener = Listener(answers)
    listener.watch("task")
    yield listener
    listener.close()


async def confirming(listener: Listener, heard: list[Piece]) -> None:
    """Hear until the answer's end, as an API process does."""
    while not (heard and heard[-1].last):
        number, pieces = await listener.batch()
        heard.extend(pieces)
        listener.confirm(number)


async def test_what_is_said_at_once_is_one_piece_with_kinds_in_order(answers: Answers, listener: Listener) -> None:
    async with answers.telling(ANSWER) as emit:
        for delta in (ModelDelta("thinking", "Hm"), ModelDelta("thinking", "m."), text("Yes"), text(", it is.")):
            emit(delta)
        (piece,) = await next_of(listener)
    assert piece == Piece(ANSWER, "new", (ModelDelta("thinking", "Hmm."), text("Yes, it is.")))


@pytest.mark.parametrize(("others", "least"), [pytest.param(0, 0.004, id="few"), pytest.param(99, 0.02, id="many")])
async def test_the_first_piece_goes_at_once_and_the_next_later_the_more_models_speak(
    answers: Answers, listener: Listener, others: int, least: float
) -> None:
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for number in range(others):
            await stack.enter_async_context(answers.telling(AnswerId(f"other-{number}", "run", "1", 1, 1)))
        emit = await stack.enter_async_context(answers.telling(ANSWER))
        emit(text("one "))
        await next_of(listener)
        first = loop.time()
        emit(text("two "))
        emit(text("three"))
        (piece,) = await next_of(listener)
        assert (piece.start, words(piece)) == ("on", "two three")
        assert loop.time() - first >= least


async def test_only_watched_tasks_are_heard(answers: Answers, listener: Listener) -> None:
    other = AnswerId("other", "run", "1", 1, 1)
    async with answers.telling(other) as emit_other, answers.telling(ANSWER) as emit:
        emit_other(text("secret"))
        emit(text("hello"))
        assert [piece.answer for piece in await next_of(listener)] == [ANSWER]


async def test_who_comes_in_mid_answer_is_told_from_its_beginning(answers: Answers) -> None:
    late = Listener(answers)
    async with answers.telling(ANSWER) as emit:
        for _ in range(1000):
            emit(text("word "))
        late.watch("task")
        (piece,) = await next_of(late)
        emit(text("end"))
        (rest,) = await next_of(late)
    assert (piece.start, words(piece)) == ("again", "word " * 1000)
    assert (rest.start, words(rest)) == ("on", "end")


async def test_who_watches_once_more_is_told_from_the_beginning_again(answers: Answers, listener: Listener) -> None:
    async with answers.telling(ANSWER) as emit:
        emit(text("hello "))
        await next_of(listener)
        listener.unwatch("task")
        emit(text("there"))
        listener.watch("task")
        (piece,) = await next_of(listener)
    assert (piece.start, words(piece)) == ("again", "hello there")


async def test_a_new_attempt_takes_back_what_was_said_before_it_says_anything(
    answers: Answers, listener: Listener
) -> None:
    async with answers.telling(AnswerId("task", "run", "1", 2, 1)):
        (piece,) = await next_of(listener)
    assert (piece.start, piece.deltas) == ("again", ())


async def test_a_listener_that_is_slow_holds_little_and_misses_nothing_in_the_end(
    answers: Answers, listener: Listener
) -> None:
    async with answers.telling(ANSWER) as emit:
        emit(text("a"))
        await next_of(listener)
        for _ in range(100):
            emit(text("b" * 1000))
        (way,) = listener._waiting.values()
        assert way.size == 100_001  # it will be told anew
        assert sum(len(delta.text) for delta in way._deltas) <= 65_536
        (piece,) = await next_of(listener)
    assert (piece.start, words(piece)) == ("again", "a" + "b" * 100_000)


async def test_the_end_waits_until_all_was_taken(answers: Answers, listener: Listener) -> None:
    heard: list[Piece] = []
    hearing = asyncio.create_task(confirming(listener, heard))
    async with answers.telling(ANSWER) as emit:
        emit(text("hello"))
    assert ("".join(map(words, heard)), heard[-1].last) == ("hello", True)
    await hearing


async def test_the_end_waits_for_a_deaf_listener_for_a_moment_only(answers: Answers, listener: Listener) -> None:
    loop = asyncio.get_running_loop()
    async with answers.telling(ANSWER) as emit:
        emit(text("hello"))
        done = loop.time()
    assert loop.time() - done < 1
    assert listener._waiting == {}


async def test_an_attempt_that_fails_waits_for_nobody_and_leaves_nothing(answers: Answers, listener: Listener) -> None:
    async def fail() -> None:
        async with answers.telling(ANSWER) as emit:
            emit(text("hello"))
            raise ValueError("gone astray")

    with pytest.raises(ValueError, match="gone astray"):
        await fail()
    assert (answers.of("task"), listener._waiting) == ((), {})


async def test_an_answer_that_is_too_long_is_passed_on_no_further(answers: Answers, listener: Listener) -> None:
    late = Listener(answers)
    async with answers.telling(ANSWER) as emit:
        emit(text("a"))
        await next_of(listener)
        emit(text("b" * 1_048_576))
        emit(text("c"))
        late.watch("task")
        assert (listener._waiting, late._waiting) == ({}, {})


async def test_a_closed_listener_hears_nothing_more(answers: Answers, listener: Listener) -> None:
    listener.close()
    async with answers.telling(ANSWER) as emit:
        emit(text("hello"))
        assert listener._waiting == {}


async def test_with_nobody_who_could_listen_models_need_not_tell() -> None:
    async with NoDeltas().telling(ANSWER) as emit:
        assert emit is None


def test_what_was_said_is_kept_in_few_pieces() -> None:
    said = Said()
    for number in range(1000):
        said.add(text(f"{number} "))
    said.add(ModelDelta("tool_arguments", "{}"))
    whole = said.whole()
    assert [delta.kind for delta in whole] == ["text", "tool_arguments"]
    assert whole[0].text == "".join(f"{number} " for number in range(1000))
    assert len(said._joined) + len(said._recent) < 300
