"""Decode what Temporal holds of tasks; where that fails, the error has the reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter

from activities.temporal.encryption.encrypted_payloads import PayloadErased
from activities.temporal.payload_storage import PayloadStorageFailed
from api.tasks.errors import ContentErased, PayloadUnavailable

__all__ = ["decode_failure", "decode_record", "payload_unavailable", "unreadable_reason"]

_T = TypeVar("_T", bound=BaseModel)


async def decode_record(converter: DataConverter, payloads: Sequence[Payload], kind: type[_T]) -> _T | None:
    """Return the record that is all of ``payloads``; None where they hold something else.

    Raises:
        PayloadUnavailable: they can't be read.
    """
    if len(payloads) != 1:
        return None
    try:
        (value,) = await converter.decode(payloads, [kind])
        return kind.model_validate(value)
    except ValidationError as error:
        if _is_json(error):
            return None
        raise payload_unavailable(error) from error
    except Exception as error:  # the boundary: a payload may be stored elsewhere, damaged, or encoded in another way
        raise payload_unavailable(error) from error


async def decode_failure(converter: DataConverter, failure: Failure) -> BaseException:
    """Return a failure as an exception. ``failure`` is changed by that.

    Raises:
        PayloadUnavailable: its details can't be read.
    """
    try:
        return await converter.decode_failure(failure)
    except Exception as error:  # the boundary, as above
        raise payload_unavailable(error) from error


def payload_unavailable(error: Exception) -> PayloadUnavailable:
    """Return the error of the service for one of decoding."""
    if isinstance(error, PayloadErased):
        return ContentErased()
    return PayloadUnavailable(f"Data of the task can't be read. {unreadable_reason(error)}")


def unreadable_reason(error: Exception) -> str:
    """Return why decoding failed, for people: without the data, which may be large or secret."""
    if isinstance(error, PayloadStorageFailed):
        return str(error)
    if isinstance(error, ValidationError):
        return f"{error.errors(include_url=False, include_input=False)[0]['msg']}."
    return f"{type(error).__name__}: {error}"


def _is_json(error: ValidationError) -> bool:
    """Return whether JSON was read, though of another shape."""
    return error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid"
