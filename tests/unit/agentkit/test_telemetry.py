from __future__ import annotations

import pytest

from agentkit.telemetry import TraceParent, current_trace, span_id, trace_id, tracing_as

VALID = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_traceparent_is_read_and_written() -> None:
    assert str(TraceParent.read(f" {VALID} ")) == VALID
    assert TraceParent.read("01" + VALID[2:] + "-later") == TraceParent.read(VALID), "a later version may have more"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "x",
        VALID.upper(),
        VALID + "-more",
        "ff" + VALID[2:],
        VALID.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        VALID.replace("b7ad6b7169203331", "0" * 16),
        VALID[:-1],
    ],
)
def test_a_traceparent_that_is_not_valid_is_ignored(text: str | None) -> None:
    assert TraceParent.read(text) is None


def test_ids_depend_on_all_parts() -> None:
    ids = {span_id("a", "b", 1), span_id("a", "b", 2), span_id("ab", "", 1), span_id("a", "b1")}
    assert len(ids) == 4
    assert trace_id("task-1") == trace_id("task-1") != trace_id("task-2")


def test_the_current_span_is_that_of_the_code_inside() -> None:
    assert current_trace() is None
    with tracing_as(TraceParent(1, 2)):
        assert current_trace() == TraceParent(1, 2)
    assert current_trace() is None
