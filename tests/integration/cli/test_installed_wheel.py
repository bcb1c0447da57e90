"""The wheel, installed beside a distribution with our names, runs a project that has modules with our names."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.settings import Settings
from cli.temporal_server import find_temporal
from tests.built_wheels import VirtualEnvironment, build_opspawn, build_small
from tests.integration.cli.dev_process import DevProcess

NAMES = ("activities", "api", "cli", "workflows")
TOOL = '''
import worker
from agentkit.tools import tool
from api import OWNER
from workflows.orders import ORDERS


@tool(effect="pure")
def order_count() -> str:
    """Return how many orders there are."""
    return f"{ORDERS} orders of {OWNER} and {worker.OWNER}"
'''
AGENT = "name: clerk\nmodel: demo:demo\ntools: [order_count]\n"


def write_project(directory: Path) -> None:
    files = {
        "api/__init__.py": "OWNER = 'the project'\n",
        "workflows/__init__.py": "",
        "workflows/orders.py": "ORDERS = 7\n",
        "worker.py": "OWNER = 'its worker'\n",
        "README.md": "Mine.\n",
        "tools/orders.py": TOOL,
        "agents/clerk.yaml": AGENT,
    }
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


@pytest.mark.acceptance
@pytest.mark.timeout(240)
def test_a_project_with_modules_of_our_names_is_run_by_the_installed_command(tmp_path: Path) -> None:
    environment = VirtualEnvironment.create(tmp_path / "venv")
    environment.install(build_opspawn(tmp_path))
    broken = {f"{name}/__init__.py": "raise ImportError('of the other distribution')\n" for name in NAMES}
    worker = {"worker.py": "raise ImportError('of the other distribution')\n"}
    environment.install(build_small(tmp_path, "theirs", broken | worker))
    environment.add_dependencies()
    project = tmp_path / "project"
    write_project(project)
    dev = DevProcess(
        project,
        program=(str(environment.bin / "opspawn"),),
        variables={"OPSPAWN_TEMPORAL_BIN": str(find_temporal(Settings())), "PYTHONPATH": str(project)},
    )
    try:
        assert "Kept as it was: README.md" in dev.opspawn("init", ".").stdout
        dev.start()

        output = dev.json_of("run", "clerk", "call order_count {}")["output"]
        doctor = dev.opspawn("doctor")
    finally:
        dev.close()

    assert "7 orders of the project and its worker" in output
    assert doctor.returncode == 0, doctor.stdout
    assert "✗" not in doctor.stdout
