from __future__ import annotations

import asyncio
import enum
import functools
import inspect
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel, JsonValue

from agentkit.errors import NotDone, ToolArgumentsInvalid, ToolError, ToolInvalid, ToolUnavailable
from agentkit.interfaces import Done, ToolContext
from agentkit.tools import FunctionTool, tool

CONTEXT = ToolContext(task_id="t1", call_id="c1", idempotency_key="t1/c1", step=1)


class Colour(enum.Enum):
    RED = "red"


class Parcel(BaseModel):
    weight: float
    colour: Colour = Colour.RED


@dataclass
class Point:
    x: int
    when: datetime


@tool
def add(a: int, b: int = 2) -> int:
    """Add two numbers.

    Args:
        a: The first.
        b: The second.
    """
    return a + b


@tool(effect="idempotent", timeout="1m30s", approval="never", name="post.send", task_queue="post")
async def send(parcel: Parcel, context: ToolContext) -> str:
    """Send a parcel."""
    return f"{parcel.weight} {parcel.colour.value} {context.idempotency_key}"


def test_a_bare_tool_is_irreversible_and_takes_its_description_from_the_docstring() -> None:
    assert add.spec.model_dump() == {
        "name": "add",
        "description": "Add two numbers.",
        "parameters": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "a": {"type": "integer", "description": "The first."},
                "b": {"type": "integer", "description": "The second.", "default": 2},
            },
            "required": ["a"],
        },
        "effect": "irreversible",
        "timeout": 60.0,
        "approval": None,
        "fast": False,
        "task_queue": None,
    }


def test_options_become_fields_of_the_spec() -> None:
    spec = send.spec
    assert (spec.name, spec.effect, spec.timeout, spec.approval, spec.task_queue) == (
        "post.send", "idempotent", 90.0, "never", "post",
    )  # fmt: skip


def test_a_tool_can_be_called_as_a_function() -> None:
    assert add(1, b=5) == 6
    assert add.__doc__ is not None
    assert add.__doc__.startswith("Add two")


async def test_the_function_receives_typed_arguments_and_the_context() -> None:
    assert await send.call({"parcel": {"weight": 2, "colour": "red"}}, CONTEXT) == "2.0 red t1/c1"


def test_the_context_is_not_shown_to_the_model() -> None:
    assert "context" not in str(send.spec.parameters)


async def test_a_plain_function_runs_in_another_thread() -> None:
    loop_thread, ran_in = threading.get_ident(), []

    @tool
    def where() -> None:
        ran_in.append(threading.get_ident())

    await where.call({}, CONTEXT)
    assert ran_in != [loop_thread]


async def fetch_row(number: int, table: str = "t") -> str:
    """Fetch a row.

    Args:
        number: Of the row.
    """
    await asyncio.sleep(0)
    return f"{table} {number}"


