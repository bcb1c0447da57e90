from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from activities.settings import Settings
from activities.streaming.relay_secret import has_secret, relay_secret, secret_metadata


def test_the_setting_has_precedence_and_no_file_is_written(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, relay_secret=SecretStr("hush"))
    assert relay_secret(settings) == "hush"
    assert list(tmp_path.iterdir()) == []


def test_processes_with_the_same_data_dir_share_a_generated_secret(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    with ThreadPoolExecutor(8) as pool:
        generated = set(pool.map(lambda _: relay_secret(settings), range(64)))
    (secret,) = generated
    assert len(secret) >= 32
    (file,) = settings.data_dir.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert relay_secret(Settings(data_dir=tmp_path / "other")) != secret


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "relay.secret").touch()
    with pytest.raises(OSError, match="delete it"):
        relay_secret(Settings(data_dir=tmp_path))


@pytest.mark.parametrize(
    ("metadata", "accepted"),
    [
        pytest.param(secret_metadata("hush"), True, id="the secret"),
        pytest.param((("user-agent", "x"), *secret_metadata("hush")), True, id="among others"),
        pytest.param((("authorization", b"Bearer hush"),), True, id="as bytes"),
        pytest.param(secret_metadata("hash"), False, id="another"),
        pytest.param(secret_metadata(""), False, id="empty"),
        pytest.param((("authorization", "hush"),), False, id="no bearer"),
        pytest.param((), False, id="none"),
    ],
)
def test_only_metadata_with_the_secret_is_accepted(
    metadata: tuple[tuple[str, str | bytes], ...], accepted: bool
) -> None:
    assert has_secret(metadata, "hush") is accepted
