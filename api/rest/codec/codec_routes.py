"""Decode payloads for Temporal's Web UI and command line, as their codec server: ``/codec``."""

from __future__ import annotations

import base64
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.converter import DataConverter

from api.rest.access.route_roles import ADMIN
from api.rest.problems import PROBLEM_RESPONSES
from api.rest.request_bodies import JSONRoute
from api.services import request_services
from api.tasks.payload_decoding import payload_unavailable

__all__ = ["CodecPayloads", "EncodedPayload", "router"]

router = APIRouter(
    prefix="/codec", tags=["operation"], route_class=JSONRoute, responses=PROBLEM_RESPONSES, dependencies=[ADMIN]
)

_STORAGE_REFERENCE = b"temporal.api.sdk.v1.ExternalStorageReference"
"""The ``messageType`` of a payload that stands for one in payload storage; the SDK's own."""


class EncodedPayload(BaseModel):
    """A payload as JSON of its protobuf message."""

    model_config = ConfigDict(frozen=True, extra="allow")  # references to payload storage have more

    metadata: dict[str, str] = Field(default_factory=dict)
    """Values in base64."""
    data: str = ""
    """In base64."""


class CodecPayloads(BaseModel):
    """Payloads, in order."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "example": {"payloads": [{"metadata": {"encoding": "anNvbi9wbGFpbg=="}, "data": "IkhpIg=="}]}
        },
    )

    payloads: tuple[EncodedPayload, ...] = ()


@router.post("/decode", operation_id="decodePayloads")
async def decode_payloads(
    request: Request,
    body: CodecPayloads,
    preserve_storage_refs: Annotated[
        bool, Query(alias="preserveStorageRefs", description="Leave references to payload storage as they are.")
    ] = False,
) -> CodecPayloads:
    """Decrypt payloads, and read those that are in payload storage."""
    converter = request_services(request).client.data_converter
    return CodecPayloads(
        payloads=tuple(
            [
                payload
                if preserve_storage_refs and _is_reference(payload)
                else _encoded(await _decoded(converter, _payload(payload)))
                for payload in body.payloads
            ]
        )
    )


@router.post("/encode", operation_id="encodePayloads")
async def encode_payloads(request: Request, body: CodecPayloads) -> CodecPayloads:
    """Encrypt payloads, as the command line sends them to a workflow."""
    codec = request_services(request).client.data_converter.payload_codec
    payloads = [_payload(payload) for payload in body.payloads]
    encrypted = payloads if codec is None else await codec.encode(payloads)
    return CodecPayloads(payloads=tuple(map(_encoded, encrypted)))


async def _decoded(converter: DataConverter, payload: Payload) -> Payload:
    raw: RawValue
    try:
        [raw] = await converter.decode([payload], [RawValue])
    except Exception as error:  # the boundary: what a client sends may be no payload of ours
        raise payload_unavailable(error) from error
    return raw.payload


def _payload(encoded: EncodedPayload) -> Payload:
    metadata = {name: _bytes(value) for name, value in encoded.metadata.items()}
    return Payload(metadata=metadata, data=_bytes(encoded.data))


def _bytes(text: str) -> bytes:
    """Return the bytes of base64; empty where it is none, so that a payload that can't be read is shown as it is."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _encoded(payload: Payload) -> EncodedPayload:
    metadata = {name: base64.b64encode(value).decode() for name, value in payload.metadata.items()}
    return EncodedPayload(metadata=metadata, data=base64.b64encode(payload.data).decode())


def _is_reference(payload: EncodedPayload) -> bool:
    return _bytes(payload.metadata.get("messageType", "")) == _STORAGE_REFERENCE
