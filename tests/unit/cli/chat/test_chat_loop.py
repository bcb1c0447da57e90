"""A chat on a terminal and with messages from a pipe; the API is scripted, the terminal is real."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

from cli.chat.chat_input import PipedLines
from tests.terminal import Terminal, terminal_for
from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import (
    EVENTS,
    JsonObject,
    ScriptedApi,
    ScriptedResponse,
    conversation,
    event,
    final_event,
    input_request,
    problem,
    stream,
    task,
)

StartChat = Callable[..., AbstractContextManager[Terminal]]
MESSAGES = "/conversations/conversation-1/messages"


@pytest.fixture(autouse=True)
def agents(api: ScriptedApi) -> None:
    """Let the API have two agents."""
    api.on("GET", "/agents", {"agents": [{"name": "assistant", "models": ["demo:demo"]}, {"name": "clerk"}]})
    api.on("GET", "/system", {"task_queue": "q", "temporal": "127.0.0.1:7233"})


@pytest.fixture
def chat(api: ScriptedApi, tmp_path: Path) -> StartChat:
    """Return a function that starts ``opspawn chat`` in a terminal."""

    @contextmanager
    def start(*options: str, term: str = "dumb") -> Iterator[Terminal]:
        environment = {
            **os.environ,  # noqa: TID251  # children need PATH and HOME
            "TERM": term,
            "TMPDIR": str(tmp_path),
            "INPUTRC": os.devnull,
        }
        command = [sys.executable, "-c", "from cli.main import main; main()", "chat", *options, "--as", "ada"]
        with terminal_for([*command, "--url", api.url], environment=environment) as terminal:
            yield terminal

    return start


def script_turn(api: ScriptedApi, *events: JsonObject) -> None:
    """Let the next message start ``task-1``, which does this and completes."""
    api.on("POST", "/conversations", ScriptedResponse(201, conversation()))
    api.on("POST", MESSAGES, ScriptedResponse(201, task("running")))
    api.on("GET", "/tasks/task-1/events", stream(*(events or EVENTS)))
    api.on("GET", "/tasks/task-1", task(output="It is 42"))


def turn(number: int = 1, **fields: object) -> JsonObject:
    return {
        "number": number,
        "task_id": f"task-{number}",
        "status": "completed",
        "input": f"Question {number}",
        "output": f"Answer {number}",
        "started_at": "2026-11-21T19:53:11Z",
        "ended_at": "2026-11-21T19:53:12Z",
        **fields,
    }


def sent(api: ScriptedApi) -> list[JsonObject]:
    """Return the bodies of the messages."""
    return [
        request.body or {} for request in api.requests if request.method == "POST" and request.path.endswith("messages")
    ]


@pytest.mark.parametrize("term", ["dumb", "xterm"], ids=["plain", "live"])
def test_a_message_is_answered_and_the_way_back_is_named_at_the_end(
    api: ScriptedApi, chat: StartChat, term: str
) -> None:
    script_turn(api)

    with chat("assistant", "--model", "demo:demo", "--user", "ada", term=term) as terminal:
        terminal.wait_for("> ")
        terminal.type("What is 6 times 7?\n")
        terminal.wait_for("conversation-1")
        terminal.wait_for(r'→ calculator \{"expression": "6\*7"\}')
        terminal.wait_for("← calculator 42")
        terminal.wait_for("It is 42")
        terminal.wait_for("2 steps · 164 tokens")
        terminal.wait_for("> ")
        terminal.type("\x04")
        terminal.wait_for("Come back:[^`]*`[^`]*chat --conversation conversation-1")
        assert terminal.wait_for_end() == 0

    created = next(request for request in api.requests if request.path == "/api/v1/conversations")
    assert created.body == {
        "agent": "assistant",
        "model": "demo:demo",
        "user": "ada",
        "title": "What is 6 times 7?",
    }
    assert sent(api) == [{"input": "What is 6 times 7?", "on_busy": "enqueue"}]


def test_a_line_may_go_on_in_the_next_and_begin_with_two_slashes(api: ScriptedApi, chat: StartChat) -> None:
    script_turn(api)

    with chat("assistant") as terminal:
        terminal.wait_for("> ")
        terminal.type("//first\\\n")
        terminal.wait_for("… ")
        terminal.type("second\n")
        terminal.wait_for("It is 42")

    assert sent(api) == [{"input": "/first\nsecond", "on_busy": "enqueue"}]


def test_what_a_turn_asks_is_answered_in_place(api: ScriptedApi, chat: StartChat) -> None:
    going_on = threading.Event()
    request = input_request(reason="The invoice is due.")
    script_turn(api)
    asked = event(11, "input.requested", step=1, input_request=request)
    answered = event(12, "input.answered", input_request_id="input_1", decision="approve", answered_by="ada")
    api.on("GET", "/tasks/task-1/events", stream(asked), stream(answered, *EVENTS[6:], gate=going_on))
    api.on("GET", "/tasks/task-1", task("waiting", input_requests=[request]))
    api.on("GET", "/tasks/task-1/input-requests", {"input_requests": [request]})
    api.on("POST", "/tasks/task-1/input-requests/input_1", task("running"))

    with chat("assistant") as terminal:
        terminal.wait_for("> ")
        terminal.type("Pay it.\n")
        terminal.wait_for(r'transfer_money \{"to": "DE02", "amount": 700\}')
        terminal.wait_for("Approve.*: $")
        terminal.type("y\n")
        api.wait_for_request("POST", "/tasks/task-1/input-requests/input_1")
        api.on("GET", "/tasks/task-1", task(output="It is 42"))
        going_on.set()
        terminal.wait_for("It is 42")
        terminal.wait_for("> ")


def test_a_question_that_ctrl_c_interrupts_is_asked_again_when_the_person_stays(
    api: ScriptedApi, chat: StartChat
) -> None:
    never = threading.Event()
    request = input_request(kind="question", arguments=None, message="Who?")
    script_turn(api)
    asked = event(11, "input.requested", step=1, input_request=request)
    api.on("GET", "/tasks/task-1/events", stream(asked), stream(gate=never))
    api.on("GET", "/tasks/task-1", task("waiting", input_requests=[request]))
    api.on("GET", "/tasks/task-1/input-requests", {"input_requests": [request]})
    api.on("POST", "/tasks/task-1/input-requests/input_1", task("running"))

    with chat("assistant") as terminal:
        terminal.wait_for("> ")
        terminal.type("Greet someone.\n")
        terminal.wait_for(r"Who\?")
        terminal.wait_for(": $")
        terminal.type("\x03")
        terminal.wait_for(r"\? $")
        terminal.type("\n")
        terminal.wait_for(r"Who\?")
        terminal.wait_for(": $")
        terminal.type("Ada Lovelace\n")
        api.wait_for_request("POST", "/tasks/task-1/input-requests/input_1")
        never.set()


def press_ctrl_c(terminal: Terminal, pattern: str) -> None:
    """Press Ctrl-C at a prompt until the output matches: Python misses it just before readline waits for keys."""
    for _ in range(4):
        terminal.type("\x03")
        with suppress(AssertionError):
            terminal.wait_for(pattern, timeout_s=5)
            return
    raise AssertionError(f"no {pattern!r} in the output:\n{terminal.output}")


def script_long_turn(api: ScriptedApi) -> threading.Event:
    """Let ``task-1`` run until the returned event is set."""
    going_on = threading.Event()
    script_turn(api)
    api.on("GET", "/tasks/task-1/events", stream(*EVENTS[:6]), stream(gate=going_on), stream(*EVENTS[6:]))
    return going_on


def test_leaving_while_a_turn_runs_leaves_it_running(api: ScriptedApi, chat: StartChat) -> None:
    going_on = script_long_turn(api)

    with chat("assistant") as terminal:
        terminal.wait_for("> ")
        terminal.type("What is 6 times 7?\n")
        terminal.wait_for("→ calculator")
        terminal.type("\x03")
        terminal.wait_for("The turn goes on")
        terminal.wait_for(r"\? $")
        press_ctrl_c(terminal, "The turn goes on as task task-1")
        terminal.wait_for("Come back:[^`]*`[^`]*chat --conversation conversation-1")
        assert terminal.wait_for_end() == 0
    going_on.set()

    assert [request.path for request in api.requests if request.path.endswith("cancel")] == []


def test_staying_shows_the_rest_of_the_turn_once(api: ScriptedApi, chat: StartChat) -> None:
    going_on = script_long_turn(api)

    with chat("assistant") as terminal:
        terminal.wait_for("> ")
        terminal.type("What is 6 times 7?\n")
        terminal.wait_for("→ calculator")
        terminal.type("\x03")
        terminal.wait_for(r"\? $")
        terminal.type("\n")
        going_on.set()
        terminal.wait_for("← calculator 42")
        terminal.wait_for("It is 42")
        terminal.wait_for("> ")

    assert terminal.output.count("→ calculator") == 1
    resumed = [r.headers.get("last-event-id") for r in api.requests if r.path.endswith("/events")]
    assert resumed[-1] == "p5"


def test_a_turn_that_runs_can_be_told_more_and_stopped(api: ScriptedApi, chat: StartChat) -> None:
    going_on = script_long_turn(api)
    api.on("POST", "/tasks/task-1/cancel", task("running"))

    with chat("assistant") as terminal:
        terminal.wait_for("> ")
        terminal.type("What is 6 times 7?\n")
        terminal.wait_for("→ calculator")
        terminal.type("\x03")
        terminal.wait_for(r"\? $")
        terminal.type("In hex.\n")
        api.wait_for_request("POST", MESSAGES, count=2)
        terminal.type("\x03")
        terminal.wait_for(r"\? $")
        terminal.type("/stop\n")
        api.wait_for_request("POST", "/tasks/task-1/cancel")
        api.on("GET", "/tasks/task-1/events", stream(final_event("cancelled")))
        api.on("GET", "/tasks/task-1", task("cancelled"))
        going_on.set()
        terminal.wait_for("Turn cancelled")
        terminal.wait_for("> ")

    assert sent(api)[1] == {"input": "In hex.", "on_busy": "interrupt"}


def test_a_message_that_comes_too_late_for_a_turn_is_the_next_one(api: ScriptedApi, chat: StartChat) -> None:
    going_on = script_long_turn(api)
    api.on(
        "POST", MESSAGES, ScriptedResponse(201, task("running")), ScriptedResponse(201, task("running", id="task-2"))
    )
    late = {"role": "assistant", "parts": [{"type": "text", "text": "0x2A"}]}
    api.on(
        *("GET", "/tasks/task-2/events"),
        stream(event(1, "model.completed", step=1, model="demo:demo", message=late), final_event()),
    )
    api.on("GET", "/tasks/task-2", task(id="task-2", output="0x2A"))

    with chat("assistant") as terminal:
        terminal.wait_for("> ")
        terminal.type("What is 6 times 7?\n")
        terminal.wait_for("→ calculator")
        terminal.type("\x03")
        terminal.wait_for(r"\? $")
        terminal.type("In hex.\n")
        api.wait_for_request("POST", MESSAGES, count=2)
        going_on.set()
        terminal.wait_for("It is 42")
        terminal.wait_for("0x2A")
        terminal.wait_for("> ")


def test_a_message_that_was_not_sent_is_sent_once_by_retry(api: ScriptedApi, chat: StartChat) -> None:
    script_turn(api)
    api.on(
        "POST", MESSAGES, problem(503, "Unavailable", "Temporal is starting"), ScriptedResponse(201, task("running"))
    )

    with chat("assistant") as terminal:
        terminal.wait_for("> ")
        terminal.type("What is 6 times 7?\n")
        terminal.wait_for("Temporal is starting")
        terminal.wait_for("/retry sends it")
        terminal.wait_for("> ")
        terminal.type("/retry\n")
        terminal.wait_for("It is 42")

    posts = [request for request in api.requests if request.path.endswith("/messages")]
    assert len({request.headers["idempotency-key"] for request in posts}) == 1
    assert [request.body for request in posts] == [{"input": "What is 6 times 7?", "on_busy": "enqueue"}] * 2


def test_a_turn_that_failed_leaves_the_chat_open(api: ScriptedApi, chat: StartChat) -> None:
    script_turn(api, final_event("failed"))
    api.on("GET", "/tasks/task-1", task("failed", error={"type": "ModelNotAuthorized", "message": "The key is wrong."}))

    with chat("assistant") as terminal:
        terminal.wait_for("> ")
        terminal.type("Hello\n")
        terminal.wait_for("Turn failed: The key is wrong.")
        terminal.wait_for("> ")


def test_two_interrupts_at_the_prompt_leave(chat: StartChat) -> None:
    with chat("assistant") as terminal:
        terminal.wait_for("> ")
        terminal.type("half a mess")
        terminal.wait_for("half a mess")
        press_ctrl_c(terminal, "Ctrl-C again, Ctrl-D or /quit leaves")
        terminal.wait_for("> ")
        press_ctrl_c(terminal, r"\n")
        assert terminal.wait_for_end() == 0


def test_a_conversation_is_resumed_with_what_was_missed(api: ScriptedApi, chat: StartChat) -> None:
    script_turn(api)
    api.on("GET", "/conversations/conversation-1", conversation("running", turns=7, current_task_id="task-1"))
    running = turn(7, task_id="task-1", status="running", output=None, ended_at=None)
    api.on(
        *("GET", "/conversations/conversation-1/turns"),
        {"turns": [turn(5), turn(6), running], "next_cursor": None},
        {"turns": []},
    )

    with chat("--conversation", "conversation-1") as terminal:
        terminal.wait_for("4 earlier turns")
        terminal.wait_for("> Question 5")
        terminal.wait_for("Answer 5")
        terminal.wait_for("Answer 6")
        terminal.wait_for("> Question 7")
        terminal.wait_for("→ calculator")
        terminal.wait_for("It is 42")
        terminal.wait_for("> ")

    asked = [request.path for request in api.requests if "/turns?" in request.path]
    assert [path.partition("?")[2] for path in asked] == ["start=5&limit=50", "start=8&limit=50"]


def test_a_queued_message_is_shown_when_its_turn_starts(api: ScriptedApi, chat: StartChat) -> None:
    script_turn(api)
    state = conversation("running", turns=1, current_task_id="task-1", queued=1)
    api.on("GET", "/conversations/conversation-1", state, state, state, conversation("running", turns=2))
    api.on(
        *("GET", "/conversations/conversation-1/turns"),
        {"turns": [turn(1)]},
        {"turns": []},
        {"turns": [turn(2, task_id="task-2", output=None, ended_at=None)]},
        {"turns": []},
    )
    api.on("GET", "/tasks/task-2/events", stream(final_event()))
    api.on("GET", "/tasks/task-2", task(id="task-2", output="Second answer"))

    with chat("--conversation", "conversation-1") as terminal:
        terminal.wait_for("It is 42")
        terminal.wait_for("> Question 2")
        terminal.wait_for("Second answer")
        terminal.wait_for("> ")


def test_a_turn_that_temporal_has_deleted_is_shown_by_its_output(api: ScriptedApi, chat: StartChat) -> None:
    gone = problem(404, "Task not found", "no task task-1", kind="task-not-found")
    api.on("GET", "/tasks/task-1", gone)
    api.on("GET", "/conversations/conversation-1", conversation(turns=1))
    api.on("GET", "/conversations/conversation-1/turns", {"turns": [turn(1)]}, {"turns": []})

    with chat("--conversation", "conversation-1") as terminal:
        terminal.wait_for("> Question 1")
        terminal.wait_for("Answer 1")
        terminal.wait_for("> ")

    assert "no task task-1" not in terminal.output


def test_piped_lines_are_messages_and_only_outputs_are_printed(api: ScriptedApi, opspawn: Opspawn) -> None:
    script_turn(api)
    api.on(
        *("POST", MESSAGES),
        ScriptedResponse(201, task("running")),
        ScriptedResponse(201, task("running", id="task-2")),
    )
    api.on("GET", "/tasks/task-2/events", stream(final_event()))
    api.on("GET", "/tasks/task-2", task(id="task-2", output={"hex": "2A"}))

    result = opspawn("chat", "assistant", stdin="What is 6 times 7?\n\nIn hex?\n")

    assert (result.code, result.out, result.err) == (0, 'It is 42\n{\n  "hex": "2A"\n}\n', "")
    assert [body["input"] for body in sent(api)] == ["What is 6 times 7?", "In hex?"]


def test_a_piped_message_whose_turn_fails_ends_the_command(api: ScriptedApi, opspawn: Opspawn) -> None:
    script_turn(api, final_event("failed"))
    api.on("GET", "/tasks/task-1", task("failed", error={"type": "LimitExceeded", "message": "max_steps"}))

    result = opspawn("chat", "assistant", stdin="one\ntwo\n")

    assert (result.code, len(sent(api))) == (1, 1)
    assert "max_steps" in result.err


def test_a_piped_message_that_is_no_text_is_refused_and_not_sent(
    api: ScriptedApi, opspawn: Opspawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_turn(api)
    monkeypatch.setattr(PipedLines, "read", lambda _lines, _prompt: "a\udcff")

    result = opspawn("chat", "assistant")

    assert (result.code, sent(api)) == (2, [])
    assert "The message isn't UTF-8 text" in result.err
