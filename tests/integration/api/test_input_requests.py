"""Input requests over REST and gRPC: their answers, with a worker and without one, and the inbox over all tasks."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from grpc import StatusCode
from pydantic import SecretStr

from agentkit.messages import ToolCall
from agentkit.testing import ScriptedResponse
from api.proto.opspawn.v1 import tasks_pb2
from api.tasks.task_reading import read_task_input
from tests.integration.api.clerk import Payments, by_step, pay_call, payments_settings, problem_of
from tests.integration.api.conftest import WITHIN, ApiHarness, eventually, serve_rest, settings_for
from tests.integration.api.grpc_harness import failure, serve_grpc

FINANCE = {"tool": "pay", "then": "ask", "approvers": ["finance", "ada"]}
TWO_PEOPLE = {"tool": "pay", "then": "ask", "count": 2}


@pytest.fixture
async def payments(tmp_path: Path, temporal_port: int) -> AsyncIterator[Payments]:
    """An agent that pays, in an API of the test's own."""
    async with serve_rest(payments_settings(tmp_path, temporal_port)) as api:
        yield Payments(api)


async def inbox(api: ApiHarness, task_ids: set[str], **filters: Any) -> dict[str, Any]:
    """Wait until the inbox has requests of these tasks; return the page."""

    def is_complete(page: dict[str, Any]) -> bool:
        return {request["task_id"] for request in page["input_requests"]} == task_ids

    return await eventually(lambda: api.get("/input-requests", **filters), is_complete)


async def test_an_approved_call_is_made_and_the_task_goes_on(payments: Payments) -> None:
    async with payments.worker([pay_call(), "Paid."]):
        task = await payments.waiting(FINANCE)
        (request,) = task["input_requests"]
        response = await payments.answer(
            task, comment="Fine.", answered_by="grace", groups=["finance"], sha256=request["sha256"]
        )
        ended = await payments.api.task(task["id"], wait=WITHIN)
    assert (task["status"], request["tool"], request["arguments"]) == ("waiting", "pay", {"cents": 700})
    assert (response.status_code, response.json()["input_requests"]) == (200, [])
    assert (ended["status"], ended["output"], payments.paid) == ("completed", "Paid.", [700])


async def test_tasks_that_wait_are_counted_at_metrics_by_age(payments: Payments) -> None:
    async def counted() -> str:
        return (await payments.api.http.get("/metrics")).text

    async with payments.worker([pay_call(), "Paid."]):
        task = await payments.waiting()
        text = await eventually(counted, lambda text: 'opspawn_tasks_waiting{older_than="0"} 0.0' not in text)
        await payments.answer(task, "deny")
        await payments.api.task(task["id"], wait=WITHIN)
    assert 'opspawn_tasks_waiting{older_than="0"}' in text
    assert 'opspawn_tasks_waiting{older_than="86400"} 0.0' in text


async def test_a_denied_call_is_not_made(payments: Payments) -> None:
    async with payments.worker([pay_call(), "I could not."]):
        task = await payments.waiting()
        assert (await payments.answer(task, "deny", comment="Too much.")).status_code == 200
        ended = await payments.api.task(task["id"], wait=WITHIN)
    assert (ended["output"], payments.paid) == ("I could not.", [])


