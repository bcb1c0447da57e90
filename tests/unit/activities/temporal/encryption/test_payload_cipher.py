from __future__ import annotations

import pytest
from temporalio.api.common.v1 import Payload

from activities.temporal.encryption.encrypted_payloads import PayloadUndecryptable
from activities.temporal.encryption.payload_cipher import PayloadCipher

PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"the code is 4711"')


async def test_only_the_same_key_decrypts() -> None:
    encrypted = await PayloadCipher("one", bytes(32)).encrypt(PLAIN)
    assert await PayloadCipher("one", bytes(32)).decrypt(encrypted) == PLAIN
    with pytest.raises(PayloadUndecryptable, match="'one'"):
        await PayloadCipher("one", bytes(31) + b"1").decrypt(encrypted)
