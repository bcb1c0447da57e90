from __future__ import annotations

from collections.abc import Sequence

import pytest

from agentkit.errors import LoopDetected
from agentkit.messages import ToolCall, ToolResult
from agentkit.runtime.calls.repeated_calls import REPEATS_BEFORE_NOTICE, RepeatedCalls

LOOK = ToolCall(id="1", name="look", arguments={"at": "sky", "with": {"a": 1, "b": 2}})
SEE = ToolCall(id="2", name="see")


def result(call: ToolCall, content: str = "fog", *, is_error: bool = False) -> ToolResult:
    return ToolResult(call_id=call.id, name=call.name, content=content, is_error=is_error)


def record(repeated: RepeatedCalls, *calls: ToolCall, content: str = "fog") -> Sequence[ToolResult]:
    """Record a step in which all calls have the same result, and check it."""
    results = repeated.record(calls, [result(call, content) for call in calls])
    repeated.check(calls)
    return results


def test_from_the_third_time_on_the_model_reads_that_it_repeats_itself() -> None:
    repeated = RepeatedCalls(6)
    contents = [record(repeated, LOOK)[0].content for _ in range(5)]
    assert contents[:2] == ["fog", "fog"]
    assert contents[2] == (
        "fog\n\n[The same call had the same result in 3 steps in a row, and would have it again. "
        "Do something else, or finish with what you know.]"
    )
    assert "in 4 steps in a row" in contents[3]
    assert contents[4].endswith("Once more, and the task ends.]")


def test_the_sixth_time_is_an_error_that_names_the_limit_and_the_call() -> None:
    repeated = RepeatedCalls(6)
    for _ in range(5):
        record(repeated, LOOK)
    with pytest.raises(LoopDetected, match=r'max_repeats is 6, .* in as many steps in a row.*: look {"at": "sky"'):
        record(repeated, LOOK)


def test_ids_and_the_order_of_keys_make_no_difference() -> None:
    repeated = RepeatedCalls(2)
    record(repeated, LOOK)
    same = ToolCall(id="other", name="look", arguments={"with": {"b": 2, "a": 1}, "at": "sky"})
    with pytest.raises(LoopDetected):
        record(repeated, same)


@pytest.mark.parametrize(
    ("call", "new_result"),
    [
        pytest.param(LOOK.model_copy(update={"arguments": {"at": "sea"}}), result(LOOK), id="arguments"),
        pytest.param(LOOK.model_copy(update={"malformed": "sky"}), result(LOOK), id="malformed arguments"),
        pytest.param(LOOK.model_copy(update={"name": "see"}), result(LOOK), id="tool"),
        pytest.param(LOOK, result(LOOK, "rain"), id="result"),
        pytest.param(LOOK, result(LOOK, is_error=True), id="error"),
    ],
)
def test_another_call_or_another_result_starts_the_count_again(call: ToolCall, new_result: ToolResult) -> None:
    repeated = RepeatedCalls(2)
    for _ in range(3):
        record(repeated, LOOK)
        repeated.record([call], [new_result])
        repeated.check([call])


def test_a_step_with_a_call_that_is_new_goes_on_but_the_model_reads_of_the_repeated_one() -> None:
    repeated = RepeatedCalls(4)
    for number in range(10):
        new = ToolCall(id="2", name="look", arguments={"at": number})
        first, second = record(repeated, LOOK, new)
        assert ("steps in a row" in first.content) == (number + 1 >= REPEATS_BEFORE_NOTICE)
        assert second.content == "fog"


def test_the_same_calls_in_parallel_are_counted_by_steps_and_in_any_order() -> None:
    repeated = RepeatedCalls(3)
    record(repeated, LOOK, SEE, LOOK)
    record(repeated, SEE, LOOK)
    with pytest.raises(LoopDetected):
        record(repeated, LOOK, SEE)


def test_the_limit_is_six_where_none_is_set() -> None:
    repeated = RepeatedCalls(None)
    for _ in range(5):
        record(repeated, LOOK)
    with pytest.raises(LoopDetected, match="max_repeats is 6"):
        record(repeated, LOOK)


def test_with_a_limit_of_zero_nothing_is_counted() -> None:
    repeated = RepeatedCalls(0)
    contents = {record(repeated, LOOK)[0].content for _ in range(20)}
    assert (contents, dict(repeated.counts)) == ({"fog"}, {})


def test_the_counts_continue_where_they_were() -> None:
    before = RepeatedCalls(3)
    record(before, LOOK)
    record(before, LOOK)
    after = RepeatedCalls(3, before.counts)
    with pytest.raises(LoopDetected):
        record(after, LOOK)


def test_only_the_newest_steps_calls_are_kept() -> None:
    repeated = RepeatedCalls(6)
    for number in range(10):
        record(repeated, ToolCall(id="1", name="look", arguments={"at": number}))
    assert list(repeated.counts.values()) == [1]


def test_long_arguments_are_shortened_in_the_error() -> None:
    repeated = RepeatedCalls(2)
    call = ToolCall(id="1", name="look", arguments={"at": "x" * 100_000})
    record(repeated, call)
    with pytest.raises(LoopDetected) as raised:
        record(repeated, call)
    assert len(str(raised.value)) < 600
