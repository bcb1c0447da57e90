from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentkit.catalog.mcp_access import McpAccess
from agentkit.catalog.mcp_file import McpFile
from agentkit.catalog.policy_checks import policy_issues, policy_tool_issues
from agentkit.mcp_config.mcp_settings import McpServerSettings
from agentkit.policy_rules import PolicyRule
from agentkit.specs import AgentDefinition, ToolSpec

PAY = ToolSpec(
    name="pay",
    description="Pay.",
    parameters={"type": "object", "properties": {"amount": {}}, "additionalProperties": False},
)
OPEN = ToolSpec(name="send", description="Send.", parameters={"type": "object"})

NO_SERVERS = McpAccess(AgentDefinition(name="a"), McpFile(Path("mcp.json")))


def rule(**fields: Any) -> PolicyRule:
    return PolicyRule.model_validate({"tool": "pay", "then": "deny", **fields})


def test_rules_that_can_match_have_no_issue() -> None:
    rules = [
        rule(),
        rule(tool="*", **{"if": {"amount": {"matches": "^1"}}}),
        rule(tool="send", **{"if": {"anything": {"exists": True}}}),
    ]
    assert [*policy_issues(rules), *policy_tool_issues(rules, [PAY, OPEN], ["pay", "send"], NO_SERVERS)] == []


def test_a_wrong_pattern_is_named_by_its_place() -> None:
    (issue,) = policy_issues([rule(), rule(**{"if": {"amount": {"matches": "("}}})])
    assert issue.path == ("policy", 1, "if", "amount", "matches")


def test_too_many_patterns_and_values_are_refused() -> None:
    patterns = [rule(**{"if": {"amount": {"matches": "a"}}})] * 101
    assert [issue.message for issue in policy_issues(patterns)] == ["has 101 tests with matches, and 100 at most"]
    values = [rule(**{"if": {"amount": {"in": list(range(1_000))}}})] * 11
    assert [issue.message for issue in policy_issues(values)] == ["has 11,000 values of in, and 10,000 at most"]


@pytest.mark.parametrize(
    ("fields", "path", "text"),
    [
        ({"tool": "pya"}, ("policy", 0, "tool"), "this agent has no tool 'pya'. Did you mean"),
        ({"if": {"amuont": {"equals": 5}}}, ("policy", 0, "if", "amuont"), "pay: there is no argument 'amuont'."),
    ],
)
def test_tools_and_arguments_that_do_not_exist_are_named(
    fields: dict[str, Any], path: tuple[str | int, ...], text: str
) -> None:
    (issue,) = policy_tool_issues([rule(**fields)], [PAY], ["pay", "send"], NO_SERVERS)
    assert issue.path == path
    assert issue.message.startswith(text)


ASK = ToolSpec(name="ask_person", description="Ask.", parameters={"type": "object"}, effect="pure")
ASKING = {"then": "ask", "on_expiry": "approve", "count": 2}


@pytest.mark.parametrize("pattern", ["ask_person", "ask_*"])
def test_a_question_has_no_answer_by_default_and_is_answered_once(pattern: str) -> None:
    issues = [
        *policy_tool_issues([rule(), rule(tool=pattern, **ASKING)], [PAY, ASK], ["pay", "ask_person"], NO_SERVERS)
    ]
    assert [(issue.path, issue.message) for issue in issues] == [
        (
            ("policy", 1, "on_expiry"),
            "expected deny, fail or escalate, got approve: a question of ask_person has no answer by default",
        ),
        (("policy", 1, "count"), "expected 1, got 2: a question of ask_person is answered once"),
    ]


def test_terms_of_approvals_are_allowed_in_rules_for_other_tools_too() -> None:
    rules = [rule(tool="*", **ASKING), rule(tool="ask_person", then="ask", on_expiry="fail", count=1)]
    assert [*policy_tool_issues(rules, [PAY, ASK], ["pay", "ask_person"], NO_SERVERS)] == []


def test_rules_that_may_match_tools_of_servers_are_checked_no_further() -> None:
    servers = {"bank": McpServerSettings(command="bank")}
    access = McpAccess(AgentDefinition(name="a", tools=("mcp:bank/*",)), McpFile(Path("mcp.json"), servers))
    rules = [
        rule(tool="mcp:bank/*", **{"if": {"anything": {"exists": True}}}),
        rule(tool="bank__pay", **{"if": {"anything": {"exists": True}}}),
        rule(tool="*", **{"if": {"anything": {"exists": True}}}),
        rule(tool="*", **ASKING),
    ]
    assert [*policy_tool_issues(rules, [PAY, ASK], ["pay", "ask_person"], access)] == []
    (issue,) = policy_tool_issues([rule(tool="mcp:bnak/*")], [PAY], ["pay"], access)
    assert (issue.path, issue.message) == (
        ("policy", 0, "tool"),
        "there is no MCP server 'bnak' in mcp.json. Did you mean 'bank'? Servers: bank",
    )
    (issue,) = policy_tool_issues([rule(tool="p*", **{"if": {"amuont": {"exists": True}}})], [PAY], ["pay"], access)
    assert issue.path == ("policy", 0, "if", "amuont")
