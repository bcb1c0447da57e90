"""``opspawn approve``, ``deny`` and ``answer`` against a scripted API."""

from __future__ import annotations

import json
import sys
from getpass import getuser
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import JsonObject, ScriptedApi, ScriptedResponse, input_request, problem, task

ANSWER = "/tasks/task-1/input-requests/input_1"
QUESTION = input_request(kind="question", tool=None, arguments=None, sha256=None, message="Who?")


def script(api: ScriptedApi, *requests: JsonObject, response: ScriptedResponse | JsonObject | None = None) -> None:
    """Let ``task-1`` ask these; the first one is answered with ``response``."""
    api.on("GET", "/tasks/task-1", task("waiting", input_requests=[*requests]))
    api.on("GET", "/tasks/task-1/input-requests", {"input_requests": [*requests]})
    api.on("POST", ANSWER, task("running") if response is None else response)


def sent(api: ScriptedApi) -> JsonObject:
    """Return the one answer that was sent."""
    [body] = [request.body for request in api.requests if request.method == "POST"]
    return body or {}


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_the_only_approval_is_decided_by_this_machines_user(api: ScriptedApi, opspawn: Opspawn, verb: str) -> None:
    script(api, QUESTION | {"id": "input_2"}, input_request())

    result = opspawn(verb, "task-1")

    assert result.code == 0, result.err
    assert sent(api) == {"decision": verb, "answered_by": getuser(), "sha256": "5" * 64}
    assert result.out.splitlines()[0] == f"input_1: {verb}, as {getuser()}."
    assert f"opspawn follow task-1 --url {api.url}" in result.out


def test_options_name_the_person_the_comment_and_what_is_remembered(api: ScriptedApi, opspawn: Opspawn) -> None:
    script(api, input_request())

    opspawn(
        *("deny", "task-1", "input_1", "--as", "ada", "--group", "finance", "--group", "board"),
        *("--comment", "too much", "--remember"),
    )

    assert sent(api) == {
        "decision": "deny",
        "answered_by": "ada",
        "groups": ["finance", "board"],
        "comment": "too much",
        "remember": "task",
        "sha256": "5" * 64,
    }


ELICITATION = QUESTION | {"kind": "elicitation", "message": "MCP server travel asks: Seat?"}


def test_the_form_of_a_server_is_answered_as_json(api: ScriptedApi, opspawn: Opspawn) -> None:
    script(api, ELICITATION | {"schema": {"type": "object", "properties": {"seat": {"type": "string"}}}})

    result = opspawn("answer", "task-1", "input_1", '{"seat": "4A"}', "--as", "ada")

    assert result.code == 0, result.err
    assert sent(api) == {"decision": "answer", "answer": {"seat": "4A"}, "answered_by": "ada"}


@pytest.mark.parametrize("words", [[], ["--decision", "answer"]])
def test_a_visit_to_a_page_is_answered_without_a_value(api: ScriptedApi, opspawn: Opspawn, words: list[str]) -> None:
    script(api, ELICITATION | {"url": "https://pay.example/1"})

    result = opspawn("answer", "task-1", "input_1", *words, "--as", "ada")

    assert result.code == 0, result.err
    assert sent(api) == {"decision": "answer", "answered_by": "ada"}


def test_several_requests_that_may_be_meant_are_listed(api: ScriptedApi, opspawn: Opspawn) -> None:
    script(api, input_request(1), input_request(2, message="And this one?"))

    result = opspawn("approve", "task-1")

    assert result.code == 2
    assert "input_1 approval: Approve this call?" in result.err
    assert "input_2 approval: And this one?" in result.err


@pytest.mark.parametrize(
    ("requests", "note"),
    [([], "asks nothing: it is waiting"), ([QUESTION], "asks nothing that can have the decision 'approve'")],
    ids=["nothing", "another kind"],
)
def test_without_a_request_that_fits_nothing_is_sent(
    api: ScriptedApi, opspawn: Opspawn, requests: list[JsonObject], note: str
) -> None:
    script(api, *requests)

    result = opspawn("approve", "task-1")

    assert (result.code, note in result.err) == (2, True)


def test_a_request_that_is_not_pending_gets_the_verdict_of_the_api(api: ScriptedApi, opspawn: Opspawn) -> None:
    script(api, input_request(2), response=problem(409, "Answered already", "approved by bob", kind="already-answered"))

    result = opspawn("approve", "task-1", "input_1")

    assert (result.code, result.err) == (2, "Answered already: approved by bob")


def test_the_approvals_so_far_are_counted(api: ScriptedApi, opspawn: Opspawn) -> None:
    once = [{"decision": "approve", "answered_by": "ada", "at": "2026-11-21T19:53:11Z"}]
    counted = input_request(count=2, answers=once)
    script(api, input_request(count=2), response=task("waiting", input_requests=[counted]))

    assert "1 of 2 people have approved." in opspawn("approve", "task-1").out


def test_without_a_worker_the_answer_is_stored_and_its_command_is_named(api: ScriptedApi, opspawn: Opspawn) -> None:
    script(api, input_request(), response=ScriptedResponse(202, task("waiting", waiting_for_worker=True)))
    api.on("GET", "/tasks/task-1/input-requests", problem(503, "No worker responds", "start one"))
    api.on("GET", "/system", {"task_queue": "mine", "temporal": "t:1", "worker_command": "/bin/opspawn worker"})

    result = opspawn("approve", "task-1")

    assert result.code == 0
    assert "The answer is stored, and counts as soon as a worker runs." in result.err
    assert "Start one: `/bin/opspawn worker`" in result.err


