"""The sandbox refuses workflow modules that import others without passing them through."""

from __future__ import annotations

import importlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox._runner import _Instance

from agentkit.testing import ScriptedModel

if TYPE_CHECKING:
    from tests.workflows.conftest import TaskEnvironment

WORKFLOW = """
from temporalio import workflow
{imports}

@workflow.defn
class SomeWorkflow:
    @workflow.run
    async def run(self) -> None: ...
"""


def worker_for(env: TaskEnvironment, directory: Path, imports: str) -> Worker:
    """Return a worker for a workflow module with these imports, in the sandbox of the worker that we ship."""
    name = f"some_{uuid.uuid4().hex}"
    (directory / f"{name}.py").write_text(WORKFLOW.format(imports=imports))
    runner = env.worker(ScriptedModel([])).config()["workflow_runner"]
    workflows = [importlib.import_module(name).SomeWorkflow]
    return Worker(env.client, task_queue=uuid.uuid4().hex, workflows=workflows, workflow_runner=runner)


@pytest.fixture
def module_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory from which modules are imported."""
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


async def test_a_workflow_module_with_an_unmarked_import_is_refused(env: TaskEnvironment, module_dir: Path) -> None:
    with pytest.raises(RuntimeError, match="Failed validating workflow SomeWorkflow") as raised:
        worker_for(env, module_dir, "import agentkit.messages")
    assert "agentkit" in str(raised.value.__cause__)


async def test_a_workflow_module_that_passes_its_imports_through_is_accepted(
    env: TaskEnvironment, module_dir: Path
) -> None:
    worker_for(env, module_dir, "with workflow.unsafe.imports_passed_through():\n    import agentkit.messages")


async def test_the_sandbox_is_not_entered_for_payloads(env: TaskEnvironment, monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[str] = []
    run_code = _Instance._run_code

    def noted(instance: _Instance, code: str, **names: object) -> None:
        entered.append(code)
        run_code(instance, code, **names)

    monkeypatch.setattr(_Instance, "_run_code", noted)
    async with env.worker(ScriptedModel(["done"])):
        await env.run("Go.")
    assert any("activate" in code for code in entered)
    assert not [code for code in entered if "context" in code]
