"""The routes of MCP servers: ``/api/v1/mcp/servers``. A worker is asked, for only workers talk to the servers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from agentkit.specs import ToolSpec
from api.rest.access.route_roles import VIEWER
from api.rest.mcp.mcp_schemas import (
    McpPromptListResponse,
    McpResourceListResponse,
    McpServerListResponse,
    McpToolListResponse,
    McpToolResponse,
)
from api.rest.problems import PROBLEM_RESPONSES
from api.services import request_services

__all__ = ["router"]

router = APIRouter(prefix="/api/v1/mcp/servers", tags=["mcp"], responses=PROBLEM_RESPONSES, dependencies=[VIEWER])

_Server = Annotated[str, Path(description="The server's name in mcp.json.")]


@router.get("", operation_id="listMcpServers")
async def list_servers(request: Request) -> McpServerListResponse:
    """List the MCP servers. A worker connects to each, for 10 seconds at most, and says which can be used."""
    return McpServerListResponse.model_validate(await request_services(request).mcp.states())


@router.get("/{name}/tools", operation_id="listMcpTools")
async def list_tools(request: Request, name: _Server) -> McpToolListResponse:
    """List a server's tools, by its own names."""
    listed = await request_services(request).mcp.tools(name)
    return McpToolListResponse(tools=tuple(map(_tool_response, listed.tools)), left_out=listed.left_out)


@router.get("/{name}/resources", operation_id="listMcpResources")
async def list_resources(request: Request, name: _Server) -> McpResourceListResponse:
    """List a server's resources and templates of resources."""
    return McpResourceListResponse.model_validate(await request_services(request).mcp.resources(name))


@router.get("/{name}/prompts", operation_id="listMcpPrompts")
async def list_prompts(request: Request, name: _Server) -> McpPromptListResponse:
    """List a server's prompts, with their arguments."""
    return McpPromptListResponse.model_validate(await request_services(request).mcp.prompts(name))


def _tool_response(tool: ToolSpec) -> McpToolResponse:
    return McpToolResponse(
        name=tool.name if tool.mcp is None else tool.mcp.name,
        description=tool.description,
        input_schema=tool.parameters,
        effect=tool.effect,
    )
