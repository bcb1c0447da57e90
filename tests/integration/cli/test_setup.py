"""``opspawn setup`` registers the search attributes of the Temporal server that the environment names."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.integration.cli.dev_process import OPSPAWN
from tests.reserved_ports import refusing_port
from workflows.search_attributes import SEARCH_ATTRIBUTES

pytestmark = pytest.mark.acceptance


def setup(address: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TEMPORAL_ADDRESS": address}  # noqa: TID251  # children need PATH and HOME
    return subprocess.run([*OPSPAWN, "setup"], env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_it_registers_what_is_missing_and_can_be_repeated(bare_temporal: str) -> None:
    first, second = setup(bare_temporal), setup(bare_temporal)

    assert first.stdout == f"Registered {', '.join(sorted(key.name for key in SEARCH_ATTRIBUTES))}\n"
    assert (second.returncode, second.stdout) == (0, "All search attributes are registered.\n")


def test_without_temporal_it_exits_with_3() -> None:
    with refusing_port() as port:
        result = setup(f"127.0.0.1:{port}")

    assert result.returncode == 3
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
