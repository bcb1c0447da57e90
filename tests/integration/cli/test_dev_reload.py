"""Under ``opspawn dev`` changed tools and agents are live within seconds, and broken files change nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.dev_process import DevProcess

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

WITHIN_S = 20.0
"""Changes are live in 3 s; a busy machine gets more."""
STAYS_S = 5.0

TOOL = """
import shop.prices
from agentkit.tools import tool

@tool(effect="pure")
def price() -> str:
    return f"{shop.prices.EUROS} EUR, {version}"
"""


def write(dev: DevProcess, name: str, text: str) -> Path:
    path = dev.directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_tool(dev: DevProcess, version: str) -> Path:
    return write(dev, "tools/prices.py", TOOL.replace("{version}", version))


def write_app(dev: DevProcess) -> None:
    write_tool(dev, "first")
    write(dev, "shop/prices.py", "EUROS = 7")
    write(dev, "api/__init__.py", "raise RuntimeError('the api of the project, not of Opspawn')")
    write(dev, "worker.py", "raise RuntimeError('the worker of the project, not of Opspawn')")
    write(dev, "agents/shop.yaml", "model: demo:demo\ntools: [price]")


def result_of(dev: DevProcess, call: str = "call price {}") -> str:
    task: dict[str, Any] = dev.json_of("run", "shop", call)
    return str(task["output"])


def wait_for_result(dev: DevProcess, text: str, call: str = "call price {}") -> None:
    """Wait until tasks have a result. Until a new tool is loaded, an agent that lists it is refused."""
    end = time.monotonic() + WITHIN_S
    while text not in (result := dev.opspawn("run", "shop", call, "--json")).stdout:
        assert time.monotonic() < end, result


def test_changes_are_live_within_seconds_and_a_broken_file_changes_nothing(dev: DevProcess) -> None:
    write_app(dev)
    dev.start()
    assert "7 EUR, first" in result_of(dev)

    write_tool(dev, "second")
    wait_for_result(dev, "7 EUR, second")

    write(dev, "shop/prices.py", "EUROS = 88")
    wait_for_result(dev, "88 EUR, second")

    path = write_tool(dev, "second")
    saved = path.with_suffix(".saved")
    saved.write_text("import agentkit, (")
    saved.replace(path)  # at once, as editors do: a file that is empty for a moment has no error, and no tools
    dev.wait_for_output(f"{path}:1: SyntaxError", timeout_s=WITHIN_S)
    assert "88 EUR, second" in result_of(dev)
    assert dev.output.count("SyntaxError") == 1

    write_tool(dev, "third")
    wait_for_result(dev, "88 EUR, third")

    write(dev, "tools/more.py", TOOL.replace("{version}", "more").replace("def price", "def more"))
    write(dev, "agents/shop.yaml", "model: demo:demo\ntools: [price, more]")
    wait_for_result(dev, "88 EUR, more", "call more {}")


def test_with_no_reload_the_tools_stay_as_they_were(dev: DevProcess) -> None:
    write_app(dev)
    dev.start("--no-reload")
    assert "7 EUR, first" in result_of(dev)
    write_tool(dev, "second")
    end = time.monotonic() + STAYS_S
    while time.monotonic() < end:
        assert "7 EUR, first" in result_of(dev)
