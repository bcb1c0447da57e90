"""Turn errors into rich statuses: the one place where they cross into gRPC."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from grpc.aio import BaseError, ServicerContext
from grpc_status import rpc_status

from api.tasks.errors import (
    CursorInvalid,
    FrontEndError,
    IdempotencyConflict,
    PositionInvalid,
    TaskEnded,
    TaskNotFound,
    TaskRefused,
    TemporalNotReady,
    TemporalUnreachable,
    WatchInterrupted,
    WorkersSilent,
)

__all__ = ["DOMAIN", "NotInThisRelease", "RequestInvalid", "answering", "status_of"]

DOMAIN = "opspawn"
_RETRY_SECONDS = 2
_log = logging.getLogger(__name__)


class RequestInvalid(FrontEndError):
    """Fields of a request that can't be: their paths, and what is wrong with each."""

    def __init__(self, *violations: tuple[str, str]) -> None:
        self.violations = violations
        field, description = violations[0]
        also = f" ({len(violations) - 1} more)" if len(violations) > 1 else ""
        super().__init__(f"{field}: {description}{also}" if field else f"{description}{also}")


class NotInThisRelease(FrontEndError):
    """The interface has it already, this release not yet."""


_CODES: dict[type[FrontEndError], StatusCode] = {
    CursorInvalid: StatusCode.INVALID_ARGUMENT,
    IdempotencyConflict: StatusCode.ALREADY_EXISTS,
    NotInThisRelease: StatusCode.UNIMPLEMENTED,
    PositionInvalid: StatusCode.INVALID_ARGUMENT,
    RequestInvalid: StatusCode.INVALID_ARGUMENT,
    TaskEnded: StatusCode.FAILED_PRECONDITION,
    TaskNotFound: StatusCode.NOT_FOUND,
    TaskRefused: StatusCode.INVALID_ARGUMENT,
    TemporalNotReady: StatusCode.UNAVAILABLE,
    TemporalUnreachable: StatusCode.UNAVAILABLE,
    WatchInterrupted: StatusCode.UNAVAILABLE,
    WorkersSilent: StatusCode.UNAVAILABLE,
}


def status_of(error: FrontEndError) -> Status:
    """Return an error's status: its code and text, an ErrorInfo, and what else helps."""
    code = _CODES[type(error)]
    reason = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).upper()
    details: list[Message] = [ErrorInfo(reason=reason, domain=DOMAIN)]
    if violations := _violations(error):
        fields = [BadRequest.FieldViolation(field=field, description=told) for field, told in violations]
        details.append(BadRequest(field_violations=fields))
    if code is StatusCode.UNAVAILABLE:
        retry = RetryInfo()
        retry.retry_delay.seconds = _RETRY_SECONDS
        details.append(retry)
    return _status(code, str(error), details)


@asynccontextmanager
async def answering(context: ServicerContext[Any, Any]) -> AsyncIterator[None]:
    """Answer a call inside this context: whatever it raises ends the call with a status."""
    try:
        yield
    except FrontEndError as error:
        status = status_of(error)
    except BaseError:  # gRPC's own: the client has gone, and gRPC knows
        raise
    except Exception:  # the boundary: whatever it was, the client gets an answer and the log the cause
        error_id = uuid.uuid4().hex
        _log.exception("Unexpected error %s", error_id)
        told = f"Something went wrong on our side. The log has it under {error_id}."
        status = _status(StatusCode.INTERNAL, told, [ErrorInfo(reason="UNEXPECTED", domain=DOMAIN)])
    else:
        return
    await context.abort_with_status(rpc_status.to_status(status))


def _violations(error: FrontEndError) -> Sequence[tuple[str, str]]:
    match error:
        case RequestInvalid():
            return error.violations
        case TaskRefused():
            return [(error.field, str(error))]
        case CursorInvalid():
            return [("cursor", str(error))]
        case PositionInvalid():
            return [("after", str(error))]
        case IdempotencyConflict():
            return [("idempotency_key", str(error))]
    return ()


def _status(code: StatusCode, message: str, details: Sequence[Message]) -> Status:
    status = Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)
    return status
