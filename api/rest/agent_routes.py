"""The routes of what can be run: ``/api/v1/agents`` and ``/api/v1/tools``."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException

from activities.settings import Settings
from agentkit.catalog.catalog import Catalog
from agentkit.errors import ConfigurationInvalid
from agentkit.specs import AgentDefinition
from api.rest.problems import PROBLEM_RESPONSES
from api.rest.response_schemas import Agent, AgentList, ToolList
from api.state import state_of
from api.tasks.task_start import lacking_key

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["agents"], responses=PROBLEM_RESPONSES)


@router.get("/agents", operation_id="listAgents")
async def list_agents(request: Request) -> AgentList:
    """List the agents that tasks can be given to, and what is wrong with the others."""
    state = state_of(request)
    agents = [_shown(definition, state.catalog, state.settings) for definition in state.catalog.agents.values()]
    return AgentList(agents=tuple(agents), problems=tuple(state.catalog.problems))


@router.get("/agents/{name}", operation_id="getAgent")
async def get_agent(request: Request, name: str) -> Agent:
    """Show an agent."""
    state = state_of(request)
    definition = state.catalog.agents.get(name)
    if definition is None:
        there = ", ".join(sorted(state.catalog.agents)) or "none"
        raise HTTPException(404, f"There is no agent {name!r}. There are: {there}.")
    return _shown(definition, state.catalog, state.settings)


@router.get("/tools", operation_id="listTools")
async def list_tools(request: Request) -> ToolList:
    """List the tools that agents can be given."""
    return ToolList(tools=tuple(state_of(request).catalog.toolset.specs()))


def _shown(definition: AgentDefinition, catalog: Catalog, settings: Settings) -> Agent:
    agent = Agent(
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
    ready = {
        "models": spec.models,
        "planner": spec.planner,
        "tools": tuple(tool.name for tool in spec.tools),
        "problem": lacking_key(spec, settings),
    }
    return agent.model_copy(update=ready)
