"""``opspawn inbox`` against a scripted API."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta

from tests.terminal import terminal_for
from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import JsonObject, ScriptedApi, input_request, problem


def open_request(number: int = 1, **fields: object) -> JsonObject:
    now = datetime.now(UTC)
    times = {
        "opened_at": (now - timedelta(hours=2, seconds=30)).isoformat(),
        "expires_at": (now + timedelta(days=1, seconds=30)).isoformat(),
    }
    return {**input_request(number, **times), "task_id": f"task-{number}", "agent": "clerk", **fields}


def page(*requests: JsonObject, next_cursor: str | None = None) -> JsonObject:
    return {"input_requests": [*requests], "next_cursor": next_cursor, "total": len(requests)}


def test_each_request_is_a_row_and_the_commands_follow(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/input-requests", page(open_request(), open_request(2, kind="question", message="Who?\nYou?")))

    lines = opspawn("inbox").out.splitlines()

    assert lines[0].split() == ["TASK", "REQUEST", "KIND", "AGENT", "AGE", "EXPIRES", "ASKS"]
    assert lines[1].split(maxsplit=6) == [
        *("task-1", "input_1", "approval", "clerk", "2h", "1d", 'transfer_money {"to": "DE02", "amount": 700}')
    ]
    assert lines[2].split(maxsplit=6) == ["task-2", "input_2", "question", "clerk", "2h", "1d", "Who? You?"]
    assert f"opspawn show task-1 --url {api.url}" in lines[3]
    assert f"opspawn approve task-1 input_1 --url {api.url}" in lines[4]


def test_filters_reach_the_api(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/input-requests", page())

    result = opspawn(
        *("inbox", "--kind", "approval", "--kind", "limit", "--agent", "clerk", "--approver", "finance"),
        *("--older-than", "1h", "--limit", "7"),
    )

    assert result.out == "No task asks anything.\n"
    assert api.requests[0].path == (
        "/api/v1/input-requests?agent=clerk&approver=finance&older_than=1h&limit=7&kind=approval&kind=limit"
    )


def test_an_unknown_kind_exits_with_2(opspawn: Opspawn) -> None:
    assert "--kind approvals: expected one of approval, question" in opspawn("inbox", "--kind", "approvals").err


def test_more_pages_are_mentioned(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/input-requests", page(open_request(), next_cursor="c"))

    assert "--limit shows more" in opspawn("inbox").out


def test_json_prints_the_response_of_the_api(api: ScriptedApi, opspawn: Opspawn) -> None:
    listed = page(open_request(more=[1]))
    api.on("GET", "/input-requests", listed)

    assert json.loads(opspawn("inbox", "--json").out) == listed


def test_on_a_terminal_new_requests_appear_until_ctrl_c_also_after_a_lost_connection(api: ScriptedApi) -> None:
    api.on(
        *("GET", "/input-requests"),
        page(),
        problem(503, "Temporal is unreachable", "start it"),
        page(open_request(), open_request(2)),
    )
    environment = {**os.environ, "TERM": "xterm"}  # noqa: TID251  # children need PATH and HOME
    command = [sys.executable, "-c", "from cli.main import main; main()", "inbox", "--url", api.url]

    with terminal_for(command, environment=environment) as terminal:
        terminal.wait_for("No task asks anything.")
        terminal.wait_for("connection lost, retrying: Temporal is unreachable")
        terminal.wait_for("task-2 +input_2 +approval +clerk")
        terminal.type("\x03")
        assert terminal.wait_for_end() == 0

    assert terminal.raw.rstrip().endswith("\x1b[?25h")  # the cursor is shown again
    assert "Traceback" not in terminal.output
