"""The errors of the client, as one tree.

OpspawnError
└── ClientError
    ├── RequestRefused     the request can't be carried out: correct it
    ├── ApiFailed          the API has a defect (see its log), or can't use its files or an MCP server
    └── ApiUnreachable     no response, not a response of Opspawn's API, or unavailable at the moment
"""

from __future__ import annotations

from agentkit.errors import OpspawnError

__all__ = ["ApiFailed", "ApiUnreachable", "ClientError", "RequestRefused"]


class ClientError(OpspawnError):
    """A request failed. The message holds the API's own explanation, where there is one."""


class RequestRefused(ClientError):
    """The request can't be carried out: no such task (404), it has ended (409), a field is wrong (422)."""

    def __init__(self, message: str, *, status: int, kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status."""
        self.kind = kind
        """Which problem it is, such as ``task-ended``: the last part of the problem's type; empty without one."""


class ApiFailed(ClientError):
    """The API failed while it handled the request (500; its log says more), or can't use its files or an MCP server."""


class ApiUnreachable(ClientError):
    """The API can't be reached, or is unavailable at the moment. The message names its address."""

    def __init__(
        self, message: str, *, status: int | None = None, temporary: bool = False, may_have_arrived: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; None without a response."""
        self.temporary = temporary
        """Whether the same request may succeed later."""
        self.may_have_arrived = may_have_arrived
        """Whether the API may have carried out the request although its response is missing."""