async def test_edited_arguments_are_those_of_the_call(payments: Payments) -> None:
    allowed = {"tool": "pay", "if": {"cents": {"lte": 50}}, "then": "allow"}
    async with payments.worker([pay_call(), "Paid."]):
        task = await payments.waiting(allowed)
        unfit = await payments.answer(task, arguments={"cents": "many"})
        denied = await payments.answer(task, arguments={"cents": 5_000})
        assert (await payments.answer(task, arguments={"cents": 50})).status_code == 200
        await payments.api.task(task["id"], wait=WITHIN)
    assert problem_of(unfit) == problem_of(denied) == (422, "answer-mismatch")
    assert payments.paid == [50]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        pytest.param({"request_id": "input_7"}, 404, "input-request-not-found", id="unknown request"),
        pytest.param({"request_id": "x" * 300}, 404, "input-request-not-found", id="long id"),
        pytest.param({"answered_by": "eve"}, 403, "answer-not-allowed", id="not allowed"),
        pytest.param({}, 403, "answer-not-allowed", id="nobody"),
        pytest.param({"answered_by": "ada", "sha256": "0" * 64}, 409, "answer-outdated", id="another call"),
        pytest.param({"answered_by": "ada", "decision": "happened"}, 422, "answer-mismatch", id="other decision"),
        pytest.param({"decision": "perhaps"}, 422, "invalid", id="no decision"),
        pytest.param({"colour": "red"}, 422, "invalid", id="unknown field"),
    ],
)
async def test_an_answer_that_is_not_accepted_changes_nothing_and_says_why(
    payments: Payments, body: dict[str, Any], status: int, kind: str
) -> None:
    async with payments.worker([pay_call(), "Paid."]):
        task = await payments.waiting(FINANCE)
        response = await payments.answer(task, **body)
        after = await payments.api.task(task["id"])
    assert problem_of(response) == (status, kind)
    assert response.json()["detail"]
    assert (after["status"], after["input_requests"], payments.paid) == ("waiting", task["input_requests"], [])


async def test_of_two_answers_at_once_one_is_applied_and_the_other_is_told(payments: Payments) -> None:
    script: list[ScriptedResponse] = [[pay_call(1), pay_call(2)], "Paid."]
    async with payments.worker(script):
        task = await payments.waiting(count=2)
        responses = await asyncio.gather(*(payments.answer(task, word) for word in ("approve", "deny")))
        (refused,) = (response for response in responses if response.status_code != 200)
        second = await payments.answer(task, request_id="input_2")
        await payments.api.task(task["id"], wait=WITHIN)
    assert sorted(response.status_code for response in responses) == [200, 409]
    assert problem_of(refused) == (409, "already-answered")
    assert second.status_code == 200


async def test_the_same_key_gives_the_first_verdict_again_also_when_the_task_has_ended(payments: Payments) -> None:
    async with payments.worker([pay_call(), "Paid."]):
        task = await payments.waiting()
        first = await payments.answer(task, key="k1")
        ended = await payments.api.task(task["id"], wait=WITHIN)
        again = await payments.answer(task, key="k1")
        other = await payments.answer(task, key="k2")
        without = await payments.answer(task)
        wrong = await payments.answer(task, key="\x7f")
    assert (first.status_code, again.status_code, wrong.status_code) == (200, 200, 400)
    assert again.json() == ended
    assert problem_of(other) == problem_of(without) == (409, "task-ended")
    assert payments.paid == [700]


async def test_two_people_must_approve_and_each_only_once(payments: Payments) -> None:
    async with payments.worker([pay_call(), "Paid."]):
        task = await payments.waiting(TWO_PEOPLE)
        first = await payments.answer(task, answered_by="ada")
        again = await payments.answer(task, answered_by="ada")
        (request,) = (await payments.api.task(task["id"]))["input_requests"]
        second = await payments.answer(task, answered_by="grace")
        await payments.api.task(task["id"], wait=WITHIN)
    assert (first.status_code, second.status_code) == (200, 200)
    assert problem_of(again) == (403, "answer-not-allowed")
    assert [given["answered_by"] for given in request["answers"]] == ["ada"]
    assert payments.paid == [700]


async def test_an_answer_without_a_worker_is_kept_until_one_comes(payments: Payments) -> None:
    script: list[ScriptedResponse] = [pay_call(), "Paid."]
    async with payments.worker(script):
        task = await payments.waiting(FINANCE)
    unknown = await payments.answer(task, request_id="input_7")
    unfit = await payments.answer(task, "happened")
    outdated = await payments.answer(task, sha256="0" * 64)
    nobody = await payments.answer(task)
    complete = await payments.api.http.get(f"/api/v1/tasks/{task['id']}/input-requests")
    response = await payments.answer(task, answered_by="ada")
    assert problem_of(unknown) == (404, "input-request-not-found")
    assert problem_of(unfit) == (422, "answer-mismatch")
    assert problem_of(outdated) == (409, "answer-outdated")
    assert problem_of(nobody) == (403, "answer-not-allowed")
    assert problem_of(complete) == (503, "workers-silent")
    assert (response.status_code, response.json()["status"]) == (202, "waiting")
    async with payments.worker(script[1:]):
        ended = await payments.api.task(task["id"], wait=WITHIN)
    assert (ended["output"], payments.paid) == ("Paid.", [700])


