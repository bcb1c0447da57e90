"""The secret by which API and workers know each other."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from tempfile import NamedTemporaryFile

from activities.settings import Settings

__all__ = ["credentials", "is_known", "relay_secret"]

_FILE = "relay.secret"
_KEY = "authorization"


def relay_secret(settings: Settings) -> str:
    """Return the secret that is set; else the one that this machine's API and workers share in ``data_dir``.

    Raises:
        OSError: there is none, and none can be written.
    """
    if settings.relay_secret is not None and settings.relay_secret.get_secret_value():
        return settings.relay_secret.get_secret_value()
    file = settings.data_dir / _FILE
    try:
        return _read(file)
    except FileNotFoundError:
        _write(file, secrets.token_urlsafe(32))
        return _read(file)


def credentials(secret: str) -> tuple[tuple[str, str], ...]:
    """Return the metadata that proves who a worker is."""
    return ((_KEY, _bearer(secret)),)


def is_known(metadata: Iterable[tuple[str, str | bytes]], secret: str) -> bool:
    """Say whether metadata holds the secret; how long that takes tells nothing of it."""
    given = next((value for key, value in metadata if key == _KEY), "")
    found = given.encode() if isinstance(given, str) else given
    return hmac.compare_digest(found, _bearer(secret).encode())


def _bearer(secret: str) -> str:
    return f"Bearer {secret}"


def _read(file: Path) -> str:
    secret = file.read_text().strip()
    if not secret:
        raise OSError(f"{file} is empty: delete it")
    return secret


def _write(file: Path, secret: str) -> None:
    """Write it for this user only, whole or not at all; whoever comes first wins."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=file.parent, prefix=f".{_FILE}.") as whole:  # which nobody else may read
        whole.write(secret)
        whole.flush()
        try:
            os.link(whole.name, file)
        except FileExistsError:
            return
