"""What the routes work with: made once by ``create_app``, reached through the request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fastapi import FastAPI, Request
from temporalio.client import Client

from activities.settings import Settings
from agentkit.catalog.catalog import Catalog
from api.events.event_hub import Hub
from api.events.status_feed import Board
from api.tasks.task_service import TaskService

__all__ = ["State", "install_state", "state_in", "state_of"]


@dataclass(frozen=True, slots=True)
class State:
    """The parts of a running front end."""

    settings: Settings
    catalog: Catalog
    client: Client
    tasks: TaskService
    hub: Hub
    board: Board
    stopping: asyncio.Event
    """Set when the server shuts down, so that nobody who waits holds it up."""


def install_state(app: FastAPI, state: State) -> None:
    """Give the routes of ``app`` their state."""
    app.state.opspawn = state


def state_of(request: Request) -> State:
    """Return the state of the application that serves this request."""
    return state_in(request.app)


def state_in(app: FastAPI) -> State:
    """Return the state of an application whose lifespan has begun."""
    state = app.state.opspawn
    if not isinstance(state, State):
        raise TypeError("the application has no state yet: its lifespan hasn't begun")
    return state
