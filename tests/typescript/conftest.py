"""The example in TypeScript, built as its README says, with Temporal, our worker and our API as real processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.conftest import Stack
from tests.reserved_ports import reserve_port

EXAMPLE = Path(__file__).parents[2] / "examples" / "typescript-tool"
NPM_TIMEOUT_S = 300


@dataclass
class MailStack(Stack):
    """A system with the worker of the example, whose processes have ``directory/mail`` as working directory."""

    @property
    def outbox(self) -> Path:
        return self.directory / "mail" / "outbox"

    def start_mailer(self) -> None:
        environment = {
            **os.environ,  # noqa: TID251  # node needs PATH
            "TEMPORAL_ADDRESS": f"127.0.0.1:{self.temporal_port}",
            "OUTBOX": str(self.outbox),
        }
        command = ["node", "lib/worker.js"]
        with (self.directory / "mailer.log").open("a") as log:
            self._processes["mailer"] = subprocess.Popen(
                command, cwd=self.directory / "mail", stdout=log, stderr=log, env=environment
            )

    def sent(self, task_id: str) -> list[Path]:
        """Return the emails that a task's calls have sent."""
        return sorted(self.outbox.glob(f"{task_id}*.json"))


def build_example(directory: Path) -> None:
    """Copy the example without what npm makes, and build it."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.fail("node or npm is missing: install Node.js 20 or newer")
    shutil.copytree(EXAMPLE, directory, ignore=shutil.ignore_patterns("node_modules", "lib", "outbox"))
    for command in (["npm", "ci", "--prefer-offline"], ["npm", "run", "build"]):
        ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=NPM_TIMEOUT_S)
        if ended.returncode:
            pytest.fail(f"{' '.join(command)}: {ended.stdout[-2000:]} {ended.stderr[-2000:]}")


@pytest.fixture(scope="session")
def mail_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailStack]:
    """Start Temporal, the example's worker, our worker and our API, once for all tests."""
    directory = tmp_path_factory.mktemp("typescript")
    stack = MailStack(directory, reserve_port(), f"typescript-{uuid.uuid4().hex[:8]}")
    try:
        shutil.copytree(EXAMPLE / "app", stack.app_dir, ignore=shutil.ignore_patterns(".opspawn"))
        stack.start_temporal()
        stack.start_worker()
        stack.start_api()
        build_example(directory / "mail")  # while the others start
        stack.start_mailer()
        asyncio.run(stack.wait_until_ready())
        yield stack
    finally:
        stack.stop()
