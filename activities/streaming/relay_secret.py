"""The shared secret with which a worker authenticates to the API's relay."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile

from activities.private_files import make_private_directory
from activities.settings import Settings

__all__ = ["has_secret", "relay_secret", "secret_metadata"]

_FILE_NAME = "relay.secret"
_METADATA_KEY = "authorization"


def relay_secret(settings: Settings) -> str:
    """Return the setting ``relay_secret``; without it, the secret that API and workers share in a file of ``data_dir``.

    Raises:
        OSError: the file can't be read or created.
    """
    if settings.relay_secret is not None and settings.relay_secret.get_secret_value():
        return settings.relay_secret.get_secret_value()
    file = settings.data_dir / _FILE_NAME
    try:
        return _read(file)
    except FileNotFoundError:
        _create(file, secrets.token_urlsafe(32))
        return _read(file)


def secret_metadata(secret: str) -> tuple[tuple[str, str], ...]:
    """Return the gRPC metadata that carries the secret."""
    return ((_METADATA_KEY, _bearer(secret)),)


def has_secret(metadata: Iterable[tuple[str, str | bytes]], secret: str) -> bool:
    """Return whether gRPC metadata carries the secret; compared in constant time."""
    value = next((value for key, value in metadata if key == _METADATA_KEY), "")
    received = value.encode() if isinstance(value, str) else value
    return hmac.compare_digest(received, _bearer(secret).encode())


def _bearer(secret: str) -> str:
    return f"Bearer {secret}"


def _read(file: Path) -> str:
    secret = file.read_text().strip()
    if not secret:
        raise OSError(f"{file} is empty: delete it")
    return secret


def _create(file: Path, secret: str) -> None:
    """Create the file atomically, readable by its owner only; an existing file is kept."""
    make_private_directory(file.parent)
    with NamedTemporaryFile("w", dir=file.parent, prefix=f".{_FILE_NAME}.") as temporary:  # has mode 0600
        temporary.write(secret)
        temporary.flush()
        try:
            os.link(temporary.name, file)
        except FileExistsError:
            return
