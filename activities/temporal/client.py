"""Connect to Temporal: its own environment configuration, our payload conversion."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from pydantic_core import to_json
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    ExternalStorage,
    JSONPlainPayloadConverter,
)
from temporalio.envconfig import ClientConfigProfile

from activities.settings import Settings
from activities.temporal.payload_storage import DirectoryStorageDriver

__all__ = ["PayloadConverter", "TemporalAddress", "connect", "connect_when_ready", "data_converter", "temporal_address"]


logger = logging.getLogger("opspawn.temporal")

_PATIENCE = 1.0
"""Seconds between two attempts to connect."""


class _CompactJSON(PydanticJSONPlainPayloadConverter):
    """pydantic's JSON without ``None`` fields: smaller histories, and the very JSON that digests are taken over."""

    def to_payload(self, value: Any) -> Payload | None:
        return Payload(metadata={"encoding": self.encoding.encode()}, data=to_json(value, exclude_none=True))


_COMPACT_JSON = _CompactJSON()
"""One for all: with external storage the SDK builds a ``PayloadConverter`` for each activity and each command, and
this keeps the validators that pydantic has built (0.3 ms for a tool's arguments)."""


class PayloadConverter(CompositePayloadConverter):
    """Temporal's default converters, with JSON by pydantic."""

    def __init__(self) -> None:
        """Take no arguments: the data converter builds it by class."""
        super().__init__(
            *(
                _COMPACT_JSON if isinstance(converter, JSONPlainPayloadConverter) else converter
                for converter in DefaultPayloadConverter.default_encoding_payload_converters
            )
        )


def data_converter(settings: Settings) -> DataConverter:
    """Return how payloads become bytes: pydantic JSON; large ones in files under ``data_dir``."""
    driver = DirectoryStorageDriver(settings.data_dir / "payloads")
    storage = ExternalStorage(drivers=[driver], payload_size_threshold=settings.payload_threshold_bytes)
    return DataConverter(payload_converter_class=PayloadConverter, external_storage=storage)


class TemporalAddress(str):
    """``host:port`` of Temporal's front end."""

    __slots__ = ()


def temporal_address(settings: Settings) -> TemporalAddress:
    """Return where Temporal is: ``TEMPORAL_ADDRESS`` or the profile file, else the embedded server's port."""
    profile = ClientConfigProfile.load()
    return TemporalAddress(profile.address or f"127.0.0.1:{settings.temporal_port}")


async def connect(settings: Settings, *, address: str | None = None, lazy: bool = False) -> Client:
    """Return a client of Temporal at ``address``, else at the configured one.

    A ``lazy`` client connects at its first call, and again after its connection was lost.

    Raises:
        RuntimeError: Temporal doesn't answer (not when lazy).
    """
    config = ClientConfigProfile.load().to_client_connect_config()
    config["target_host"] = address or temporal_address(settings)
    return await Client.connect(**config, data_converter=data_converter(settings), lazy=lazy)


async def connect_when_ready(settings: Settings) -> Client:
    """Return a client as soon as Temporal answers; that it doesn't is said once."""
    told = False
    while True:
        try:
            return await connect(settings)
        except RuntimeError as error:
            if not told:
                reason = str(error).partition("\n")[0]
                address = temporal_address(settings)
                logger.warning("Temporal at %s doesn't answer; trying again until it does. (%s)", address, reason)
                told = True
            await asyncio.sleep(_PATIENCE)