@pytest.mark.parametrize(
    ("request_", "arguments", "answer"),
    [
        (QUESTION, ["Ada"], {"decision": "answer", "answer": "Ada"}),
        (QUESTION, ["input_1", "Ada"], {"decision": "answer", "answer": "Ada"}),
        (QUESTION, ['{"n": 1}', "--json-answer"], {"decision": "answer", "answer": {"n": 1}}),
        (QUESTION, ["--decision", "decline"], {"decision": "decline"}),
        (
            input_request(kind="unknown_outcome"),
            ["paid", "--decision", "happened"],
            {"decision": "happened", "result": "paid"},
        ),
        (input_request(kind="unknown_outcome"), ["--decision", "retry"], {"decision": "retry"}),
        (
            input_request(kind="limit"),
            ["--limit", "max_steps=60", "--limit", "deadline=2h"],
            {"decision": "raise", "limits": {"max_steps": 60, "deadline": 7200.0}},
        ),
        (input_request(kind="limit"), ["--decision", "stop"], {"decision": "stop"}),
    ],
    ids=["only the text", "id and text", "JSON", "decline", "happened", "retry", "raise", "stop"],
)
def test_each_kind_of_request_is_answered(
    api: ScriptedApi, opspawn: Opspawn, request_: JsonObject, arguments: list[str], answer: JsonObject
) -> None:
    script(api, request_)

    result = opspawn("answer", "task-1", *arguments, "--as", "ada")

    assert result.code == 0, result.err
    assert {key: value for key, value in sent(api).items() if key != "sha256"} == {**answer, "answered_by": "ada"}


def test_an_answer_is_read_from_stdin(api: ScriptedApi, opspawn: Opspawn) -> None:
    script(api, QUESTION)

    opspawn("answer", "task-1", "input_1", "-", stdin="two\nlines\n")

    assert sent(api)["answer"] == "two\nlines"


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        ([], "Write the answer"),
        (["{", "--json-answer"], "That isn't JSON"),
        (['{"a": 1, "a": 2}', "--json-answer"], "The key 'a' stands there twice"),
        (["x", "--decision", "perhaps"], "--decision perhaps: expected one of approve, deny"),
        (["--limit", "max_step=1"], "unknown limit"),
    ],
    ids=["no text", "no JSON", "ambiguous JSON", "decision", "limit"],
)
def test_a_wrong_answer_is_not_sent(api: ScriptedApi, opspawn: Opspawn, arguments: list[str], note: str) -> None:
    script(api, QUESTION)

    result = opspawn("answer", "task-1", *arguments)

    assert (result.code, note in result.err) == (2, True)
    assert [request for request in api.requests if request.method == "POST"] == []


def test_what_became_of_a_call_must_be_decided(api: ScriptedApi, opspawn: Opspawn) -> None:
    script(api, input_request(kind="unknown_outcome"))

    assert "name a --decision (happened, retry, give_up)" in opspawn("answer", "task-1", "it worked").err


def edit_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None) -> Path:
    """Set an editor that writes ``content``, or nothing; return the file that it keeps of what it was given."""
    kept = tmp_path / "kept"
    script = tmp_path / "editor.py"
    write = "" if content is None else f"open(sys.argv[1], 'w').write({content!r})"
    script.write_text(f"import shutil, sys\nshutil.copy(sys.argv[1], {str(kept)!r})\n{write}\n")
    monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")
    return kept


def test_edited_arguments_are_sent_instead(
    api: ScriptedApi, opspawn: Opspawn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script(api, input_request())
    kept = edit_with(monkeypatch, tmp_path, '{"to": "DE02", "amount": 70}')

    assert opspawn("approve", "task-1", "--edit").code == 0

    assert json.loads(kept.read_text()) == {"to": "DE02", "amount": 700}
    assert sent(api)["arguments"] == {"to": "DE02", "amount": 70}


def test_an_unchanged_file_approves_the_call_as_it_is(
    api: ScriptedApi, opspawn: Opspawn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script(api, input_request())
    edit_with(monkeypatch, tmp_path, None)

    assert opspawn("approve", "task-1", "--edit").code == 0
    assert "arguments" not in sent(api)


@pytest.mark.parametrize(
    ("content", "code", "note"),
    [
        (" \n", 1, "The file is empty, so nothing is answered."),
        ("[1]", 2, "That isn't a JSON object"),
        ("{", 2, "That isn't JSON"),
        ('{"amount": NaN}', 2, "That isn't JSON"),
    ],
    ids=["empty", "list", "no JSON", "NaN"],
)
def test_a_file_that_can_not_be_used_answers_nothing(
    api: ScriptedApi,
    opspawn: Opspawn,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: str,
    code: int,
    note: str,
) -> None:
    script(api, input_request())
    edit_with(monkeypatch, tmp_path, content)

    result = opspawn("approve", "task-1", "--edit")

    assert (result.code, note in result.err) == (code, True)
    assert [request for request in api.requests if request.method == "POST"] == []


def test_json_prints_the_task(api: ScriptedApi, opspawn: Opspawn) -> None:
    script(api, input_request())

    assert json.loads(opspawn("approve", "task-1", "--json").out) == task("running")
