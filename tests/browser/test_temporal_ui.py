"""The page of a task in the Temporal Web UI that ``opspawn show`` names, in a real browser."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.integration.cli.dev_process import DevProcess

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[DevProcess]:
    """Run one, with the Web UI."""
    dev = DevProcess(tmp_path / "work")
    dev.start()
    yield dev
    dev.close()


async def test_the_tab_that_show_names_has_the_input_each_step_and_the_totals(page: Page, dev: DevProcess) -> None:
    task = dev.json_of("run", "assistant", 'call calculator {"expression": "6*7"}')
    shown = dev.opspawn("show", task["id"]).stdout
    address, tab = re.search(r"^web +(\S+)\n +see its tab ([\w ]+):", shown, re.MULTILINE).groups()  # type: ignore[union-attr]  # or the test fails

    await page.goto(address)
    await page.get_by_role("tab", name=tab).or_(page.get_by_role("link", name=tab)).first.click()

    # Each text is Markdown, in a frame of its own: summary, details, current details.
    summary, details, current_details = (page.frame_locator("iframe").nth(index) for index in range(3))
    await summary.get_by_text("assistant: call calculator").wait_for()
    await details.get_by_text("Agent assistant on demo:demo").wait_for()
    for text in ("2 model calls, 1 tool calls", "Step 1", "calculator gave: 42", "Step 2"):
        await current_details.get_by_text(text).first.wait_for()


async def test_the_web_ui_shows_encrypted_payloads_in_plain_text(page: Page, tmp_path: Path) -> None:
    key = base64.b64encode(b"k" * 32).decode()
    dev = DevProcess(tmp_path / "encrypted", variables={"OPSPAWN_ENCRYPTION_KEYS": f"test:{key}"})
    dev.start()
    try:
        task = dev.json_of("run", "assistant", "say violets are blue")
        await page.goto(task["links"]["temporal_ui"])
        await page.get_by_text("violets are blue").first.wait_for()
    finally:
        dev.close()