def with_wraps(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def without_wraps(number: int) -> Any:
    return fetch_row(number)


def run_in_a_loop_of_its_own(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return asyncio.run(function(*args, **kwargs))

    return wrapper


class Decorator:
    """A decorator whose result is an object."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


class Table:
    async def row(self, number: int) -> str:
        return await fetch_row(number)

    async def __call__(self, number: int) -> str:
        return await fetch_row(number)


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(fetch_row, id="async"),
        pytest.param(with_wraps(fetch_row), id="wraps"),
        pytest.param(with_wraps(with_wraps(fetch_row)), id="wraps twice"),
        pytest.param(without_wraps, id="plain function that returns a coroutine"),
        pytest.param(run_in_a_loop_of_its_own(fetch_row), id="run in a loop of its own"),
        pytest.param(Decorator(fetch_row), id="object"),
        pytest.param(Decorator(with_wraps(fetch_row)), id="object around wraps"),
        pytest.param(functools.partial(fetch_row), id="partial"),
        pytest.param(functools.partial(with_wraps(fetch_row), table="t"), id="partial of wraps"),
        pytest.param(with_wraps(functools.partial(fetch_row, table="t")), id="wraps of partial"),
        pytest.param(Table().row, id="method"),
        pytest.param(Table(), id="async object"),
        pytest.param(functools.partial(Table()), id="partial of an async object"),
    ],
)
async def test_whatever_is_around_an_async_function_it_is_awaited(function: Callable[..., Any]) -> None:
    made = tool(effect="pure", name="row")(function)
    assert await made.call({"number": 1}, CONTEXT) == "t 1"
    assert "number" in json.dumps(made.spec.parameters["properties"])
    assert "test_function_tool.py:" in made.origin


@pytest.mark.parametrize(
    "function",
    [with_wraps(fetch_row), Decorator(fetch_row), functools.partial(fetch_row, table="t")],
    ids=["wraps", "object", "partial"],
)
def test_a_wrapped_function_has_its_own_name_and_description(function: Callable[..., Any]) -> None:
    spec = tool(function).spec
    assert (spec.name, spec.description) == ("fetch_row", "Fetch a row.")
    assert '"number": {"description": "Of the row.", "type": "integer"}' in json.dumps(spec.parameters)


async def test_what_a_partial_has_filled_in_is_no_argument() -> None:
    made = tool(effect="pure")(functools.partial(fetch_row, table="people"))
    assert made.spec.parameters["required"] == ["number"]
    assert "table" not in json.dumps(made.spec.parameters)
    assert await made.call({"number": 1}, CONTEXT) == "people 1"
    with pytest.raises(ToolArgumentsInvalid, match="unknown"):
        await made.call({"number": 1, "table": "secrets"}, CONTEXT)


async def test_a_decorator_may_change_the_signature() -> None:
    def wrapper(text: str) -> Any:
        return fetch_row(len(text))

    functools.update_wrapper(wrapper, fetch_row)
    wrapper.__annotations__ = {"text": str}
    wrapper.__signature__ = inspect.Signature([inspect.Parameter("text", inspect.Parameter.KEYWORD_ONLY)])  # type: ignore[attr-defined]
    assert await tool(effect="pure")(wrapper).call({"text": "abc"}, CONTEXT) == "t 3"


async def test_an_error_of_a_wrapped_async_function_is_a_tool_error() -> None:
    async def fail() -> None:
        raise ValueError("no row")

    with pytest.raises(ToolError, match="fail failed: ValueError: no row"):
        await tool(effect="pure")(with_wraps(fail)).call({}, CONTEXT)


async def test_a_blocking_function_does_not_block_the_event_loop() -> None:
    started, released = threading.Event(), threading.Event()

    @tool
    def block() -> bool:
        started.set()
        return released.wait(10)

    call = asyncio.create_task(block.call({}, CONTEXT))
    assert await asyncio.to_thread(started.wait, 10)
    assert not call.done()
    released.set()
    assert await call is True


async def test_wrong_arguments_are_named_with_the_expected_and_actual_value() -> None:
    with pytest.raises(ToolArgumentsInvalid) as raised:
        await add.call({"a": "many", "bb": 3}, CONTEXT)
    message = str(raised.value)
    assert "The arguments of add are wrong, so nothing was done" in message
    assert "- a: expected a valid integer" in message
    assert "got 'many'" in message
    assert "- bb: unknown. Did you mean 'b'? Arguments: a, b" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({}, "- a: required, but missing", id="missing"),
        pytest.param({"a": None}, "- a: expected a valid integer, got None", id="null"),
        pytest.param({"a": 1.5}, "- a: expected a valid integer, got a number with a fractional part", id="fraction"),
        pytest.param({"a": "\ud800"}, "surrogates not allowed", id="no Unicode"),
    ],
)
async def test_invalid_arguments_never_reach_the_function(arguments: dict[str, JsonValue], message: str) -> None:
    with pytest.raises(ToolArgumentsInvalid, match=message):
        await add.call(arguments, CONTEXT)


async def test_an_invalid_nested_value_is_named_by_its_path() -> None:
    with pytest.raises(ToolArgumentsInvalid, match=r"- parcel\.colour: expected 'red', got 'blue'"):
        await send.call({"parcel": {"weight": 1, "colour": "blue"}}, CONTEXT)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        pytest.param("text", "text", id="text"),
        pytest.param(None, None, id="nothing"),
        pytest.param(Parcel(weight=1), {"weight": 1.0, "colour": "red"}, id="model"),
        pytest.param(
            Point(1, datetime(2026, 1, 2, tzinfo=UTC)), {"x": 1, "when": "2026-01-02T00:00:00Z"}, id="dataclass"
        ),
        pytest.param([{1}, (2,)], [[1], [2]], id="collections"),
        pytest.param(float("inf"), "Infinity", id="infinity"),
        pytest.param(2**70, 2**70, id="large number"),
    ],
)
async def test_results_become_plain_json(value: object, plain: JsonValue) -> None:
    @tool
    def give() -> object:
        return value

    assert await give.call({}, CONTEXT) == plain


@pytest.mark.parametrize("value", [pytest.param(object(), id="object"), pytest.param("\ud800", id="half a character")])
async def test_the_error_about_a_result_without_json_form_states_that_the_work_was_done(value: object) -> None:
    @tool
    def give() -> object:
        return value

    with pytest.raises(ToolError, match=r"give did its work, but what it returned can't be shown"):
        await give.call({}, CONTEXT)


async def test_a_result_that_contains_itself_is_refused() -> None:
    @tool
    def give() -> list[object]:
        endless: list[object] = []
        endless.append(endless)
        return endless

    with pytest.raises(ToolError, match="can't be shown"):
        await give.call({}, CONTEXT)


@pytest.mark.parametrize(
    ("error", "error_type", "message"),
    [
        pytest.param(ToolUnavailable("busy"), ToolUnavailable, "^busy$", id="tool error"),
        pytest.param(
            ConnectionResetError("gone"), ToolUnavailable, "fails failed: ConnectionResetError: gone", id="lost"
        ),
        pytest.param(TimeoutError("slow"), ToolUnavailable, "fails failed: TimeoutError: slow", id="timed out"),
        pytest.param(KeyError("x"), ToolError, "fails failed: KeyError: 'x'", id="any error"),
        pytest.param(SystemExit(3), ToolError, "fails failed: SystemExit: 3", id="exit"),
        pytest.param(StopIteration(), ToolError, "fails failed: RuntimeError: StopIteration", id="stop iteration"),
        pytest.param(KeyboardInterrupt(), ToolError, "fails failed: RuntimeError: KeyboardInterrupt", id="interrupt"),
        pytest.param(asyncio.CancelledError(), ToolError, "fails failed: CancelledError: ", id="not our cancel"),
    ],
)
async def test_every_error_of_a_function_becomes_a_tool_error(
    error: BaseException, error_type: type[ToolError], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    @tool
    def fails() -> None:
        raise error

    caplog.set_level(logging.CRITICAL)
    async with asyncio.timeout(10):
        with pytest.raises(ToolError, match=message) as raised:
            await fails.call({}, CONTEXT)
    assert type(raised.value) is error_type


async def test_an_unexpected_error_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    @tool
    async def fails() -> None:
        raise KeyError("x")

    with pytest.raises(ToolError):
        await fails.call({}, CONTEXT)
    assert [record.message for record in caplog.records] == ["Tool call failed"]
    assert "KeyError" in caplog.text


async def test_cancelling_a_call_cancels_its_function() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    @tool
    async def waits() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    call = asyncio.create_task(waits.call({}, CONTEXT))
    async with asyncio.timeout(10):
        await started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert cancelled.is_set()


WRONG: Any = "pur"  # a type checker refuses it


def generate() -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(
            lambda: tool(effect=WRONG)(print), "effect is one of 'pure', 'idempotent', 'irreversible'", id="effect"
        ),
        pytest.param(lambda: tool(approval=WRONG)(print), "approval is one of None, 'always', 'never'", id="approval"),
        pytest.param(lambda: tool(fast=True)(add), r"fast=True is for pure tools only", id="fast"),
        pytest.param(lambda: tool(timeout="soon")(generate), "timeout: expected a duration such as 30s", id="timeout"),
        pytest.param(lambda: tool(timeout=1e15)(generate), "timeout: expected seconds above 0", id="millions of years"),
        pytest.param(lambda: tool(timeout=0)(generate), "timeout: expected seconds above 0", id="no time"),
        pytest.param(lambda: tool(timeout=float("inf"))(generate), "timeout: expected seconds", id="endless"),
        pytest.param(lambda: tool(name="1st")(generate), "'1st' can't be a tool's name", id="name"),
        pytest.param(lambda: tool(name="a" * 65)(generate), "64 at most", id="long name"),
        pytest.param(lambda: tool(generate), "generate yields. Return one value", id="generator"),
        pytest.param(lambda: tool(Point), "@tool expects a function", id="class"),
    ],
)
def test_invalid_options_are_refused_with_a_correction(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ToolInvalid, match=message):
        make()


def test_a_tools_origin_is_the_file_and_line_of_its_function() -> None:
    assert isinstance(add, FunctionTool)
    assert add.origin.startswith(f"{__file__}:")
    assert repr(add) == f"<tool add of {add.origin}>"


# Probes.


def paid(key: str, arguments: dict[str, Any]) -> Done:
    return Done({"key": key, **arguments})


async def paid_later(key: str, arguments: dict[str, Any], context: ToolContext) -> Done:
    return Done([key, context.step])


def not_paid(key: str, arguments: dict[str, Any]) -> NotDone:
    raise NotDone("no such payment")


@pytest.mark.parametrize(("probe", "result"), [(paid, {"key": "t/c", "cents": 7}), (paid_later, ["t/c", 1])])
async def test_a_probe_gets_key_and_arguments_and_its_result_is_plain_json(probe: Any, result: JsonValue) -> None:
    @tool(probe=probe)
    def pay(cents: int) -> str:
        raise AssertionError

    context = ToolContext(task_id="t", call_id="c", idempotency_key="t/c", step=1)
    assert await pay.probe({"cents": 7}, context) == Done(result)
    assert pay.spec.has_probe


async def test_a_probe_may_return_or_raise_that_nothing_was_done() -> None:
    @tool(probe=not_paid)
    def pay(cents: int) -> str:
        raise AssertionError

    outcome = await pay.probe({"cents": 7}, ToolContext(task_id="t", call_id="c", idempotency_key="t/c", step=1))
    assert isinstance(outcome, NotDone)
    assert str(outcome) == "no such payment"


@pytest.mark.parametrize(
    ("outcome", "error", "message"),
    [
        (ConnectionResetError("reset"), ToolUnavailable, "The probe of pay failed: ConnectionResetError: reset"),
        (KeyError("x"), ToolError, "The probe of pay failed: KeyError: 'x'"),
        (True, ToolError, "returned bool, not Done, NotDone or Unknown"),
    ],
)
async def test_a_probe_that_fails_is_an_error(outcome: object, error: type[ToolError], message: str) -> None:
    def find(key: str, arguments: dict[str, Any]) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @tool(probe=find)
    def pay(cents: int) -> str:
        raise AssertionError

    with pytest.raises(error, match=re.escape(message)) as raised:
        await pay.probe({"cents": 7}, ToolContext(task_id="t", call_id="c", idempotency_key="t/c", step=1))
    assert type(raised.value) is error


def test_only_irreversible_tools_have_probes() -> None:
    with pytest.raises(ToolInvalid, match="only an irreversible tool needs a probe"):

        @tool(effect="idempotent", probe=paid)
        def note() -> str:
            raise AssertionError
