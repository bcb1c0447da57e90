"""Turn what the API refuses into errors: RFC 9457 problems, and answers of servers that aren't the API."""

from __future__ import annotations

from httpx2 import Response
from pydantic import JsonValue

from agentkit.client.errors import ApiFailed, ApiUnreachable, ClientError, RequestRefused

__all__ = ["refusal", "stranger"]

_PASSING = (502, 503, 504)
"""Statuses of a server that may well answer later."""


def refusal(response: Response) -> ClientError:
    """Return a problem as an error: ``title: detail``, and a line for each of its ``errors``."""
    try:
        problem = response.json()
    except ValueError:
        return stranger(response)
    if not isinstance(problem, dict) or "title" not in problem:
        return stranger(response)
    detail = problem.get("detail")
    lines = [f"{problem['title']}: {detail}" if detail else str(problem["title"])]
    errors = problem.get("errors")
    told = [_error_line(error) for error in (errors if isinstance(errors, list) else [])]
    # The only error is often the detail once more.
    lines.extend(f"  {line}" for line in told if len(told) > 1 or line.partition(": ")[2] not in lines[0])
    message = "\n".join(lines)
    if response.status_code in _PASSING:
        return ApiUnreachable(message, status=response.status_code, passing=True)
    if response.status_code < 500:
        return RequestRefused(message, status=response.status_code)
    return ApiFailed(message)


def stranger(response: Response) -> ApiUnreachable:
    """Return that this isn't how the API answers."""
    url = str(response.request.url.join("/")).rstrip("/")
    return ApiUnreachable(
        f"{url} answered {response.status_code} {response.reason_phrase}, but not as Opspawn's API does. "
        "Is this its address?",
        status=response.status_code,
        passing=response.status_code in _PASSING,
    )


def _error_line(error: JsonValue) -> str:
    """Return one of a problem's errors, however it is shaped, as ``where: what``."""
    if not isinstance(error, dict):
        return str(error)
    where = error.get("pointer") or error.get("loc") or error.get("field") or ""
    if isinstance(where, list):
        where = ".".join(str(part) for part in where)
    what = error.get("detail") or error.get("msg") or error.get("message") or ""
    return f"{where}: {what}" if where else str(what or error)
