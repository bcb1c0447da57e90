from __future__ import annotations

from typing import Any

import httpx2
from fastapi import FastAPI

from activities.settings import Settings
from agentkit.catalog.catalog import load_catalog
from api.app import create_app


def operations(app: FastAPI) -> dict[str, dict[str, Any]]:
    return {call["operationId"]: call for path in app.openapi()["paths"].values() for call in path.values()}


def test_operations_have_readable_names(app: FastAPI) -> None:
    assert set(operations(app)) == {
        *(
            "createTask",
            "listTasks",
            "getTask",
            "getToolCallResult",
            "listTaskFiles",
            "getTaskFile",
            "listToolCalls",
            "getTranscript",
            "cancelTask",
            "terminateTask",
            "deleteTask",
        ),
        *("listInputRequests", "listTaskInputRequests", "answerInputRequest"),
        *("sendMessage", "pauseTask", "resumeTask", "raiseLimits", "forkTask"),
        *("watchTask", "watchTasks"),
        *("createConversation", "listConversations", "getConversation", "updateConversation", "deleteConversation"),
        *("sendConversationMessage", "listTurns", "getConversationTranscript", "forkConversation"),
        *("listAgents", "getAgent", "listTools", "getSystem", "getHealth", "getReadiness", "getMetrics"),
        *("listWorkers", "setCurrentWorkerVersion", "drainWorkerVersion"),
        *("listMcpServers", "listMcpTools", "listMcpResources", "listMcpPrompts"),
        *("addMemory", "listMemories", "searchMemories", "getMemory", "changeMemory", "deleteMemory", "eraseMemories"),
        *("exportMemories", "importMemories", "reindexMemories"),
        *("getTenantUsage",),
        *("decodePayloads", "encodePayloads"),
    }


def test_schemas_have_the_names_of_requests_and_responses(app: FastAPI) -> None:
    assert set(app.openapi()["components"]["schemas"]) >= {
        *("CreateTaskRequest", "TaskResponse", "TaskListResponse", "TranscriptResponse"),
        *("CreateConversationRequest", "SendTurnRequest", "ConversationResponse", "TurnListResponse"),
        *("AgentResponse", "AgentListResponse", "ToolListResponse", "HealthResponse", "Problem"),
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


def test_errors_are_described_as_problems(app: FastAPI) -> None:
    for name, call in operations(app).items():
        if name not in ("getHealth", "getMetrics"):
            assert "application/problem+json" in call["responses"]["default"]["content"], name
            assert "422" not in call["responses"], name


def test_the_rules_of_a_new_task_are_described(app: FastAPI) -> None:
    properties = app.openapi()["components"]["schemas"]["CreateTaskRequest"]["properties"]
    assert properties["tags"]["maxItems"] == 20
    assert properties["tags"]["items"]["maxLength"] == 64
    assert properties["metadata"]["maxProperties"] == 50


async def test_pages_of_a_configured_origin_may_read_responses(settings: Settings) -> None:
    settings = settings.model_copy(update={"cors_origins": ("https://app.example",)})
    app = create_app(settings, load_catalog(settings))
    transport = httpx2.ASGITransport(app)
    async with app.router.lifespan_context(app), httpx2.AsyncClient(transport=transport) as http:
        allowed = await http.get("http://localhost/healthz", headers={"Origin": "https://app.example"})
        other = await http.get("http://localhost/healthz", headers={"Origin": "https://other.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in other.headers