async def test_a_task_that_is_unknown_or_has_ended_takes_no_answer(payments: Payments) -> None:
    task_id = await payments.api.submit()
    await payments.api.http.post(f"/api/v1/tasks/{task_id}/terminate")
    ended, unknown = await payments.answer({"id": task_id}), await payments.answer({"id": "task-4711"})
    listed = await payments.api.http.get("/api/v1/tasks/task-4711/input-requests")
    assert problem_of(ended) == (409, "task-ended")
    assert problem_of(unknown) == problem_of(listed) == (404, "task-not-found")


async def test_a_tasks_own_list_has_long_arguments_too(payments: Payments) -> None:
    long = ToolCall(id="call_1", name="pay", arguments={"cents": 700, "note": "x" * 5_000})
    async with payments.worker([long, "Paid."]):
        task = await payments.waiting()
        page = await payments.api.get(f"/tasks/{task['id']}/input-requests")
    (listed,) = task["input_requests"]
    (complete,) = page["input_requests"]
    assert "arguments" not in listed
    assert complete == {**listed, "arguments": long.arguments}


async def test_the_inbox_lists_the_requests_of_all_tasks_and_filters_them(payments: Payments) -> None:
    tag = payments.api.settings.task_queue
    rule = {"tool": "pay", "then": "ask", "approvers": [f"finance-{tag}", f"ada-{tag}"]}
    async with payments.worker(by_step([pay_call(1), pay_call(2)], "Paid.")):
        plain = await payments.waiting(count=2, agent_spec=agent_of(f"a-{tag}"))
        asking = await payments.waiting(count=2, agent_spec={**agent_of(f"b-{tag}"), "policy": [rule]})
        await inbox(payments.api, {plain["id"]}, agent=f"a-{tag}")
        await inbox(payments.api, {asking["id"]}, agent=f"b-{tag}")
        for filters, expected in (
            ({}, 2),
            ({"kind": "approval", "status": "pending"}, 2),
            ({"kind": ["question", "approval"]}, 2),
            ({"older_than": "1ms"}, 2),
            ({"approver": f"ada-{tag}"}, 2),
            ({"approver": f"finance-{tag}"}, 2),
            ({"kind": "question"}, 0),
            ({"approver": "o'neil"}, 0),
            ({"older_than": "1h"}, 0),
            ({"older_than": "3600"}, 0),
        ):
            page = await payments.api.get("/input-requests", agent=f"b-{tag}", **filters)
            assert [request["agent"] for request in page["input_requests"]] == [f"b-{tag}"] * expected, filters
            assert (page["total"], page["next_cursor"]) == (expected, None), filters
        everywhere = await payments.api.get("/input-requests", limit=200)
        assert [each for each in everywhere["input_requests"] if tag in each["agent"]] == [
            *asking["input_requests"],
            *plain["input_requests"],
        ]
        named = await payments.api.get("/input-requests", approver=f"finance-{tag}")
        assert (named["input_requests"], named["total"]) == (asking["input_requests"], 2)
        await payments.answer(plain)
        page = await eventually(
            lambda: payments.api.get("/input-requests", agent=f"a-{tag}"), lambda page: page["total"] == 1
        )
        assert [request["id"] for request in page["input_requests"]] == ["input_2"]


