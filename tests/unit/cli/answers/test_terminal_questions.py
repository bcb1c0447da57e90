"""A task that asks is answered on the terminal that follows it; the API is scripted, the terminal is real."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.terminal import Terminal, terminal_for
from tests.unit.scripted_api import (
    JsonObject,
    ScriptedApi,
    ScriptedResponse,
    event,
    final_event,
    input_request,
    problem,
    stream,
    task,
)

Follow = Callable[..., AbstractContextManager[Terminal]]
ANSWER = "/tasks/task-1/input-requests/input_1"
WAITING = task("waiting", input_requests=[input_request()])
RUNNING_AGAIN = [
    event(4, "input.answered", input_request_id="input_1", decision="approve", answered_by="ada"),
    event(5, "task.status", status="running"),
    final_event(),
]


@pytest.fixture
def follow(api: ScriptedApi, tmp_path: Path) -> Follow:
    """Return a function that starts ``opspawn follow task-1`` in a terminal."""

    @contextmanager
    def start(*options: str, editor: str = "false", term: str = "dumb") -> Iterator[Terminal]:
        environment = {
            **os.environ,  # noqa: TID251  # children need PATH and HOME
            "TERM": term,
            "VISUAL": editor,
            "TMPDIR": str(tmp_path),
        }
        command = [sys.executable, "-c", "from cli.main import main; main()", "follow", "task-1", "--as", "ada"]
        with terminal_for([*command, "--url", api.url, *options], environment=environment) as terminal:
            yield terminal

    return start


def script(api: ScriptedApi, *requests: JsonObject, after: list[JsonObject] | None = None) -> threading.Event:
    """Let ``task-1`` ask these; its later events come when the returned event is set."""
    going_on = threading.Event()
    asked = [event(10 + number, "input.requested", step=1, input_request=each) for number, each in enumerate(requests)]
    api.on("GET", "/tasks/task-1", task("waiting", input_requests=[*requests]))
    api.on("GET", "/tasks/task-1/input-requests", {"input_requests": [*requests]})
    later = stream(*(RUNNING_AGAIN if after is None else after), gate=going_on)
    api.on("GET", "/tasks/task-1/events", stream(*asked, event(30, "task.status", status="waiting")), later)
    return going_on


def finish(api: ScriptedApi, going_on: threading.Event) -> None:
    """Let the task go on to its end."""
    api.on("GET", "/tasks/task-1", task(output="Paid."))
    going_on.set()


def answers(api: ScriptedApi) -> list[JsonObject]:
    return [request.body or {} for request in api.requests if request.method == "POST"]


@pytest.mark.parametrize("term", ["dumb", "xterm"], ids=["plain", "live"])
def test_an_approval_counts_for_the_call_that_was_shown_and_the_task_goes_on(
    api: ScriptedApi, follow: Follow, term: str
) -> None:
    going_on = script(api, input_request(reason="The invoice is due."))
    api.on("POST", ANSWER, task("running"))

    with follow(term=term) as terminal:
        terminal.wait_for(r'transfer_money \{"to": "DE02", "amount": 700\}')
        terminal.wait_for("the model's reason: The invoice is due")
        terminal.wait_for("Approve")
        terminal.type("y\n")
        api.wait_for_request("POST", ANSWER)
        finish(api, going_on)

        terminal.wait_for("! input_1 approve by ada")
        terminal.wait_for("Paid.")
        assert terminal.wait_for_end() == 0

    assert answers(api) == [{"decision": "approve", "answered_by": "ada", "sha256": "5" * 64}]


@pytest.mark.parametrize(
    ("request_", "typed", "answer"),
    [
        (input_request(), "n too much\n", {"decision": "deny", "comment": "too much"}),
        (input_request(kind="question", message="Which?", choices=["Ja", "Nein"]), "2\n", {"answer": "Nein"}),
        (input_request(kind="question", arguments=None, message="Who?"), "Ada Lovelace\n", {"answer": "Ada Lovelace"}),
        (input_request(kind="question", message="Who?"), "/decline\n", {"decision": "decline"}),
        (input_request(kind="unknown_outcome"), "h paid\n", {"decision": "happened", "result": "paid"}),
        (input_request(kind="limit", tool=None), "max_steps=60\n", {"decision": "raise", "limits": {"max_steps": 60}}),
    ],
    ids=["denial", "choice", "text", "declined", "outcome", "limit"],
)
def test_each_kind_of_request_is_answered(
    api: ScriptedApi, follow: Follow, request_: JsonObject, typed: str, answer: JsonObject
) -> None:
    script(api, request_)
    api.on("POST", ANSWER, task("running"))

    with follow() as terminal:
        terminal.wait_for(": $")
        terminal.type(typed)
        api.wait_for_request("POST", ANSWER)

    assert answers(api)[0].items() >= answer.items()


FORM: JsonObject = {
    "type": "object",
    "properties": {
        "seat": {"type": "string", "enum": ["4A", "4B"]},
        "age": {"type": "integer"},
        "meal": {"type": "boolean", "default": False},
        "note": {"type": "string"},
    },
    "required": ["seat", "age"],
}


def elicitation(**fields: object) -> JsonObject:
    server = {"kind": "elicitation", "tool": "travel__book", "message": "MCP server travel asks: Seat?"}
    return {**input_request(arguments=None, sha256=None), **server, **fields}


def test_the_form_of_a_server_is_filled_in_field_by_field(api: ScriptedApi, follow: Follow) -> None:
    script(api, elicitation(schema=FORM))
    api.on("POST", ANSWER, task("running"))

    with follow() as terminal:
        terminal.wait_for("MCP server travel asks: Seat")
        for prompt, typed in [
            ("seat: $", "9Z"),
            ("Type one of .*seat: $", "4B"),
            ("age: $", ""),
            ("This field is required.*age: $", "old"),
            ("That isn't JSON.*age: $", "36"),
            ("meal: $", ""),
            ("note: $", ""),
        ]:
            terminal.wait_for(f"(?s){prompt}")
            terminal.type(f"{typed}\n")
        api.wait_for_request("POST", ANSWER)

    answer = {"seat": "4B", "age": 36, "meal": False}
    assert answers(api) == [{"decision": "answer", "answer": answer, "answered_by": "ada"}]


def test_a_form_is_declined_at_any_field(api: ScriptedApi, follow: Follow) -> None:
    script(api, elicitation(schema=FORM))
    api.on("POST", ANSWER, task("running"))

    with follow() as terminal:
        terminal.wait_for("seat: $")
        terminal.type("4A\n")
        terminal.wait_for("age: $")
        terminal.type("/decline\n")
        api.wait_for_request("POST", ANSWER)

    assert answers(api) == [{"decision": "decline", "answered_by": "ada"}]


def test_a_form_can_be_filled_in_in_an_editor(api: ScriptedApi, follow: Follow) -> None:
    script(api, elicitation(schema=FORM))
    api.on("POST", ANSWER, task("running"))
    editor = (
        f'{sys.executable} -c "import sys; p = sys.argv[1]; '
        "t = open(p).read().replace('YOUR ANSWER', 'window'); open(p, 'w').write(t)\""
    )

    with follow(editor=editor) as terminal:
        terminal.wait_for("seat: $")
        terminal.type("/edit\n")
        api.wait_for_request("POST", ANSWER)

    assert answers(api)[0]["answer"] == {"seat": "4A", "age": 1, "meal": False, "note": "window"}


def test_a_page_of_a_server_is_shown_and_its_visit_is_confirmed(api: ScriptedApi, follow: Follow) -> None:
    script(api, elicitation(url="https://pay.example/1"))
    api.on("POST", ANSWER, task("running"))

    with follow() as terminal:
        terminal.wait_for("https://pay.example/1")
        terminal.wait_for("kip: $")
        terminal.type("y\n")
        api.wait_for_request("POST", ANSWER)

    assert answers(api) == [{"decision": "answer", "answered_by": "ada"}]


def test_edited_arguments_are_sent_and_the_file_is_private(api: ScriptedApi, follow: Follow, tmp_path: Path) -> None:
    script(api, input_request())
    api.on("POST", ANSWER, task("running"))
    editor = (
        f'{sys.executable} -c "import os, sys; p = sys.argv[1]; assert os.stat(p).st_mode & 0o77 == 0; '
        "t = open(p).read().replace('700', '70'); open(p, 'w').write(t)\""
    )

    with follow(editor=editor) as terminal:
        terminal.wait_for("kip: ")
        terminal.type("e\n")
        api.wait_for_request("POST", ANSWER)

    assert answers(api)[0]["arguments"] == {"to": "DE02", "amount": 70}
    assert list(tmp_path.glob("opspawn-*")) == []


@pytest.mark.parametrize(
    ("editor", "note"),
    [
        ("echo nonsense >", "That isn't JSON"),
        ("true >", "The file is empty, so nothing is answered"),
        ("false", r"The editor failed \(exit code 1\)"),
    ],
    ids=["no JSON", "empty", "failed"],
)
def test_an_edit_that_can_not_be_used_answers_nothing_and_the_person_is_asked_again(
    api: ScriptedApi, follow: Follow, editor: str, note: str
) -> None:
    script(api, input_request())
    api.on("POST", ANSWER, task("running"))

    with follow(editor=editor) as terminal:
        terminal.wait_for("kip: ")
        terminal.type("e\n")
        terminal.wait_for(note)
        terminal.wait_for("kip: ")
        terminal.type("y\n")
        api.wait_for_request("POST", ANSWER)

    assert "arguments" not in answers(api)[0]


def test_what_means_nothing_and_what_the_api_refuses_is_asked_again(api: ScriptedApi, follow: Follow) -> None:
    script(api, input_request())
    refused = problem(403, "Not allowed", "finance may answer.", kind="answer-not-allowed")
    api.on("POST", ANSWER, refused, task("running"))

    with follow() as terminal:
        terminal.wait_for("kip: ")
        terminal.type("perhaps\n")
        terminal.wait_for("Type y, n, e or s.")
        terminal.wait_for("kip: ")
        terminal.type("y\n")
        terminal.wait_for("Not allowed: finance may answer.")
        terminal.wait_for("kip: ")
        terminal.type("no\n")
        api.wait_for_request("POST", ANSWER, count=2)

    assert [answer["decision"] for answer in answers(api)] == ["approve", "deny"]


def test_a_request_that_was_answered_first_elsewhere_is_reported(api: ScriptedApi, follow: Follow) -> None:
    script(api, input_request())
    api.on("POST", ANSWER, problem(409, "Answered already", "denied by bob.", kind="already-answered"))

    with follow() as terminal:
        terminal.wait_for("kip: ")
        terminal.type("y\n")
        terminal.wait_for("Answered already: denied by bob.")
        api.wait_for_request("GET", "/tasks/task-1/events", count=2)

    assert "kip: " not in terminal.output.partition("denied by bob.")[2]


@pytest.mark.parametrize(
    ("happened", "note"),
    [
        (event(4, "input.answered", input_request_id="input_1", decision="deny", answered_by="bob"), "deny by bob"),
        (event(4, "task.status", status="running"), "is not asked any more"),
    ],
    ids=["answered", "not asked any more"],
)
def test_a_question_is_withdrawn_when_its_answer_came_from_elsewhere(
    api: ScriptedApi, follow: Follow, happened: JsonObject, note: str
) -> None:
    following = input_request(2, kind="question", tool=None, message="Why?")
    asked = event(5, "input.requested", step=1, input_request=following)
    going_on = script(api, input_request(), after=[happened, asked])
    api.on("POST", "/tasks/task-1/input-requests/input_2", task("running"))

    with follow() as terminal:
        terminal.wait_for("kip: ")
        terminal.type("y")  # not sent yet
        api.on("GET", "/tasks/task-1/input-requests", {"input_requests": [following]})
        going_on.set()
        terminal.wait_for(note)
        terminal.wait_for("Why")
        terminal.wait_for("skip\\): ")
        terminal.type("Because\n")
        api.wait_for_request("POST", "/tasks/task-1/input-requests/input_2")

    assert [answer["answer"] for answer in answers(api)] == ["Because"]


def test_what_is_typed_before_the_question_is_no_answer(api: ScriptedApi, follow: Follow) -> None:
    asking = threading.Event()
    script(api, input_request())
    api.on(
        *("GET", "/tasks/task-1/input-requests"),
        ScriptedResponse(200, {"input_requests": [input_request()]}, gate=asking),
    )
    api.on("POST", ANSWER, task("running"))

    with follow() as terminal:
        terminal.wait_for("input_1 Approve this call")
        terminal.type("y\ny\n")
        terminal.wait_for("y\r\ny\r\n")  # the terminal's echo: it has the lines
        asking.set()
        terminal.wait_for("kip: ")
        terminal.type("n\n")
        api.wait_for_request("POST", ANSWER)

    assert [answer["decision"] for answer in answers(api)] == ["deny"]


def test_what_happens_meanwhile_is_shown_after_the_answer(api: ScriptedApi, follow: Follow) -> None:
    going_on = script(api, input_request(), after=[event(4, "plan.updated", step=1, plan=["look"])])
    api.on("POST", ANSWER, task("running"))

    with follow() as terminal:
        terminal.wait_for("kip: ")
        going_on.set()
        api.wait_for_request("GET", "/tasks/task-1/events", count=3)  # the client reads on while it asks
        assert "1. look" not in terminal.output
        terminal.type("y\n")
        terminal.wait_for("1. look")


@pytest.mark.parametrize("typed", ["s\n", "\x04"], ids=["skip", "Ctrl-D"])
def test_a_skipped_request_leaves_the_commands_and_is_not_asked_again(
    api: ScriptedApi, follow: Follow, typed: str
) -> None:
    asked = event(5, "input.requested", step=1, input_request=input_request(2, message="The second?"))
    both = {"input_requests": [input_request(), input_request(2, message="The second?")]}
    going_on = script(api, input_request(), after=[asked])

    with follow() as terminal:
        terminal.wait_for("kip: ")
        terminal.type(typed)
        terminal.wait_for(f"opspawn approve task-1 input_1 --as ada --url {api.url}")
        api.on("GET", "/tasks/task-1/input-requests", both)
        going_on.set()
        terminal.wait_for("input_2 The second")
        terminal.wait_for("kip: ")

    assert answers(api) == []


def test_ctrl_c_leaves_the_task_waiting_and_says_how_to_answer_later(api: ScriptedApi, follow: Follow) -> None:
    script(api, input_request())

    with follow(term="xterm") as terminal:
        terminal.wait_for("kip: ")
        terminal.type("\x03")
        terminal.wait_for("Task task-1 waits for an answer. To answer later:")
        terminal.wait_for(f"opspawn deny task-1 input_1 --as ada --url {api.url}")
        terminal.wait_for("Come back: ")
        assert terminal.wait_for_end() == 130

    assert terminal.raw.count("\x1b[?25l") == terminal.raw.count("\x1b[?25h")  # the cursor is shown again
    assert answers(api) == []


def test_ctrl_c_in_the_editor_is_the_editors(api: ScriptedApi, follow: Follow) -> None:
    script(api, input_request())
    api.on("POST", ANSWER, task("running"))
    editor = "trap 'exit 0' INT; echo editing; read key; :"

    with follow(editor=editor) as terminal:
        terminal.wait_for("kip: ")
        terminal.type("e\n")
        terminal.wait_for("editing")
        terminal.type("\x03")
        api.wait_for_request("POST", ANSWER)  # the file is unchanged: approved as it is

        assert terminal.process.poll() is None
        assert "arguments" not in answers(api)[0]
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait_for_end() == 130


def test_requests_of_the_past_are_not_asked(api: ScriptedApi, follow: Follow) -> None:
    asked = event(3, "input.requested", step=1, input_request=input_request())
    api.on("GET", "/tasks/task-1", task(output="Paid."))
    api.on("GET", "/tasks/task-1/input-requests", {"input_requests": []})
    api.on("GET", "/tasks/task-1/events", stream(asked, *RUNNING_AGAIN))

    with follow() as terminal:
        assert terminal.wait_for_end() == 0

    assert "? input_1 Approve this call?" in terminal.output
    assert "kip: " not in terminal.output


def test_a_call_whose_arguments_can_not_be_read_is_not_asked_about(api: ScriptedApi, follow: Follow) -> None:
    unread = input_request(arguments=None)
    script(api, unread)
    api.on("GET", "/tasks/task-1/input-requests", problem(503, "No worker responds", "start one"))

    with follow() as terminal:
        terminal.wait_for("its arguments can't be read while no worker runs")
        terminal.wait_for("To answer later:")

    assert "kip: " not in terminal.output


def test_a_pipe_is_told_the_commands_and_is_not_asked(api: ScriptedApi, opspawn: Callable[..., object]) -> None:
    asked = event(3, "input.requested", step=1, input_request=input_request())
    api.on("GET", "/tasks/task-1", task(output="Paid."))
    api.on("GET", "/tasks/task-1/events", stream(asked, *RUNNING_AGAIN))
    api.on("GET", "/system", {"task_queue": "q", "temporal": "temporal.example:7233"})

    text = str(opspawn("follow", "task-1"))

    assert f"opspawn approve task-1 input_1 --url {api.url}" in text
    assert "temporal workflow signal --address temporal.example:7233 --workflow-id task-1" in text
