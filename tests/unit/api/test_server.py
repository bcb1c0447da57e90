from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest

from api.server import main
from tests.tenant_keys import write_tenant_keys


def start(app_dir: Path, *options: str) -> int:
    return main(["--app-dir", str(app_dir), "--data-dir", str(app_dir / "data"), *options])


@pytest.mark.parametrize("option", ["--port", "--grpc-port"])
def test_a_port_in_use_is_named_with_its_option(tmp_path: Path, caplog: pytest.LogCaptureFixture, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert start(tmp_path, "--port", "0", option, str(port)) == 2
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert f"Port {port} on 127.0.0.1 is in use" in record.getMessage()
    assert record.getMessage().endswith(option)


def test_a_number_that_is_no_port_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert start(tmp_path, "--port", "65536") == 2
    assert "Setting port" in caplog.text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "agents.example.com"])
def test_without_keys_it_listens_on_this_machine_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    assert start(tmp_path, "--host", host, "--port", "0") == 2
    assert f"is {host}: other machines could do everything here" in caplog.text
    assert "`opspawn keys create --name NAME --role admin`" in caplog.text


def test_a_host_of_another_machine_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSPAWN_KEYS_FILE", str(write_tenant_keys(tmp_path).path))
    assert start(tmp_path, "--host", "192.0.2.1", "--port", "0") == 2
    assert "Can't listen on 192.0.2.1" in caplog.text


def test_an_unknown_setting_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "opspawn.toml").write_text("taks_queue = 'x'\n")
    assert start(tmp_path) == 2
    assert "taks_queue" in caplog.text