async def test_the_inbox_is_read_in_pages_of_tasks_newest_first(payments: Payments) -> None:
    name = f"c-{payments.api.settings.task_queue}"
    async with payments.worker(by_step(pay_call(), "Paid.")):
        ids = [(await payments.waiting(agent_spec=agent_of(name)))["id"] for _ in range(5)]
        await inbox(payments.api, set(ids), agent=name)
        found, cursor, totals = [], None, []
        while True:
            filters = {"agent": name, "limit": 2, **({} if cursor is None else {"cursor": cursor})}
            page = await payments.api.get("/input-requests", **filters)
            found += [request["task_id"] for request in page["input_requests"]]
            totals.append(page["total"])
            if (cursor := page["next_cursor"]) is None:
                break
            mixed = {**filters, "cursor": cursor, "older_than": "1ms"}
            refused = await payments.api.http.get("/api/v1/input-requests", params=mixed)
            assert (refused.status_code, "other filters" in refused.text) == (400, True)
    assert found == ids[::-1]
    assert totals == [5, 5, 5]


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"status": "answered"}, 422),
        ({"kind": "riddle"}, 422),
        ({"older_than": "soon"}, 422),
        ({"limit": 201}, 422),
        ({"colour": "red"}, 422),
        ({"cursor": "x"}, 400),
    ],
)
async def test_wrong_filters_of_the_inbox_are_refused(harness: ApiHarness, params: dict[str, Any], status: int) -> None:
    assert (await harness.http.get("/api/v1/input-requests", params=params)).status_code == status


async def test_grpc_answers_by_the_same_rules(payments: Payments) -> None:
    async with payments.worker([pay_call(), "Paid."]), serve_grpc(payments.api) as grpc:

        def answering(**fields: Any) -> Any:
            values = {"taskId": task["id"], "inputRequestId": "input_1", "decision": "DECISION_APPROVE", **fields}
            return grpc.stub.AnswerInput(ParseDict(values, tasks_pb2.AnswerInputRequest()), timeout=WITHIN)

        task = await payments.waiting(FINANCE)
        for fields, code, reason in (
            ({"inputRequestId": "input_7"}, StatusCode.NOT_FOUND, "INPUT_REQUEST_NOT_FOUND"),
            ({"inputRequestId": ""}, StatusCode.NOT_FOUND, "INPUT_REQUEST_NOT_FOUND"),
            ({}, StatusCode.PERMISSION_DENIED, "ANSWER_NOT_ALLOWED"),
            ({"decision": "DECISION_UNSPECIFIED"}, StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID"),
            ({"decision": "DECISION_RAISE", "answeredBy": "ada"}, StatusCode.INVALID_ARGUMENT, "ANSWER_MISMATCH"),
            ({"limits": {"onExhausted": "ON_EXHAUSTED_ASK"}}, StatusCode.INVALID_ARGUMENT, "REQUEST_INVALID"),
        ):
            refused = await failure(answering(**fields))
            assert (refused.code, refused.reason) == (code, reason)
        response = await answering(answeredBy="ada", remember="REMEMBER_TASK", idempotencyKey="k")
        ended = await grpc.task(task["id"], wait=WITHIN)
        again = await answering(answeredBy="ada", idempotencyKey="k")
        late = await failure(answering(answeredBy="ada"))
    assert (response.decided, again.decided, again.task.status) == (True, True, ended.status)
    assert (ended.output.string_value, payments.paid) == ("Paid.", [700])
    assert (late.code, late.reason) == (StatusCode.FAILED_PRECONDITION, "TASK_ENDED")


def agent_of(name: str) -> dict[str, Any]:
    """Return an agent with a name of its own, so that a test lists its tasks only."""
    return {"name": name, "model": "demo:demo", "tools": ["pay"]}


@pytest.mark.parametrize("url", [None, "https://chat.example.com/opspawn"], ids=["no webhook", "webhook"])
async def test_tasks_and_forks_call_the_webhook_if_there_is_one(
    tmp_path: Path, temporal_port: int, url: str | None
) -> None:
    secret = None if url is None else SecretStr("whsec_" + base64.b64encode(b"k" * 32).decode())
    settings = settings_for(tmp_path, temporal_port)
    settings = settings.model_copy(update={"input_webhook": url, "input_webhook_secret": secret})
    async with serve_rest(settings) as api, api.worker(["done"]):
        task_id = await api.submit()
        await api.task(task_id, wait=WITHIN)
        fork = await api.http.post(f"/api/v1/tasks/{task_id}/fork", json={"from_step": 0})
        converter = api.temporal.data_converter
        for each in (task_id, fork.json()["id"]):
            task_input = await read_task_input(api.temporal.get_workflow_handle(each), converter)
            assert task_input is not None
            assert task_input.notify is (url is not None)
