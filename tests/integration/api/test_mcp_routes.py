"""``/api/v1/mcp/servers``: with real workers, whose servers are in memory."""

from __future__ import annotations

from tests.integration.api.conftest import ApiHarness
from tests.integration.api.mcp_workers import CRASHED, HANGING, problem, serving


async def test_the_servers_are_listed_with_what_is_wrong_with_some(harness: ApiHarness) -> None:
    async with serving(harness):
        listed = await harness.get("/mcp/servers")
    assert listed["servers"] == [
        {"name": "down", "transport": "stdio", "tools": None, "problem": {"kind": "crashed", "message": str(CRASHED)}},
        {"name": "notes", "transport": "stdio", "tools": 2, "problem": None},
        {
            "name": "slow",
            "transport": "stdio",
            "tools": None,
            "problem": {"kind": "timed_out", "message": str(HANGING)},
        },
    ]


async def test_a_server_shows_its_tools_resources_and_prompts_by_its_own_names(harness: ApiHarness) -> None:
    async with serving(harness):
        tools = await harness.get("/mcp/servers/notes/tools")
        resources = await harness.get("/mcp/servers/notes/resources")
        prompts = await harness.get("/mcp/servers/notes/prompts")
    assert tools["tools"] == [
        {"name": "convert", "description": "Converts a time.", "input_schema": {"type": "object"}, "effect": "pure"},
        {"name": "delete-all", "description": "", "input_schema": {"type": "object"}, "effect": "irreversible"},
    ]
    assert [resource["uri"] for resource in resources["resources"]] == [
        "file:///plan.md",
        "file:///long",
        "file:///large",
    ]
    assert [argument["name"] for argument in prompts["prompts"][0]["arguments"]] == ["change", "tone"]


async def test_unknown_failing_and_hanging_servers_are_different_problems(harness: ApiHarness) -> None:
    async with serving(harness):
        unknown = await harness.http.get("/api/v1/mcp/servers/note/tools")
        failed = await harness.http.get("/api/v1/mcp/servers/down/resources")
        hanging = await harness.http.get("/api/v1/mcp/servers/slow/prompts")
    assert "Did you mean 'notes'?" in problem(unknown, 404, "mcp-server-not-found")["detail"]
    assert problem(failed, 502, "mcp-server-failed")["detail"] == str(CRASHED)
    assert problem(hanging, 504, "mcp-server-timed-out")["detail"] == str(HANGING)


async def test_without_a_worker_the_problem_has_the_command_that_starts_one(harness: ApiHarness) -> None:
    listed = await harness.http.get("/api/v1/mcp/servers")
    created = await harness.post(input={"prompt": "notes/review"})
    for response in (listed, created):
        assert "opspawn worker" in problem(response, 503, "workers-silent")["detail"]
