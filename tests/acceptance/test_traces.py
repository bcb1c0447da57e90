"""Telemetry of real processes: one tree a task over a killed worker, metrics, logs, and a secret in none of them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from agentkit.telemetry import trace_id
from tests.acceptance.conftest import Stack, eventually
from tests.received_telemetry import ReceivedTelemetry, attributes_of, plain, receiving_telemetry, span_tree
from tests.reserved_ports import reserve_port

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

SECRET = "hunter2/hunter2+4711"
DOCS = Path(__file__).parents[2] / "docs"
TOOLS = '''
"""A shop."""

import logging

from agentkit.tools import ToolContext, tool


@tool(effect="idempotent", secrets=["till"])
def look(place: str, context: ToolContext) -> str:
    """Look there."""
    logging.getLogger("shop").warning("the till opens with %s", context.secret("till"))
    return f"{place}: 3 dollars, and the till opens with {context.secret('till')}"


@tool(effect="irreversible")
def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"
'''
BUYER = "model: demo:demo\ntools: [look, pay]\n"
SETTINGS = '[secrets]\ntill = {env = "TILL_CODE"}\n'
INPUT = f"""fail 503 x1
call look {{"place": "shop"}}
call pay {{"amount": 3}}
say Bought with {SECRET}"""


@dataclass
class WatchedStack(Stack):
    """Its processes have telemetry, and logs of JSON."""

    received: ReceivedTelemetry = field(default_factory=lambda: ReceivedTelemetry(0))
    metrics_port: int = field(default_factory=reserve_port)

    def variables_of(self, name: str) -> Mapping[str, str]:
        return {
            **self.received.variables,
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT",
            "OPSPAWN_LOG_FORMAT": "json",
            "OPSPAWN_WORKER_METRICS": f"127.0.0.1:{self.metrics_port}",
            "TILL_CODE": SECRET,
        }

    async def metrics(self, port: int) -> str:
        async with self.client() as client:
            return (await client.get(f"http://127.0.0.1:{port}/metrics")).text


@pytest.fixture
async def watched(tmp_path: Path, temporal_port: int) -> AsyncIterator[WatchedStack]:
    async with receiving_telemetry() as received:
        stack = WatchedStack(tmp_path, temporal_port, f"watched-{temporal_port}", received=received)
        stack.write_app()
        (stack.app_dir / "agents" / "buyer.yaml").write_text(BUYER)
        (stack.app_dir / "agents" / "asker.yaml").write_text("model: demo:demo\ntools: [ask_person]\n")
        (stack.app_dir / "tools" / "shop.py").write_text(TOOLS)
        (stack.app_dir / "opspawn.toml").write_text(SETTINGS)
        try:
            stack.start_worker()
            stack.start_api()
            await stack.wait_until_ready()
            yield stack
        finally:
            stack.stop()


async def test_a_task_over_a_killed_worker_is_the_tree_of_the_docs(watched: WatchedStack) -> None:
    received = watched.received

    async def is_received(name: str, count: int) -> bool:
        return len(received.named(name)) == count

    async def has_contents(count: int) -> bool:
        return len(received.events) == count

    task_id = await watched.submit(INPUT, agent="buyer")
    await eventually(lambda: is_received("chat demo", 3), "spans of a task that waits")
    await eventually(lambda: has_contents(3), "events with the contents of its model requests")
    watched.kill("worker")
    watched.start_worker()
    await watched.answer(task_id, "approve")
    assert (await watched.wait_for_end(task_id))["status"] == "completed"
    await eventually(lambda: is_received("invoke_agent buyer", 1), "the task's own span")
    await eventually(lambda: has_contents(4), "the contents of the last model request")

    tree = span_tree(received.spans)
    guide = (DOCS / "how-to/watch-with-opentelemetry.md").read_text()
    assert f"```\n{tree}\n```" in guide, tree
    assert {span.trace_id for span in received.spans} == {trace_id(task_id).to_bytes(16)}
    _check_contents(received.named("chat demo"), received)
    unknown = await watched.submit("call made_up {}\nsay Hi.")
    assert (await watched.wait_for_end(unknown))["status"] == "completed"
    waiting = await watched.submit('call ask_person {"question": "Now?"}', agent="asker")
    await eventually(lambda: is_received("chat demo", 7), "a task that asks")
    async with watched.client() as client:
        assert (await client.post(f"/api/v1/tasks/{waiting}/terminate")).status_code == 202
    await eventually(lambda: is_received("invoke_agent asker", 1), "the span of a task that was terminated")
    (terminated,) = received.named("invoke_agent asker")
    assert plain(attributes_of(terminated)["opspawn.status"]) == "terminated"
    everything = [*map(str, received.spans), *map(str, received.events), watched.log("worker"), watched.log("api")]
    everything += [worker_metrics := await watched.metrics(watched.metrics_port)]
    everything += [api_metrics := await watched.metrics(watched.api_port)]
    assert "[secret:till]" in everything[0] + everything[-3]
    assert SECRET not in "\n".join(everything)
    assert task_id not in worker_metrics + api_metrics
    assert "made_up" not in worker_metrics, "names of tools that a model makes up are no labels"
    _check_names(worker_metrics + api_metrics)
    _check_logs(watched, task_id)


def _check_contents(chats: list[Span], received: ReceivedTelemetry) -> None:
    last = {name: plain(value) for name, value in attributes_of(chats[-1]).items()}
    sent = json.loads(str(last["gen_ai.input.messages"]))
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "assistant", "tool"]
    assert sent[-1]["parts"][0]["response"] == "paid 3"
    (written,) = json.loads(str(last["gen_ai.output.messages"]))
    assert written["parts"][0]["content"] == "Bought with [secret:till]"
    (call,) = [attributes_of(span) for span in received.named("execute_tool pay")]
    assert json.loads(call["gen_ai.tool.call.arguments"].string_value) == {"amount": 3}
    events = {event.span_id: event for event in received.events}
    assert set(events) == {span.span_id for span in chats}
    assert plain(attributes_of(events[chats[-1].span_id])["gen_ai.output.messages"]) == [written]


def _check_names(metrics: str) -> None:
    reference = (DOCS / "reference/metrics.md").read_text()
    names = set(re.findall(r"^# TYPE ((?:gen_ai|opspawn)_\w+)", metrics, re.MULTILINE))
    undocumented = {name for name in names if name.removeprefix("gen_ai_client_inference_usage") not in reference}
    assert not undocumented


def _check_logs(watched: WatchedStack, task_id: str) -> None:
    lines = [json.loads(line) for line in watched.log("worker").splitlines()]
    (line,) = [line for line in lines if "[shop]" in line["message"]]
    assert line["message"] == "look: [shop] the till opens with [secret:till]"
    assert (line["task_id"], line["trace_id"]) == (task_id, f"{trace_id(task_id):032x}")
    assert [json.loads(line)["message"] for line in watched.log("api").splitlines()]
