"""Why a call of the API came to nothing.

OpspawnError
└── ClientError
    ├── RequestRefused     what was asked can't be done: mend the request
    ├── ApiFailed          the API made a mistake
    └── ApiUnreachable     nobody answers, or not for now, or somebody else does
"""

from __future__ import annotations

from agentkit.errors import OpspawnError

__all__ = ["ApiFailed", "ApiUnreachable", "ClientError", "RequestRefused"]


class ClientError(OpspawnError):
    """The API didn't do what it was asked. The message says why, in the API's own words where there are any."""


class RequestRefused(ClientError):
    """What was asked can't be done: no such task (404), it has ended (409), a field is wrong (422)."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status."""


class ApiFailed(ClientError):
    """The API made a mistake (500). Its log tells more."""


class ApiUnreachable(ClientError):
    """The API doesn't answer, or can't serve now. The message names its address."""

    def __init__(
        self, message: str, *, status: int | None = None, passing: bool = False, may_have_arrived: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status; None where nobody answered."""
        self.passing = passing
        """Whether the same question may be answered later."""
        self.may_have_arrived = may_have_arrived
        """Whether the API may have done what it was asked, though it didn't say so."""
