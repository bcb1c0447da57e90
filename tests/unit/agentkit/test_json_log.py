from __future__ import annotations

import json
import logging
import sys

from agentkit.json_log import JsonLogFormatter
from agentkit.telemetry import TraceParent, trace_id, tracing_as


def test_a_record_is_one_line_with_its_exception() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "failed: %s", ("a\nb",), sys.exc_info())
    line = JsonLogFormatter().format(record)
    fields = json.loads(line)
    assert "\n" not in line
    assert (fields["level"], fields["logger"], fields["message"]) == ("error", "x", "failed: a\nb")
    assert fields["exception"].endswith("ValueError: two\nlines")
    assert not fields.keys() & {"task_id", "trace_id"}


def test_a_record_of_an_activity_has_the_ids_of_task_and_trace() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 1, "done", (), None)
    record.temporal_activity = {"workflow_id": "task-1"}
    fields = json.loads(JsonLogFormatter().format(record))
    assert (fields["task_id"], fields["trace_id"]) == ("task-1", f"{trace_id('task-1'):032x}")
    with tracing_as(TraceParent(7, 8)):
        assert json.loads(JsonLogFormatter().format(record))["trace_id"] == f"{7:032x}"
