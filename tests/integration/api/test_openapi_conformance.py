"""The API does what its OpenAPI document says: schemathesis sends valid and invalid requests to a real process."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.memory.memory_worker import build_memory_worker
from activities.storage.transcript_cache import TranscriptCache
from activities.storage.transcript_reader import TranscriptReader
from activities.temporal.client import connect
from agentkit.catalog.catalog import load_catalog
from agentkit.llm.demo.model import DemoModel
from agentkit.schemas.output_check import InlineOutputChecker
from agentkit.testing import InMemoryMemory
from tests.integration.api.conftest import settings_for
from tests.integration.api.test_api_server import address_of, process
from tests.integration.conftest import running_temporal
from worker import build_worker

_CONFIG = Path(__file__).parent / "conformance"
_MIN_CASES = 800
"""Fewer would mean that schemathesis no longer tests what it did."""


async def _run_schemathesis(url: str, directory: Path) -> tuple[int | None, str]:
    """Return the exit code and the report."""
    run = await asyncio.create_subprocess_exec(
        Path(sys.executable).parent / "schemathesis",
        f"--config-file={_CONFIG / 'schemathesis.toml'}",
        "run",
        f"{url}/openapi.json",
        "--phases=examples,coverage,fuzzing,stateful",
        "--checks=all",
        cwd=directory,
        env={"SCHEMATHESIS_HOOKS": str(_CONFIG / "refusals.py"), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await run.communicate()
    finally:
        if run.returncode is None:
            run.kill()
            await run.wait()
    return run.returncode, output.decode()


@pytest.fixture(scope="module")
def own_temporal_port() -> Iterator[int]:
    """Return the port of a server without tasks of other tests: schemathesis reads all tasks that are listed."""
    with running_temporal() as port:
        yield port


async def test_requests_and_responses_are_as_the_openapi_document_says(tmp_path: Path, own_temporal_port: int) -> None:
    settings = settings_for(tmp_path, own_temporal_port)
    temporal, catalog = await connect(settings), load_catalog(settings)
    reader = TranscriptReader(temporal, TranscriptCache(1_000_000))
    async with (
        build_memory_worker(temporal, settings, InMemoryMemory(), reader, {}),
        build_worker(temporal, settings, {"demo": DemoModel()}, catalog.toolset, InlineOutputChecker()),
        process(settings, "--port", "0", "--grpc-port", "0") as api,
    ):
        exit_code, report = await _run_schemathesis(await address_of(api), tmp_path)
    assert exit_code == 0, report
    sent = re.search(r"(\d+) generated", report)
    assert sent is not None, report
    assert int(sent[1]) >= _MIN_CASES, report
