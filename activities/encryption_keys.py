"""The keys that payloads are encrypted with: the setting ``encryption_keys``."""

from __future__ import annotations

import base64
import re
from typing import Annotated

from pydantic import BeforeValidator, SecretStr
from pydantic_settings import NoDecode

__all__ = ["EncryptionKeys"]

_KEY_BYTES = 32
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HOW = 'expected ID:BASE64[,ID:BASE64...], where each key is 32 random bytes: echo "2026-11:$(openssl rand -base64 32)"'


def _read_keys(value: object) -> object:
    """Return the keys in the text of the setting, by their ids. Messages never hold a part of a key."""
    if not isinstance(value, str):
        return value
    keys: dict[str, SecretStr] = {}
    for number, entry in enumerate(filter(None, (part.strip() for part in value.split(","))), 1):
        key_id, separator, encoded = entry.partition(":")
        if not separator or not _ID.fullmatch(key_id):
            raise ValueError(f"entry {number} has no id of letters, digits, '.', '_' and '-'; {_HOW}")
        if key_id in keys:
            raise ValueError(f"key {key_id!r} is there twice; {_HOW}")
        if not _is_key(encoded):
            raise ValueError(f"key {key_id!r} isn't {_KEY_BYTES} bytes in base64; {_HOW}")
        keys[key_id] = SecretStr(encoded)
    return keys


def _is_key(encoded: str) -> bool:
    try:
        return len(base64.b64decode(encoded, validate=True)) == _KEY_BYTES
    except ValueError:
        return False


EncryptionKeys = Annotated[dict[str, SecretStr], NoDecode, BeforeValidator(_read_keys)]
"""AES-256 keys in base64 by their ids; the first encrypts, all decrypt."""
