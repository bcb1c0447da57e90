from __future__ import annotations

from pathlib import Path

import pytest

from agentkit.catalog.catalog import Catalog, load_catalog
from agentkit.config.agent_settings import AgentSettings
from agentkit.errors import AgentInvalid
from agentkit.interfaces import MEMORY_TOOLS


def catalog_of(directory: Path, agent: str, **settings: object) -> Catalog:
    (directory / "agents").mkdir()
    (directory / "agents" / "a.yaml").write_text(f"model: demo:demo\n{agent}\n")
    return load_catalog(AgentSettings.model_validate({"app_dir": directory, "task_queue": "q", **settings}))


def test_an_agent_with_long_term_memory_has_its_tools_on_the_queue_of_memory(tmp_path: Path) -> None:
    spec = catalog_of(tmp_path, "tools: [calculator]\nmemory: {long_term: true, recall: 5, scope: agent}").spec("a")
    queues = {tool.name: tool.task_queue for tool in spec.tools}
    assert queues == {"calculator": None, **dict.fromkeys(MEMORY_TOOLS, "q-memory")}
    assert spec.memory is not None
    assert (spec.memory.recall, spec.memory.scope) == (5, "agent")


def test_an_agent_without_memory_has_neither_tools_nor_settings_of_it(tmp_path: Path) -> None:
    spec = catalog_of(tmp_path, "tools: ['*']").spec("a")
    assert not {tool.name for tool in spec.tools} & set(MEMORY_TOOLS)
    assert "memory" not in spec.model_dump(mode="json")


@pytest.mark.parametrize(
    "settings",
    [{"ltm_provider": "off"}, {"ltm_provider": "qdrant"}],
    ids=["it is off", "a server without a URL"],
)
def test_without_a_memory_to_use_an_agent_works_without_its_tools(tmp_path: Path, settings: dict[str, object]) -> None:
    catalog = catalog_of(tmp_path, "tools: [calculator]\nmemory: {long_term: true, recall: 5}", **settings)
    spec = catalog.spec("a")
    assert ([tool.name for tool in spec.tools], spec.memory) == (["calculator"], None)
    assert catalog.problems == []


def test_a_tool_of_memory_alone_is_refused_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(AgentInvalid, match=r"tools\.0: 'remember' is a tool of long-term memory\. Write memory:"):
        catalog_of(tmp_path, "tools: [remember]").spec("a")
