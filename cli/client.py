"""Ask the API over HTTP; its errors become the commands' errors."""

from __future__ import annotations

from types import TracebackType
from typing import ClassVar, Self, TypeVar
from urllib.parse import quote

from httpx2 import URL, Client, ConnectError, ConnectTimeout, HTTPError, InvalidURL, Response, Timeout
from pydantic import JsonValue

from cli.answers import AgentList, Answer, Document, Task, TaskList, TranscriptPage
from cli.errors import CommandFailed, ServerUnreachable, UsageWrong

__all__ = ["OpspawnClient"]

_A = TypeVar("_A", bound=Answer)
_PASSING = (502, 503, 504)
"""Statuses of a server that may well answer later."""
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class OpspawnClient:
    """The REST calls that commands make. Not for concurrent use."""

    prefix: ClassVar[str] = "/api/v1"

    def __init__(self, url: str) -> None:
        """Take the API's base URL, such as ``http://127.0.0.1:8000``.

        Raises:
            UsageWrong: it isn't one.
        """
        self.url = url.rstrip("/")
        try:
            parsed = URL(self.url)
        except InvalidURL as error:
            raise UsageWrong(f"--url {url}: {error}. Expected an address such as http://127.0.0.1:8000") from None
        if parsed.scheme not in ("http", "https") or not parsed.host:
            raise UsageWrong(f"--url {url}: expected an address such as http://127.0.0.1:8000")
        # A proxy from the environment must not stand between two processes of one machine.
        self._http = Client(
            base_url=self.url + self.prefix, timeout=Timeout(30.0, connect=5.0), trust_env=parsed.host not in _LOOPBACK
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def create_task(self, body: Document, *, idempotency_key: str) -> Task:
        """Start a task; asking again with the same key starts no second one."""
        response = self._send("POST", "/tasks", json=body, headers={"Idempotency-Key": idempotency_key})
        return self._read(Task, response)

    def task(self, task_id: str, *, wait: int = 0) -> Task:
        """Return a task, at the latest after ``wait`` seconds; sooner when it ends."""
        params = {"wait": str(wait)} if wait else None
        return self._read(Task, self._send("GET", f"/tasks/{_segment(task_id)}", params=params, wait=wait))

    def tasks(self, filters: dict[str, str]) -> TaskList:
        """Return the newest tasks that fit the filters."""
        return self._read(TaskList, self._send("GET", "/tasks", params=filters))

    def transcript(self, task_id: str, *, start: int = 0) -> TranscriptPage:
        """Return a task's messages from position ``start`` on, a page at most."""
        path = f"/tasks/{_segment(task_id)}/transcript"
        return self._read(TranscriptPage, self._send("GET", path, params={"start": str(start)}))

    def cancel(self, task_id: str) -> None:
        """Ask for a task to be cancelled."""
        self._send("POST", f"/tasks/{_segment(task_id)}/cancel")

    def agents(self) -> AgentList:
        """Return the agents that can be given tasks."""
        return self._read(AgentList, self._send("GET", "/agents"))

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        json: Document | None = None,
        headers: dict[str, str] | None = None,
        wait: int = 0,
    ) -> Response:
        try:
            response = self._http.request(
                method, path, params=params, json=json, headers=headers, timeout=Timeout(30.0 + wait, connect=5.0)
            )
        except HTTPError as error:
            raise ServerUnreachable(
                f"Can't reach the API at {self.url} ({str(error) or type(error).__name__}). "
                "Start it with `opspawn dev`, or name another with --url or OPSPAWN_URL.",
                passing=True,
                may_have_arrived=not isinstance(error, (ConnectError, ConnectTimeout)),
            ) from None
        if not response.is_success:
            raise self._problem(response)
        return response

    def _read(self, kind: type[_A], response: Response) -> _A:
        try:
            return kind.read(response.json())
        except ValueError:  # no JSON, or not what the API answers (pydantic's error is one, too)
            raise self._stranger(response) from None

    def _problem(self, response: Response) -> CommandFailed:
        """Return an RFC 9457 problem as an error: ``title: detail``, and a line for each of its ``errors``."""
        try:
            problem = response.json()
        except ValueError:
            return self._stranger(response)
        if not isinstance(problem, dict) or "title" not in problem:
            return self._stranger(response)
        detail = problem.get("detail")
        lines = [f"{problem['title']}: {detail}" if detail else str(problem["title"])]
        errors = problem.get("errors")
        told = [_error_line(error) for error in (errors if isinstance(errors, list) else [])]
        # The only error is often the detail once more.
        lines.extend(f"  {line}" for line in told if len(told) > 1 or line.partition(": ")[2] not in lines[0])
        message = "\n".join(lines)
        if response.status_code in _PASSING:
            return ServerUnreachable(message, passing=True)
        return UsageWrong(message) if response.status_code < 500 else CommandFailed(message)

    def _stranger(self, response: Response) -> ServerUnreachable:
        return ServerUnreachable(
            f"{self.url} answered {response.status_code} {response.reason_phrase}, but not as Opspawn's API does. "
            "Is this its address? Name another with --url or OPSPAWN_URL.",
            passing=response.status_code in _PASSING,
        )


def _segment(task_id: str) -> str:
    """Return an id as one path segment: quoted, so that ``a/b`` or ``?`` can't address something else."""
    return quote(task_id, safe="")


def _error_line(error: JsonValue) -> str:
    """Return one of a problem's errors, however it is shaped, as ``where: what``."""
    if not isinstance(error, dict):
        return str(error)
    where = error.get("pointer") or error.get("loc") or error.get("field") or ""
    if isinstance(where, list):
        where = ".".join(str(part) for part in where)
    what = error.get("detail") or error.get("msg") or error.get("message") or ""
    return f"{where}: {what}" if where else str(what or error)
