"""The page at ``/``: what runs here, what needs attention, and where to go."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from html import escape

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from activities.temporal.client import temporal_address
from activities.temporal.task_queue_pollers import Poller, recent_pollers
from api.rest.access.route_roles import VIEWER
from api.rest.agents.agent_routes import list_agents
from api.rest.agents.agent_schemas import AgentListResponse
from api.rest.pages.html_pages import html_page
from api.rest.system_routes import SystemResponse, get_system
from api.services import ApiServices, request_services
from api.tasks.errors import ServiceError
from api.tasks.listing.task_overview import TaskOverview, task_overview
from api.tasks.task_snapshot import TaskSnapshot
from api.tasks.temporal_calls import calling_temporal

__all__ = ["router"]

router = APIRouter(include_in_schema=False, dependencies=[VIEWER])

_TEMPORAL_TIMEOUT_S = 3.0
"""How long the page waits for Temporal."""
_DEMO = (
    "No key and no model is set, so agents that name no model use the demo model: it follows a few simple rules, and "
    "understands nothing. For a real one set for example OPENAI_API_KEY, and start again."
)


@router.get("/")
async def get_home(request: Request) -> HTMLResponse:
    """Show what runs, what needs attention, and where to go."""
    services = request_services(request)
    system, agents = await get_system(request), await list_agents(request)
    pollers: Sequence[Poller] = ()
    tasks: TaskOverview | None = None
    problem = ""
    try:
        pollers, tasks = await _read_temporal(services)
    except ServiceError as error:
        problem = str(error)
    findings = [
        *([problem] if problem else []),
        *([] if problem or pollers else [_no_worker(system)]),
        *_app_findings(system, agents),
    ]
    listed = "" if tasks is None else _waiting(tasks) + _failed(tasks)
    body = (
        _attention(findings, listed)
        + _running(system, agents, pollers, tasks)
        + _links(system)
        + ("" if tasks is None else _section("Newest tasks", _task_table(tasks.newest) or "<p>None yet.</p>"))
    )
    return html_page(f"Opspawn {system.version}", body)


async def _read_temporal(services: ApiServices) -> tuple[Sequence[Poller], TaskOverview]:
    client, settings = services.client, services.settings
    async with calling_temporal(temporal_address(settings), timeout_s=_TEMPORAL_TIMEOUT_S):
        return await asyncio.gather(recent_pollers(client, settings.task_queue), task_overview(client, settings))


def _no_worker(system: SystemResponse) -> str:
    return f"No worker polls task queue {system.task_queue!r}, so tasks wait. Start one: {system.worker_command}"


def _app_findings(system: SystemResponse, agents: AgentListResponse) -> Iterable[str]:
    """Return what is wrong in the app directory and the settings."""
    if system.default_model.problem:
        yield f"Default model: {system.default_model.problem}"
    elif system.default_model.unconfigured:
        yield _DEMO
    yield from agents.problems
    for agent in agents.agents:
        if agent.problem and agent.problem != system.default_model.problem:
            yield f"Agent {agent.name}: {agent.problem}"


def _attention(findings: Sequence[str], listed: str) -> str:
    if not findings and not listed:
        return "<p>All is well: nothing needs attention.</p>"
    items = "".join(f"<li>{escape(finding)}" for finding in findings)
    return f'<section class="attention"><h2>Needs attention</h2><ul>{items}{listed}</ul></section>'


def _waiting(tasks: TaskOverview) -> str:
    if not tasks.waiting_count:
        return ""
    count = "1 task waits" if tasks.waiting_count == 1 else f"{tasks.waiting_count} tasks wait"
    return f"<li>{count} for a person: {_link('api/v1/input-requests', 'what they ask')}{_task_table(tasks.waiting)}"


def _failed(tasks: TaskOverview) -> str:
    if not tasks.failed_count:
        return ""
    count = "1 task" if tasks.failed_count == 1 else f"{tasks.failed_count} tasks"
    return f"<li>{count} failed in the last hour: {_task_table(tasks.failed)}"


def _running(
    system: SystemResponse, agents: AgentListResponse, pollers: Sequence[Poller], tasks: TaskOverview | None
) -> str:
    names = ", ".join(agent.name for agent in agents.agents) or "none"
    rows = {
        "App": f"<code>{escape(system.app_dir or system.app)}</code>",
        "Agents": escape(names),
        "Default model": escape(system.default_model.name or "none"),
        "Task queue": f"<code>{escape(system.task_queue)}</code>",
        "Workers": "<br>".join(f"<code>{escape(poller.identity)}</code>" for poller in pollers) or "none",
        "Temporal": f"<code>{escape(system.temporal)}</code> (namespace {escape(system.temporal_namespace)})",
        "Tasks": "unknown" if tasks is None else f"{tasks.unended_count} not ended",
    }
    return _section(
        "What runs", "<table>" + "".join(f"<tr><th>{key}<td>{row}" for key, row in rows.items()) + "</table>"
    )


def _links(system: SystemResponse) -> str:
    workflows = f"{system.temporal_ui.rstrip('/')}/namespaces/{system.temporal_namespace}/workflows"
    links = (
        (_link("docs", "API"), "every call, with examples"),
        (_link(workflows, "Temporal Web UI"), "every task as a workflow, with its history and its progress"),
        (_link("api/v1/tasks", "Tasks"), "as JSON"),
        (_link("api/v1/input-requests", "Input requests"), "what tasks ask people, as JSON"),
        (_link("api/v1/events", "Events"), "status changes of all tasks, as a stream that doesn't end"),
        (_link("metrics", "Metrics"), "for Prometheus"),
    )
    return _section("Where to go", "<ul>" + "".join(f"<li>{link}: {text}" for link, text in links) + "</ul>")


def _task_table(tasks: Sequence[TaskSnapshot]) -> str:
    rows = "".join(
        f"<tr><td>{escape(task.agent)}<td>{escape(task.title)}<td>{escape(task.status)}"
        f"<td>{_link(task.links['self'].removeprefix('/'), 'JSON')} "
        f"{_link(task.links['events'].removeprefix('/'), 'events')} {_link(task.links['temporal_ui'], 'Web UI')}"
        for task in tasks
    )
    return f"<table>{rows}</table>" if rows else ""


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _link(url: str, text: str) -> str:
    return f'<a href="{escape(url)}">{escape(text)}</a>'
