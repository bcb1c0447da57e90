"""MCP servers in a complete system: workers and servers are killed, and nothing is asked or done twice."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Stack, eventually
from tests.process_states import children_of, still_running

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]

SHOP = '''
"""A shop whose state needs no process: the key of what it asks is fixed, and its orders are in a file."""

import os
import time
from pathlib import Path
from typing import Annotated

from mcp.server.mcpserver import Elicit, MCPServer, RequestStateSecurity, Resolve
from pydantic import BaseModel

server = MCPServer("shop", request_state_security=RequestStateSecurity(keys=["k" * 32], ttl=86_400.0))
ORDERS = Path(os.environ["ORDERS"])


class Address(BaseModel):
    street: str


def ask_for_address(item: str) -> Elicit[Address]:
    return Elicit(f"Where is {item} to be sent?", Address)


class Card(BaseModel):
    text: str


def ask_for_card(item: str) -> Elicit[Card]:
    return Elicit(f"What is on the card of {item}?", Card)


def write(line: str) -> None:
    with ORDERS.open("a") as orders:
        orders.write(line + "\\n")


@server.tool()
def order(item: str, address: Annotated[Address, Resolve(ask_for_address)]) -> str:
    """Order an item."""
    write(f"{item} to {address.street}")
    return f"{item} will be sent to {address.street}."


@server.tool()
def give(
    item: str,
    address: Annotated[Address, Resolve(ask_for_address)],
    card: Annotated[Card, Resolve(ask_for_card)],
) -> str:
    """Order a present."""
    write(f"{item} to {address.street}: {card.text}")
    return f"{item} will be sent."


@server.tool()
def order_slowly(item: str) -> str:
    """Order an item, and respond after a minute."""
    write(item)
    time.sleep(60)
    return f"{item} will be sent."


server.run()
'''

AGENT = """
name: buyer
model: demo:demo
tools: ["mcp:<SERVER>/*"]
policy: <POLICY>
"""

ASK_BEFORE_ORDERS = '[{tool: "mcp:shop/order", then: ask, approvers: [ada]}, {tool: "mcp:*", then: allow}]'
ALLOW_ALL = '[{tool: "mcp:*", then: allow}]'


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """The file of orders."""
    file = tmp_path / "orders.txt"
    file.touch()
    return file


@pytest.fixture
def server() -> str:
    """The name of the one server that the agent uses; a test may name another."""
    return "shop"


@pytest.fixture
def app_files(orders: Path, server: str) -> Mapping[str, str]:
    """An agent that uses one server: each that a worker starts takes more than a second of CPU."""
    shop = {"command": sys.executable, "args": ["shop.py"], "env": {"ORDERS": str(orders)}}
    servers = {
        "shop": shop,
        "old_shop": {**shop, "opspawn": {"protocol": "legacy", "effects": {"order": "idempotent"}}},
        "time": {"command": sys.executable, "args": ["-m", "mcp_server_time"]},
    }
    mcp_file = json.dumps({"mcpServers": {server: servers[server]}})
    policy = ASK_BEFORE_ORDERS if server == "shop" else ALLOW_ALL
    agent = AGENT.replace("<SERVER>", server).replace("<POLICY>", policy)
    return {"agents/buyer.yaml": agent, "shop.py": SHOP, "mcp.json": mcp_file}


def lines_of(file: Path) -> list[str]:
    """Return the lines of a file."""
    return file.read_text().splitlines()


def descendants_of(pid: int) -> list[int]:
    """Return the living descendants of a process."""
    children = children_of(pid)
    return [*children, *(descendant for child in children for descendant in descendants_of(child))]


async def kill_worker_and_servers(stack: Stack) -> None:
    """Kill the worker; its servers, with all that they started, have ended when this returns."""
    started = descendants_of(stack.pid("worker"))
    stack.kill("worker")

    async def have_ended() -> bool:
        return not still_running(started)

    await eventually(have_ended, f"the processes of the worker have ended: {started}", timeout_s=15)


async def pending(stack: Stack, task_id: str, kind: str) -> dict[str, Any]:
    """Wait until the task asks something of this kind, and return it."""
    found: list[dict[str, Any]] = []

    async def is_pending() -> bool:
        async with stack.client() as client:
            task = (await client.get(f"/api/v1/tasks/{task_id}")).json()
        found[:] = [request for request in task["input_requests"] if request["kind"] == kind]
        return bool(found)

    await eventually(is_pending, f"an input request of kind {kind}", timeout_s=60)
    return found[0]


async def answer(stack: Stack, task_id: str, request: dict[str, Any], **fields: Any) -> None:
    """Answer an input request by the signal that the API sends where no worker responds to it, after 12 s."""
    fields = {"input_request_id": request["id"], "answered_by": "ada", **fields}
    await (await stack.temporal()).get_workflow_handle(task_id).signal("answer_input", fields)


async def test_a_server_asks_a_person_and_orders_once_though_worker_and_server_are_killed_between_all_moves(
    stack: Stack, orders: Path
) -> None:
    task_id = await stack.submit('call shop__order {"item": "A lamp"}\nsay Ordered.', agent="buyer")
    approval = await pending(stack, task_id, "approval")
    await kill_worker_and_servers(stack)
    await answer(stack, task_id, approval, decision="approve")
    stack.start_worker()

    question = await pending(stack, task_id, "elicitation")
    assert question["message"] == "MCP server shop asks: Where is A lamp to be sent?"
    assert question["schema"]["required"] == ["street"]
    await kill_worker_and_servers(stack)
    await answer(stack, task_id, question, decision="answer", answer={"street": "Main Street 1"})
    stack.start_worker()

    task = await stack.wait_for_end(task_id)
    assert task["output"] == "Ordered."
    assert lines_of(orders) == ["A lamp to Main Street 1"]
    async with stack.client() as client:
        calls = (await client.get(f"/api/v1/tasks/{task_id}/tool-calls")).json()["tool_calls"]
    assert [(call["tool"], call["state"]) for call in calls] == [("shop__order", "not_done"), ("shop__order", "done")]
    await kill_worker_and_servers(stack)


async def test_of_two_questions_at_once_each_is_answered_while_no_process_knows_of_them(
    stack: Stack, orders: Path
) -> None:
    task_id = await stack.submit('call shop__give {"item": "A lamp"}\nsay Ordered.', agent="buyer")
    await pending(stack, task_id, "elicitation")
    async with stack.client() as client:
        task = (await client.get(f"/api/v1/tasks/{task_id}")).json()
    by_message = {request["message"].rpartition(": ")[2]: request for request in task["input_requests"]}
    assert set(by_message) == {"Where is A lamp to be sent?", "What is on the card of A lamp?"}

    card = by_message["What is on the card of A lamp?"]
    await answer(stack, task_id, card, decision="answer", answer={"text": "Yours"})
    await kill_worker_and_servers(stack)
    address = by_message["Where is A lamp to be sent?"]
    await answer(stack, task_id, address, decision="answer", answer={"street": "Main Street 1"})
    stack.start_worker()

    assert (await stack.wait_for_end(task_id))["output"] == "Ordered."
    assert lines_of(orders) == ["A lamp to Main Street 1: Yours"]


@pytest.mark.parametrize("server", ["old_shop"])
async def test_a_call_that_waits_for_a_person_over_an_older_protocol_is_repeated_with_the_answer_that_was_given(
    stack: Stack, orders: Path
) -> None:
    task_id = await stack.submit('call old_shop__order {"item": "A lamp"}\nsay Ordered.', agent="buyer")
    question = await pending(stack, task_id, "elicitation")
    await kill_worker_and_servers(stack)
    await answer(stack, task_id, question, decision="answer", answer={"street": "Main Street 1"})
    stack.start_worker()

    assert (await stack.wait_for_end(task_id))["output"] == "Ordered."
    assert lines_of(orders) == ["A lamp to Main Street 1"]


async def test_a_call_that_dies_with_its_server_in_the_middle_is_not_made_again_unasked(
    stack: Stack, orders: Path
) -> None:
    task_id = await stack.submit('call shop__order_slowly {"item": "A chair"}\nsay Ordered.', agent="buyer")

    async def is_ordered() -> bool:
        return bool(lines_of(orders))

    await eventually(is_ordered, "the server has begun", timeout_s=60)
    await kill_worker_and_servers(stack)
    stack.start_worker()
    unknown = await pending(stack, task_id, "unknown_outcome")
    await answer(stack, task_id, unknown, decision="happened", result="The shop has the order.")

    task = await stack.wait_for_end(task_id)
    assert task["output"] == "Ordered."
    assert lines_of(orders) == ["A chair"]


@pytest.mark.parametrize("server", ["time"])
async def test_fifty_tasks_at_once_share_one_process_of_a_server(stack: Stack) -> None:
    line = 'call time__get_current_time {"timezone": "Europe/Oslo"}'
    ids = await asyncio.gather(*(stack.submit(f"{line}\nsay Done.", agent="buyer") for _ in range(50)))
    tasks = await asyncio.gather(*(stack.wait_for_end(task_id) for task_id in ids))

    assert [task["output"] for task in tasks] == ["Done."] * 50
    commands = [
        command
        for pid in [stack.pid("worker"), *descendants_of(stack.pid("worker"))]
        for command in children_of(pid).values()
        if command.endswith("-m mcp_server_time") and "guard" not in command
    ]
    assert len(commands) == 1, commands
    async with stack.client() as client:
        results = [(await client.get(f"/api/v1/tasks/{task_id}/transcript")).text for task_id in ids[:5]]
    assert all("Europe/Oslo" in text for text in results)
