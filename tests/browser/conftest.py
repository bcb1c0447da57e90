"""A real browser, and a page of another origin than the API's."""

from __future__ import annotations

import functools
import shutil
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from tests.acceptance.conftest import Stack
from tests.reserved_ports import reserve_port

PAGES = Path(__file__).parent
_FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP evil.example 127.0.0.1",
]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def origin() -> Iterator[str]:
    """Serve this directory's pages; give their origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(PAGES))) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join(5)


@pytest.fixture
async def watched_stack(tmp_path: Path, origin: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stack]:
    """Temporal, a worker and an API that lets pages of ``origin`` call it."""
    monkeypatch.setenv("OPSPAWN_CORS_ORIGINS", origin)
    stack = Stack(tmp_path, reserve_port(), f"browser-{uuid.uuid4().hex[:8]}", grpc_port=reserve_port())
    stack.write_app()
    async with stack.running():
        yield stack


@pytest.fixture
async def page(tmp_path: Path) -> AsyncIterator[Page]:
    """Open a page in a browser with a profile of its own; it is the system's, never a downloaded one."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.fail("no Chromium on the PATH. Debian: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=chromium, headless=True, chromium_sandbox=False, args=_FLAGS
        )
        yield await browser.new_page()
        await browser.close()
