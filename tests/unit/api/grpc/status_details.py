"""Read the details of rich statuses."""

from __future__ import annotations

from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status


def reason_of(status: Status) -> str:
    """Return the reason in a status's ErrorInfo, which is its first detail."""
    info = ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "opspawn"
    return info.reason


def violations_of(status: Status) -> dict[str, str]:
    """Return description by field of a status's BadRequest; empty where it has none."""
    bad_request = BadRequest()
    for detail in status.details:
        if detail.Unpack(bad_request):
            return {violation.field: violation.description for violation in bad_request.field_violations}
    return {}
