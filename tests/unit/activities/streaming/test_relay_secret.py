from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from activities.settings import Settings
from activities.streaming.relay_secret import credentials, is_known, relay_secret


def test_the_secret_that_is_set_counts(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, relay_secret=SecretStr("hush"))
    assert relay_secret(settings) == "hush"
    assert list(tmp_path.iterdir()) == []


def test_without_one_processes_that_share_the_directory_share_a_secret_of_their_own(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: relay_secret(settings), range(64)))
    (secret,) = found
    assert len(secret) >= 32
    (file,) = settings.data_dir.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert relay_secret(Settings(data_dir=tmp_path / "other")) != secret


def test_an_empty_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "relay.secret").touch()
    with pytest.raises(OSError, match="delete it"):
        relay_secret(Settings(data_dir=tmp_path))


@pytest.mark.parametrize(
    ("metadata", "known"),
    [
        pytest.param(credentials("hush"), True, id="the secret"),
        pytest.param((("user-agent", "x"), *credentials("hush")), True, id="among others"),
        pytest.param(credentials("hash"), False, id="another"),
        pytest.param(credentials(""), False, id="empty"),
        pytest.param((("authorization", "hush"),), False, id="no bearer"),
        pytest.param((), False, id="none"),
    ],
)
def test_only_who_has_the_secret_is_known(metadata: tuple[tuple[str, str], ...], known: bool) -> None:
    assert is_known(metadata, "hush") is known
