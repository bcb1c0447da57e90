"""The base of requests, and what is wrong with one, in no protocol's format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from agentkit.policy_rules import REPLACED_KEYS
from agentkit.validation.validation_messages import data_path, without_pattern
from api.tasks.errors import FieldIssue, RequestInvalid

__all__ = ["ServiceRequest", "issue_text", "parse_request", "request_issues"]


class ServiceRequest(BaseModel):
    """A request; it rejects unknown fields, NaN and infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


_RequestT = TypeVar("_RequestT", bound=ServiceRequest)


def parse_request(kind: type[_RequestT], data: Mapping[str, object]) -> _RequestT:
    """Return ``data``, in JSON's types, as a request.

    Raises:
        RequestInvalid: with an issue for each field that breaks a rule.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise RequestInvalid(*request_issues(error.errors(include_url=False, include_input=False), data)) from None


def request_issues(errors: Iterable[Mapping[str, Any]], data: object) -> tuple[FieldIssue, ...]:
    """Return pydantic's errors about ``data`` as issues, without the values: they may be large, secret or not text."""
    return tuple(
        FieldIssue(data_path(error["loc"], data, missing=error["type"] == "missing"), issue_text(error))
        for error in errors
    )


def issue_text(error: Mapping[str, Any]) -> str:
    """Return what one of pydantic's errors is about, for people."""
    if error["type"] == "extra_forbidden":
        if error["loc"][:-1] == ("agent_spec",) and (replaced := REPLACED_KEYS.get(str(error["loc"][-1]))):
            return replaced
        return "There is no such field"
    return without_pattern(str(error["msg"])).removeprefix("Value error, ")
