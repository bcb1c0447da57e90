from __future__ import annotations

import httpx2

from activities.settings import Settings
from tests.unit.api.rest.http_problems import problem


async def test_agents_and_tools_are_listed(http: httpx2.AsyncClient) -> None:
    agents = (await http.get("/api/v1/agents")).json()["agents"]
    tools = (await http.get("/api/v1/tools")).json()["tools"]
    assert [agent["name"] for agent in agents] == ["assistant"]
    assert agents[0]["models"]
    assert (await http.get("/api/v1/agents/assistant")).json() == agents[0]
    assert {"calculator", "current_time", "http_fetch"} <= {tool["name"] for tool in tools}


async def test_an_agent_without_its_key_is_listed_with_the_problem(
    http: httpx2.AsyncClient, settings: Settings
) -> None:
    (settings.app_dir / "agents" / "poet.yaml").write_text("name: poet\nmodel: openai:gpt-5-mini\n")
    agent = (await http.get("/api/v1/agents/poet")).json()
    assert agent["models"] == ["openai:gpt-5-mini"]
    assert "OPENAI_API_KEY" in agent["problem"]


async def test_an_agent_with_an_unknown_tool_is_shown_as_written(http: httpx2.AsyncClient, settings: Settings) -> None:
    (settings.app_dir / "agents" / "poet.yaml").write_text("name: poet\nmodel: demo:demo\ntools: [calculater]\n")
    agent = (await http.get("/api/v1/agents/poet")).json()
    assert (agent["tools"], agent["models"]) == (["calculater"], [])
    assert "calculator" in agent["problem"]


async def test_an_unknown_agent_is_not_found(http: httpx2.AsyncClient) -> None:
    assert "assistant" in problem(await http.get("/api/v1/agents/nobody"), 404)["detail"]


async def test_an_agents_mcp_tools_are_shown_as_patterns(http: httpx2.AsyncClient, settings: Settings) -> None:
    (settings.app_dir / "mcp.json").write_text('{"mcpServers": {"time": {"command": "mcp-server-time"}}}')
    (settings.app_dir / "agents" / "clock.yaml").write_text(
        'model: demo:demo\ntools: ["mcp:time", calculator]\nmcp: {required: true}\n'
    )
    agent = (await http.get("/api/v1/agents/clock")).json()
    assert (agent["tools"], agent["problem"]) == (["calculator", "mcp:time/*"], None)
    (settings.app_dir / "mcp.json").write_text('{"mcpServers": {}}')
    agent = (await http.get("/api/v1/agents/clock")).json()
    assert agent["tools"] == ["mcp:time", "calculator"]
    assert "there is no MCP server 'time' in mcp.json" in agent["problem"]
