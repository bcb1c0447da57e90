"""An API on loopback that sends scripted responses, and records the requests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JsonObject = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ScriptedResponse:
    """A response of the API. Status 0 closes the connection without one."""

    status: int
    body: object
    content_type: str = "application/json"
    cut: bool = False
    """Whether the connection breaks before the end of the body."""
    gate: threading.Event | None = None
    """What the response waits for."""


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as it was received."""

    method: str
    path: str
    headers: dict[str, str]
    body: JsonObject | None
    """None without a body, or where it is no JSON object."""
    content: str = ""
    """The body as text."""


@dataclass
class ScriptedApi:
    """Sends the scripted responses of each method and path in order; the last one repeats."""

    url: str = ""
    requests: list[RecordedRequest] = field(default_factory=list)
    _request_received: threading.Condition = field(default_factory=threading.Condition)
    _script: dict[str, list[ScriptedResponse]] = field(default_factory=dict)

    def on(self, method: str, path: str, *responses: ScriptedResponse | JsonObject, prefix: str = "/api/v1") -> None:
        """Set the responses to ``method path``, whatever its query string."""
        self._script[f"{method} {prefix}{path}"] = [
            response if isinstance(response, ScriptedResponse) else ScriptedResponse(200, response)
            for response in responses
        ]

    def wait_for_request(self, method: str, path: str, *, count: int = 1) -> None:
        """Wait until ``method path`` has been requested, ``count`` times."""
        expected = (method, f"/api/v1{path}")
        with self._request_received:
            assert self._request_received.wait_for(
                lambda: [(each.method, each.path.partition("?")[0]) for each in self.requests].count(expected) >= count,
                20,
            )

    def respond(self, request: RecordedRequest) -> ScriptedResponse:
        """Record a request, and return its next response."""
        with self._request_received:
            self.requests.append(request)
            self._request_received.notify_all()
        script = self._script.get(f"{request.method} {request.path.partition('?')[0]}")
        if script is None:
            return problem(404, "Not found", f"nothing is scripted for {request.method} {request.path}")
        return script.pop(0) if len(script) > 1 else script[0]


def problem(
    status: int, title: str, detail: str, errors: Sequence[JsonObject] = (), kind: str | None = None
) -> ScriptedResponse:
    """Return an RFC 9457 problem; ``kind`` is the last part of its type."""
    type_ = "about:blank" if kind is None else f"urn:opspawn:problem:{kind}"
    body = {"type": type_, "title": title, "status": status, "detail": detail, "errors": list(errors)}
    return ScriptedResponse(status, body, "application/problem+json")


def stream(*events: JsonObject, cut: bool = False, gate: threading.Event | None = None) -> ScriptedResponse:
    """Return server-sent events: durable ones have an ``id``. ``cut`` breaks the connection after them."""
    sent = [
        f"event: {event['type']}\n"
        + (f"id: {event['id']}\n" if "id" in event else "")
        + f"data: {json.dumps({key: value for key, value in event.items() if key != 'id'})}\n\n"
        for event in events
    ]
    return ScriptedResponse(200, "retry: 1000\n\n" + "".join(sent), "text/event-stream; charset=utf-8", cut, gate)


def event(position: int | None, kind: str, /, *, second: float = 11, **data: object) -> JsonObject:
    """Return an event of ``task-1``; position None is a live one."""
    durable = {} if position is None else {"id": f"p{position}"}
    return {**durable, "type": kind, "task_id": "task-1", "at": f"2026-11-21T19:53:{second:09.6f}Z", **data}


CALL = {"type": "tool_call", "id": "c1", "name": "calculator", "arguments": {"expression": "6*7"}}
RESULT = {"type": "tool_result", "call_id": "c1", "name": "calculator", "content": "42"}
EVENTS: list[JsonObject] = [
    event(1, "task.status", status="queued"),
    event(2, "task.started", agent="assistant", input="What is 6 times 7?"),
    event(3, "model.started", step=1, model="demo:demo"),
    event(None, "model.delta", step=1, text="Let me"),
    event(4, "model.completed", step=1, model="demo:demo", message={"role": "assistant", "parts": [CALL]}),
    event(5, "tool.started", step=1, call=CALL),
    event(6, "tool.completed", step=1, result=RESULT, second=11.25),
    event(7, "model.started", step=2, model="demo:demo"),
    event(
        *(8, "model.completed"),
        step=2,
        model="demo:demo",
        message={"role": "assistant", "parts": [{"type": "text", "text": "It is 42"}]},
    ),
    event(9, "of.tomorrow", more=[1]),
    event(10, "task.completed", status="completed", output="It is 42"),
]
"""A task of two steps, ``CALL`` in the first; one event has a type that no client has a class for."""


