from __future__ import annotations

import base64
from pathlib import Path

import pytest

from activities.settings import Settings
from agentkit.errors import ConfigurationInvalid

KEY = base64.b64encode(b"k" * 32).decode()
SHORT = base64.b64encode(b"s" * 16).decode()
OTHER = base64.b64encode(b"o" * 32).decode()


def load(monkeypatch: pytest.MonkeyPatch, app_dir: Path, text: str) -> Settings:
    monkeypatch.setenv("OPSPAWN_ENCRYPTION_KEYS", text)
    return Settings.load(app_dir)


def test_keys_are_read_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = load(monkeypatch, tmp_path, f"new:{KEY}, old:{OTHER}")
    assert [(key_id, key.get_secret_value()) for key_id, key in settings.encryption_keys.items()] == [
        ("new", KEY),
        ("old", OTHER),
    ]
    assert KEY not in repr(settings)


def test_nothing_is_no_encryption(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load(monkeypatch, tmp_path, "").encryption_keys == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (KEY, "entry 1 has no id"),
        (f"a b:{KEY}", "entry 1 has no id"),
        (f"new:{KEY},{OTHER}", "entry 2 has no id"),
        (f"new:{KEY},new:{OTHER}", "key 'new' is there twice"),
        (f"new:{base64.b64encode(b's' * 16).decode()}", "key 'new' isn't 32 bytes"),
        ("new:no base64!", "key 'new' isn't 32 bytes"),
        ("new:", "key 'new' isn't 32 bytes"),
    ],
)
def test_a_wrong_key_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigurationInvalid) as raised:
        load(monkeypatch, tmp_path, text)
    assert message in str(raised.value)
    assert "openssl rand -base64 32" in str(raised.value)
    assert KEY not in str(raised.value)
    assert OTHER not in str(raised.value)
