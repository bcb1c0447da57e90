"""HTTP error responses as exceptions: RFC 9457 problems, and responses of servers other than Opspawn's API."""

from __future__ import annotations

from httpx2 import Response
from pydantic import JsonValue

from agentkit.client.errors import ApiFailed, ApiUnreachable, ClientError, RequestRefused

__all__ = ["error_from_response", "unexpected_response"]

_TEMPORARY_STATUSES = (502, 503, 504)
_TYPE_PREFIX = "urn:opspawn:problem:"
_OF_FILES_AND_SERVERS = ("payload-unavailable", "mcp-server-failed", "mcp-server-timed-out")
"""The problems of these statuses that are not the API's own; most stay until a person has done something."""

_TOO_MANY = "requests-limited"


def error_from_response(response: Response) -> ClientError:
    """Return the error for a problem response: ``title: detail``, and a line for each of its ``errors``."""
    try:
        problem = response.json()
    except ValueError:
        return unexpected_response(response)
    if not isinstance(problem, dict) or "title" not in problem:
        return unexpected_response(response)
    detail = problem.get("detail")
    lines = [f"{problem['title']}: {detail}" if detail else str(problem["title"])]
    errors = problem.get("errors")
    error_lines = [_error_line(error) for error in (errors if isinstance(errors, list) else [])]
    # A single error often repeats the detail.
    lines.extend(f"  {line}" for line in error_lines if len(error_lines) > 1 or line.partition(": ")[2] not in lines[0])
    message = "\n".join(lines)
    kind = _kind(problem.get("type"))
    if response.status_code in _TEMPORARY_STATUSES and kind not in _OF_FILES_AND_SERVERS:
        return ApiUnreachable(message, status=response.status_code, temporary=True)
    if kind == _TOO_MANY:
        return ApiUnreachable(message, status=response.status_code, temporary=True)
    if response.status_code < 500:
        return RequestRefused(message, status=response.status_code, kind=kind)
    return ApiFailed(message)


def unexpected_response(response: Response) -> ApiUnreachable:
    """Return the error for a response that Opspawn's API would not send."""
    url = str(response.request.url.join("/")).rstrip("/")
    return ApiUnreachable(
        f"{url} responded {response.status_code} {response.reason_phrase}, but not as Opspawn's API does. "
        "Is this its address?",
        status=response.status_code,
        temporary=response.status_code in _TEMPORARY_STATUSES,
    )


def _kind(problem_type: JsonValue) -> str:
    """Return the last part of a type of Opspawn's problems; empty for another one."""
    text = str(problem_type)
    return text.removeprefix(_TYPE_PREFIX) if text.startswith(_TYPE_PREFIX) else ""


def _error_line(error: JsonValue) -> str:
    """Return one entry of a problem's ``errors`` as ``location: message``; accepts the shapes of several servers."""
    if not isinstance(error, dict):
        return str(error)
    location = error.get("pointer") or error.get("loc") or error.get("field") or ""
    if isinstance(location, list):
        location = ".".join(str(key) for key in location)
    message = error.get("detail") or error.get("msg") or error.get("message") or ""
    return f"{location}: {message}" if location else str(message or error)