def final_event(status: str = "completed") -> JsonObject:
    """Return the last event of ``task-1``."""
    kind = "task.completed" if status == "completed" else "task.failed"
    return event(99, kind, second=12, status=status)


def task(status: str = "completed", **fields: object) -> JsonObject:
    """Return a Task as the API shows it."""
    return {
        "id": "task-1",
        "agent": "assistant",
        "status": status,
        "title": "What is 6 times 7?",
        "input": "What is 6 times 7?",
        "output": "42" if status == "completed" else None,
        "error": None,
        "usage": {"tokens": 164, "input_tokens": 140, "output_tokens": 24, "cost_usd": None},
        "steps": 2,
        "created_at": "2026-11-21T19:53:11Z",
        "completed_at": "2026-11-21T19:53:12Z" if status == "completed" else None,
        "links": {
            "self": "/api/v1/tasks/task-1",
            "events": "/api/v1/tasks/task-1/events",
            "temporal_ui": "http://localhost:8233/t",
        },
        **fields,
    }


def conversation(status: str = "idle", **fields: object) -> JsonObject:
    """Return a Conversation as the API shows it."""
    return {
        "id": "conversation-1",
        "agent": "assistant",
        "model": None,
        "status": status,
        "title": "What is 6 times 7?",
        "user": None,
        "tags": [],
        "metadata": {},
        "on_busy": "reject",
        "turns": 0,
        "current_task_id": None,
        "queued": 0,
        "usage": {"tokens": 164, "input_tokens": 140, "output_tokens": 24, "cost_usd": None},
        "created_at": "2026-11-21T19:53:11Z",
        "updated_at": "2026-11-21T19:53:12Z",
        "expires_at": None,
        "links": {"self": "/api/v1/conversations/conversation-1"},
        **fields,
    }


def memory(number: int = 1, **fields: object) -> JsonObject:
    """Return a memory as the API shows it."""
    return {
        "id": f"memory-{number}",
        "text": "Ada likes tea.",
        "scope": "user/ada",
        "metadata": {},
        "created_at": "2026-11-21T19:53:11Z",
        "updated_at": "2026-11-21T19:53:11Z",
        **fields,
    }


def input_request(number: int = 1, **fields: object) -> JsonObject:
    """Return an approval that ``task-1`` waits for."""
    return {
        "id": f"input_{number}",
        "kind": "approval",
        "step": 1,
        "call_id": f"c{number}",
        "tool": "transfer_money",
        "arguments": {"to": "DE02", "amount": 700},
        "message": "Approve this call?",
        "sha256": "5" * 64,
        "opened_at": "2026-11-21T19:53:11Z",
        **fields,
    }


class _Handler(BaseHTTPRequestHandler):
    api: ScriptedApi

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        received = self.rfile.read(length).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = json.loads(received) if headers.get("content-type") == "application/json" else None
        response = self.api.respond(RecordedRequest(self.command, self.path, headers, body, received))
        if response.gate is not None:
            response.gate.wait(20)
        if response.status == 0:
            self.close_connection = True
            return
        content = response.body if isinstance(response.body, str) else json.dumps(response.body)
        self.send_response(response.status)
        self.send_header("content-type", response.content_type)
        self.send_header("content-length", str(len(content.encode()) + response.cut))
        self.end_headers()
        with suppress(ConnectionError):  # the client has ended
            self.wfile.write(content.encode())
        self.close_connection = self.close_connection or response.cut

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@contextmanager
def serve_scripted_api() -> Iterator[ScriptedApi]:
    """Serve an API on a free port of loopback; its script is empty."""
    scripted = ScriptedApi()
    handler = type("Handler", (_Handler,), {"api": scripted})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        scripted.url = f"http://127.0.0.1:{server.server_address[1]}"
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield scripted
        server.shutdown()
        serving.join(5)
