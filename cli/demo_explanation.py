"""Explain on stderr that an agent uses the demo model because the API has no key."""

from __future__ import annotations

from agentkit.client import ClientError, OpspawnClient
from cli.views.console import err, write_message
from cli.views.notices import demo_notice, dev_command
from cli.views.worker_watch import system_info

__all__ = ["explain_demo_model"]


async def explain_demo_model(agent: str, client: OpspawnClient) -> None:
    """Write a notice if the agent uses the demo model because the API has no key."""
    system = await system_info(client)
    if system is None or not system.default_model.unconfigured:
        return
    try:
        agents = {listed.name: listed for listed in (await client.agents()).agents}
    except ClientError:  # waiting for the task reports it
        return
    if agent in agents and agents[agent].models[:1] == (system.default_model.name,):
        write_message(err, demo_notice(dev_command(system)), style="yellow")
