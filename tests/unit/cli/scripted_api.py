"""A scripted API on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """What the API answers. Status 0 drops the connection instead."""

    status: int
    body: object
    content_type: str = "application/json"
    cut: bool = False
    """Whether the connection breaks before the answer's end."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Document | None


@dataclass
class ScriptedApi:
    """Answers each method and path with its script, in order; the last answer repeats."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    _came: threading.Condition = field(default_factory=threading.Condition)
    _script: dict[str, list[Answered]] = field(default_factory=dict)

    def on(self, method: str, path: str, *answers: Answered | Document) -> None:
        """Script what ``method path`` is answered, time after time; the query string doesn't count."""
        self._script[f"{method} /api/v1{path}"] = [
            answer if isinstance(answer, Answered) else Answered(200, answer) for answer in answers
        ]

    def until_asked(self, method: str, path: str) -> None:
        """Wait until a request has come."""
        wanted = (method, f"/api/v1{path}")
        with self._came:
            assert self._came.wait_for(
                lambda: any((a.method, a.path.partition("?")[0]) == wanted for a in self.asked), 20
            )

    def answer(self, asked: Asked) -> Answered:
        """Return what is next for a request."""
        with self._came:
            self.asked.append(asked)
            self._came.notify_all()
        script = self._script.get(f"{asked.method} {asked.path.partition('?')[0]}")
        if script is None:
            return problem(404, "Not found", f"nothing is scripted for {asked.method} {asked.path}")
        return script.pop(0) if len(script) > 1 else script[0]


def problem(status: int, title: str, detail: str, errors: Sequence[Document] = ()) -> Answered:
    """Return an RFC 9457 problem."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "errors": list(errors)}
    return Answered(status, body, "application/problem+json")


def stream(*events: Document, cut: bool = False) -> Answered:
    """Return server-sent events; those with an ``id`` are durable."""
    sent = [
        f"event: {event['type']}\n"
        + (f"id: {event['id']}\n" if "id" in event else "")
        + f"data: {json.dumps({key: value for key, value in event.items() if key != 'id'})}\n\n"
        for event in events
    ]
    return Answered(200, "retry: 1000\n\n" + "".join(sent), "text/event-stream; charset=utf-8", cut)


def event(position: int | None, kind: str, *, second: float = 11, **data: object) -> Document:
    """Return an event of ``task-1``; position None is a live one."""
    durable = {} if position is None else {"id": f"p{position}"}
    return {**durable, "type": kind, "task_id": "task-1", "at": f"2026-11-21T19:53:{second:09.6f}Z", **data}


def ending(status: str = "completed") -> Document:
    """Return the last event of ``task-1``."""
    kind = "task.completed" if status == "completed" else "task.failed"
    return event(99, kind, second=12, status=status)


def task(status: str = "completed", **fields: object) -> Document:
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


class _Handler(BaseHTTPRequestHandler):
    api: ScriptedApi

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        answered = self.api.answer(
            Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        )
        if answered.status == 0:
            self.close_connection = True
            return
        content = answered.body if isinstance(answered.body, str) else json.dumps(answered.body)
        self.send_response(answered.status)
        self.send_header("content-type", answered.content_type)
        self.send_header("content-length", str(len(content.encode()) + answered.cut))
        self.end_headers()
        self.wfile.write(content.encode())
        self.close_connection = self.close_connection or answered.cut

    do_GET = do_POST = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving_api(port: int = 0) -> Iterator[ScriptedApi]:
    """Serve an API without a script yet, on loopback; port 0 is a free one."""
    scripted = ScriptedApi()
    handler = type("Handler", (_Handler,), {"api": scripted})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        scripted.url = f"http://127.0.0.1:{server.server_address[1]}"
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield scripted
        server.shutdown()
        serving.join(5)
