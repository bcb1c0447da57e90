from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from agentkit.access.access_errors import CredentialInvalid, CredentialUncheckable
from agentkit.access.api_keys import new_api_key
from agentkit.access.keys_file import KeysFile, change_keys, read_keys
from agentkit.errors import ConfigurationInvalid

_NOW = datetime(2026, 11, 28, tzinfo=UTC)


def _add(path: Path, name: str = "ci", expires_at: datetime | None = None) -> str:
    text, key = new_api_key(name, "acme", ["viewer"], now=_NOW, expires_at=expires_at)
    with change_keys(path) as keys:
        keys.append(key)
    return text


def test_a_key_is_valid_until_it_expires(tmp_path: Path) -> None:
    now = _NOW
    text = _add(tmp_path / "keys.json", expires_at=_NOW + timedelta(days=1))
    file = KeysFile(tmp_path / "keys.json", lambda: now)
    assert file.find(text).name == "ci"
    now += timedelta(days=1)
    with pytest.raises(CredentialInvalid, match="expired"):
        file.find(text)


def test_keys_that_differ_in_one_character_are_refused(tmp_path: Path) -> None:
    text = _add(tmp_path / "keys.json")
    file = KeysFile(tmp_path / "keys.json")
    for index in range(len("opspawn_"), len(text)):
        other = text[:index] + ("0" if text[index] != "0" else "1") + text[index + 1 :]
        with pytest.raises(CredentialInvalid) as raised:
            file.find(other)
        assert text[-20:] not in str(raised.value)
    for wrong in ("", text[:-1], text + "A", text.upper(), f"{text}\n", "opspawn_", "é" * 50):
        with pytest.raises(CredentialInvalid):
            file.find(wrong)


def test_a_change_of_the_file_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    first = _add(path)
    file = KeysFile(path)
    second = _add(path, "other")
    assert [file.find(key).name for key in (first, second)] == ["ci", "other"]
    with change_keys(path) as keys:
        del keys[0]
    with pytest.raises(CredentialInvalid, match="revoked"):
        file.find(first)


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"keys": [{"id": "x"}]}', b"\xff"])
def test_while_the_file_is_wrong_no_key_is_accepted(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.json"
    text = _add(path)
    file, right = KeysFile(path), path.read_bytes()
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with caplog.at_level(logging.ERROR), pytest.raises(CredentialUncheckable):
        file.find(text)
    assert str(path) in caplog.text
    path.write_bytes(right + b"\n")
    assert file.find(text).name == "ci"


def test_a_missing_or_wrong_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(ConfigurationInvalid, match=r"no file .*keys.json; make a key with `OPSPAWN_KEYS_FILE="):
        KeysFile(path)
    assert read_keys(path) == ()
    path.write_text(json.dumps({"keys": [{"id": "12345678", "name": "a", "roles": ["boss"]}]}))
    with pytest.raises(ConfigurationInvalid, match=r"isn't a file of keys \(keys\.0\.roles\.0: "):
        KeysFile(path)


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    _add(path)
    before = path.read_bytes()

    def fail() -> None:
        with change_keys(path) as keys:
            keys.clear()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == before


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    names = [f"name-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        texts = list(pool.map(partial(_add, path), names))
    file = KeysFile(path)
    assert [file.find(text).name for text in texts] == names


def test_a_key_and_its_text_are_in_no_repr() -> None:
    created = new_api_key("ci", "acme", ["viewer"], now=_NOW)
    assert created.text not in repr(created)
    assert created.key.fits(created.text)
