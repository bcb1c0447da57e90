"""Check the rules of a security policy beyond their form: their patterns, and the tools and arguments they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from agentkit.catalog.mcp_access import McpAccess
from agentkit.interfaces import ASK_PERSON
from agentkit.mcp_config.mcp_names import MCP_PREFIX
from agentkit.policy_rules import PolicyRule, argument_path
from agentkit.runtime.calls.argument_reader import has_closed_parameters
from agentkit.runtime.calls.argument_tests import pattern_problem
from agentkit.specs import ToolSpec
from agentkit.validation.validation_messages import ValidationIssue, did_you_mean

__all__ = ["policy_issues", "policy_tool_issues"]

_MAX_PATTERNS = 100
_MAX_CONSTANTS = 10_000


def policy_issues(rules: Sequence[PolicyRule]) -> Iterator[ValidationIssue]:
    """Yield what is wrong with the rules, without a look at the tools that exist."""
    patterns = constants = 0
    for index, rule in enumerate(rules):
        for path, condition in (rule.if_ or {}).items():
            constants += len(condition.in_ or ())
            if condition.matches is None:
                continue
            patterns += 1
            if patterns <= _MAX_PATTERNS and (problem := pattern_problem(condition.matches)) is not None:
                yield ValidationIssue(("policy", index, "if", path, "matches"), problem)
    if patterns > _MAX_PATTERNS:
        yield ValidationIssue(("policy",), f"has {patterns} tests with matches, and {_MAX_PATTERNS} at most")
    if constants > _MAX_CONSTANTS:
        yield ValidationIssue(("policy",), f"has {constants:,} values of in, and {_MAX_CONSTANTS:,} at most")


def policy_tool_issues(
    rules: Sequence[PolicyRule], tools: Sequence[ToolSpec], known: Sequence[str], access: McpAccess
) -> Iterator[ValidationIssue]:
    """Yield the tools and arguments of rules that the agent doesn't have; ``known`` are the names of all tools.

    The tools of MCP servers are known only when a task lists them, so of their rules the servers are checked.
    """
    names = [tool.name for tool in tools]
    for index, rule in enumerate(rules):
        if rule.tool.startswith(MCP_PREFIX):
            if (problem := access.rule_problem(rule.tool)) is not None:
                yield ValidationIssue(("policy", index, "tool"), problem)
            continue
        if access.may_match(rule.tool):
            continue
        if rule.tool not in names and not set(rule.tool) & set("*?["):
            message = f"this agent has no tool {rule.tool!r}.{did_you_mean(rule.tool, known)}"
            yield ValidationIssue(("policy", index, "tool"), message)
            continue
        concerned = [tool for tool in tools if fnmatchcase(tool.name, rule.tool)]
        if [tool.name for tool in concerned] == [ASK_PERSON]:
            yield from _question_issues(index, rule)
        for path in rule.if_ or ():
            if (problem := _argument_problem(path, concerned)) is not None:
                yield ValidationIssue(("policy", index, "if", path), problem)


def _question_issues(index: int, rule: PolicyRule) -> Iterator[ValidationIssue]:
    """Yield the terms of a rule that questions can't have; with other tools in its pattern, they count for those."""
    if rule.on_expiry == "approve":
        message = f"expected deny, fail or escalate, got approve: a question of {ASK_PERSON} has no answer by default"
        yield ValidationIssue(("policy", index, "on_expiry"), message)
    if (rule.count or 1) > 1:
        message = f"expected 1, got {rule.count}: a question of {ASK_PERSON} is answered once"
        yield ValidationIssue(("policy", index, "count"), message)


def _argument_problem(path: str, tools: Sequence[ToolSpec]) -> str | None:
    """Return a message if none of the tools can have the argument: such a test would hold for no call."""
    first = argument_path(path)[0]
    known: list[str] = []
    for tool in tools:
        properties = tool.parameters.get("properties")
        known += properties if isinstance(properties, dict) else ()
        if first in known or not has_closed_parameters(tool.parameters):
            return None
    if not tools:
        return None
    names, arguments = ", ".join(tool.name for tool in tools), ", ".join(dict.fromkeys(known)) or "none"
    return f"{names}: there is no argument {first!r}.{did_you_mean(first, known)} Arguments: {arguments}"
