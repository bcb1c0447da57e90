from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from api.rest.request_schemas import CreateTask
from api.rest.response_schemas import AgentList, Task, TaskList, ToolList, Transcript

CONTRACT_FIELDS = {
    *("id", "agent", "status", "input", "output", "error", "usage", "steps", "input_requests", "conversation_id"),
    *("parent_id", "tags", "metadata", "created_at", "started_at", "completed_at", "links"),
}


def operations(app: FastAPI) -> dict[str, dict[str, Any]]:
    return {call["operationId"]: call for path in app.openapi()["paths"].values() for call in path.values()}


def test_operations_have_readable_names(app: FastAPI) -> None:
    assert set(operations(app)) == {
        *("createTask", "listTasks", "getTask", "getTranscript", "cancelTask", "terminateTask"),
        *("watchTask", "watchTasks"),
        *("listAgents", "getAgent", "listTools", "getHealth", "getReadiness", "getMetrics"),
    }


def test_every_body_has_an_example(app: FastAPI) -> None:
    schemas = app.openapi()["components"]["schemas"]
    for name, call in operations(app).items():
        holders = [call.get("requestBody", {}), *call["responses"].values()]
        for content in (holder.get("content", {}) for holder in holders):
            for kind in ("application/json", "application/problem+json"):
                reference = content.get(kind, {}).get("schema", {}).get("$ref", "")
                if reference:
                    assert "example" in schemas[reference.rpartition("/")[2]], (name, reference)


@pytest.mark.parametrize("model", [CreateTask, Task, TaskList, Transcript, AgentList, ToolList])
def test_examples_are_valid(model: type[BaseModel]) -> None:
    schema = model.model_config["json_schema_extra"]
    assert isinstance(schema, dict)
    model.model_validate(schema["example"])


def test_a_task_has_every_field_of_the_contract() -> None:
    assert set(Task.model_fields) >= CONTRACT_FIELDS


def test_errors_are_described_as_problems(app: FastAPI) -> None:
    for name, call in operations(app).items():
        if name not in ("getHealth", "getMetrics"):
            assert "application/problem+json" in call["responses"]["default"]["content"], name
            assert "422" not in call["responses"], name


async def test_the_page_loads_nothing_and_shows_every_call(app: FastAPI, http: httpx2.AsyncClient) -> None:
    page = (await http.get("/docs")).text
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", page)
    assert "<script" not in page
    for path in app.openapi()["paths"]:
        assert path in page


async def test_counts_are_told_by_route(http: httpx2.AsyncClient) -> None:
    await http.get("/api/v1/agents/assistant")
    await http.get("/nothing")
    text = (await http.get("/metrics")).text
    assert 'opspawn_http_requests_total{method="GET",route="/api/v1/agents/{name}",status="200"} 1.0' in text
    assert 'route="other",status="404"} 1.0' in text


async def test_agents_and_tools_are_listed(http: httpx2.AsyncClient) -> None:
    agents = (await http.get("/api/v1/agents")).json()["agents"]
    tools = (await http.get("/api/v1/tools")).json()["tools"]
    assert [agent["name"] for agent in agents] == ["assistant"]
    assert agents[0]["models"]
    assert (await http.get("/api/v1/agents/assistant")).json() == agents[0]
    assert {"calculator", "current_time", "http_fetch"} <= {tool["name"] for tool in tools}
