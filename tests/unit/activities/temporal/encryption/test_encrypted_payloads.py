from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from activities.temporal.encryption.encrypted_payloads import (
    ENCRYPTED,
    KEY_ID_METADATA,
    PayloadUndecryptable,
    key_missing,
)
from activities.temporal.payload_storage import storage_failure_in

PAYLOAD = Payload(metadata={"encoding": ENCRYPTED, KEY_ID_METADATA: b"2026-10"}, data=b"sealed")


def test_a_missing_key_is_a_failure_of_storage_that_names_it_and_the_remedy() -> None:
    message = str(key_missing(PAYLOAD))
    assert "'2026-10'" in message
    assert "OPSPAWN_ENCRYPTION_KEYS" in message
    assert storage_failure_in(f"activity failed: {message}") == message


async def test_without_any_key_an_encrypted_payload_is_that_error(tmp_path: Path) -> None:
    with pytest.raises(PayloadUndecryptable, match="'2026-10'"):
        await data_converter(Settings(data_dir=tmp_path)).decode([PAYLOAD])
