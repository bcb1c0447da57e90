"""``/readyz`` says how a worker confines code."""

from __future__ import annotations

from agentkit.sandbox import build_sandbox
from agentkit.tools.builtin.code_tools import code_tools
from api.tasks.workers.worker_sandbox import WorkerSandbox
from tests.integration.api.conftest import ApiHarness, eventually


async def test_readiness_says_how_a_worker_confines_code(harness: ApiHarness) -> None:
    sandbox = build_sandbox("none")
    async with harness.worker(["done"], *code_tools(sandbox)):
        await harness.task(await harness.submit(), wait=30)

        async def readiness() -> dict[str, str]:
            document: dict[str, str] = (await harness.http.get("/readyz")).json()
            return document

        ready = await eventually(readiness, lambda document: "sandbox" in document)
    sandbox.close()
    assert ready == {"status": "ok", "sandbox": "none: code is NOT confined (OPSPAWN_SANDBOX=none)"}


async def test_without_a_worker_nothing_is_said_and_nobody_waits_long(harness: ApiHarness) -> None:
    asked = WorkerSandbox(harness.temporal, "a-queue-without-workers")
    assert await asked.description() is None
    await asked.aclose()
