from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities.settings import Settings
from activities.temporal.data_converter import data_converter
from activities.temporal.worker_identity import own_identity
from activities.worker.worker_description import WorkerDescription, WorkerDescriptionActivity
from agentkit.config.secret_sources import SecretSource
from agentkit.secrets import SecretStore
from agentkit.tools import ToolRegistry, tool


@tool(effect="pure")
def multiply(left: int, right: int) -> int:
    return left * right


@tool(effect="pure")
def add(left: int, right: int) -> int:
    return left + right


@pytest.mark.parametrize(
    ("provider", "model"), [(None, "demo:demo"), ("opnai", None)], ids=["known", "unknown provider"]
)
async def test_a_worker_describes_its_directories_default_model_and_tools(
    tmp_path: Path, provider: str | None, model: str | None
) -> None:
    settings = Settings(app_dir=tmp_path, data_dir=tmp_path / "data", default_provider=provider)
    activity = WorkerDescriptionActivity(settings, ToolRegistry([multiply, add]), {})

    description = await ActivityEnvironment().run(activity.describe_worker)

    assert description == WorkerDescription(
        identity=str(own_identity(settings)),
        app_dir=str(tmp_path),
        data_dir=str(tmp_path / "data"),
        default_model=model,
        tools=("add", "multiply"),
    )


async def test_a_worker_describes_which_secrets_it_lacks(tmp_path: Path) -> None:
    secrets = SecretStore({"vault": SecretSource(env="VAULT")}, tmp_path, {})
    activity = WorkerDescriptionActivity(Settings(app_dir=tmp_path), ToolRegistry([]), {}, secrets=secrets)

    description = await ActivityEnvironment().run(activity.describe_worker)

    (problem,) = description.secret_problems
    assert "'vault' is not set: the worker's environment has no variable VAULT" in problem


async def test_a_description_survives_the_data_converter(tmp_path: Path) -> None:
    description = WorkerDescription(identity="1@host/a", app_dir="/a", data_dir="/a/d", tools=("x",))
    converter = data_converter(Settings(data_dir=tmp_path))

    payloads = await converter.encode([description])

    assert await converter.decode(payloads, [WorkerDescription]) == [description]
