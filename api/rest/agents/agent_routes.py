"""The routes of agents and tools: ``/api/v1/agents`` and ``/api/v1/tools``."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from activities.settings import Settings
from agentkit.catalog.catalog import Catalog
from agentkit.errors import ConfigurationInvalid
from agentkit.mcp_config.mcp_names import MCP_PREFIX
from agentkit.specs import AgentDefinition, AgentSpec
from api.rest.access.route_roles import VIEWER
from api.rest.agents.agent_schemas import AgentListResponse, AgentResponse, ToolListResponse
from api.rest.problems import PROBLEM_RESPONSES
from api.services import request_services
from api.tasks.starting.task_start import missing_key

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["agents"], responses=PROBLEM_RESPONSES, dependencies=[VIEWER])


@router.get("/agents", operation_id="listAgents")
async def list_agents(request: Request) -> AgentListResponse:
    """List the agents that tasks can be given to, and what is wrong with the others."""
    services = request_services(request)
    catalog, settings = services.catalog, services.settings
    agents = tuple(_agent_response(definition, catalog, settings) for definition in catalog.agents.values())
    return AgentListResponse(agents=agents, problems=tuple(catalog.problems))


@router.get("/agents/{name}", operation_id="getAgent")
async def get_agent(request: Request, name: str) -> AgentResponse:
    """Show an agent."""
    services = request_services(request)
    definition = services.catalog.agents.get(name)
    if definition is None:
        names = ", ".join(sorted(services.catalog.agents)) or "none"
        raise HTTPException(404, f"There is no agent {name!r}. There are: {names}.")
    return _agent_response(definition, services.catalog, services.settings)


@router.get("/tools", operation_id="listTools")
async def list_tools(request: Request) -> ToolListResponse:
    """List the tools that agents can be given."""
    return ToolListResponse(tools=tuple(request_services(request).catalog.toolset.specs()))


def _mcp_tools(spec: AgentSpec) -> Iterator[str]:
    """Yield the patterns of an agent's MCP tools: a task lists the tools themselves when it starts."""
    return (f"{MCP_PREFIX}{pattern}" for pattern in (spec.mcp.tools if spec.mcp is not None else ()))


def _agent_response(definition: AgentDefinition, catalog: Catalog, settings: Settings) -> AgentResponse:
    agent = AgentResponse(
        name=definition.name,
        description=definition.description,
        instructions=definition.instructions,
        limits=definition.limits,
        tools=definition.tools,
    )
    try:
        spec = catalog.spec(definition.name)
    except ConfigurationInvalid as error:
        return agent.model_copy(update={"problem": str(error)})
    resolved = {
        "models": spec.models,
        "planner": spec.planner,
        "tools": (*(tool.name for tool in spec.tools), *_mcp_tools(spec)),
        "problem": missing_key(spec, settings),
    }
    return agent.model_copy(update=resolved)
