from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from agentkit.catalog.agent_files import AgentFile, definition_issues, named_models, read_agent
from agentkit.catalog.defaults import ASSISTANT
from agentkit.catalog.definition_source import DefinitionSource
from agentkit.errors import AgentInvalid
from agentkit.specs import AgentDefinition
from agentkit.validation.validation_messages import ValidationIssue

Read = Callable[..., AgentFile]

COMPLETE = """
name: helper
description: Helps.
model: [openai:gpt-5-mini, "openai-compatible:llama3:8b"]
planner: tools
instructions: |
  Help.
tools: [calculator]
policy:
  - {tool: calculator, if: {expression: {matches: "[0-9+]+"}}, then: allow}
  - {tool: calculator, then: ask, approvers: [finance], count: 2, expires: 2h, on_expiry: fail}
memory: {long_term: false, recall: 0, scope: agent}
compaction: {at: 0.7, model: "openai:gpt-5-nano", window: 100000}
limits: {max_steps: 5, max_tokens: 100, deadline: 1h30m, on_exhausted: fail}
"""


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def write_and_read(text: str, name: str = "helper.yaml") -> AgentFile:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return read_agent(path)

    return write_and_read


def test_a_file_is_read_as_a_definition(read: Read) -> None:
    definition = read(COMPLETE).definition
    assert (definition.name, definition.planner, definition.instructions) == ("helper", "tools", "Help.\n")
    assert named_models(definition) == ("openai:gpt-5-mini", "openai-compatible:llama3:8b")
    assert [rule.then for rule in definition.policy] == ["allow", "ask"]
    assert (definition.policy[1].expires, definition.policy[1].on_expiry) == (7200.0, "fail")
    assert (definition.limits.max_steps, definition.limits.deadline) == (5, 5400.0)
    assert (definition.compaction.at, definition.compaction.window) == (0.7, 100_000)


def test_an_agent_without_a_name_has_the_name_of_its_file(read: Read) -> None:
    assert read("description: x", "other.yaml").definition.name == "other"


def test_the_built_in_agent_is_valid() -> None:
    definition = read_agent(ASSISTANT).definition
    assert (definition.name, definition.model, definition.tools) == (
        "assistant", None, ("calculator", "current_time", "http_fetch"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "a: 1\ntols: [x]", "helper.yaml:2: tols: unknown key. Did you mean 'tools'? Keys: name, desc", id="key"
        ),
        pytest.param(
            "limits:\n  max_step: 3",
            "helper.yaml:2: limits.max_step: unknown key. Did you mean 'max_steps'?",
            id="limit",
        ),
        pytest.param(
            "policy:\n- tool: x\n  than: deny",
            "helper.yaml:3: policy.0.than: unknown key. Did you mean 'then'?",
            id="rule",
        ),
        pytest.param(
            "limits:\n  max_steps: many", "helper.yaml:2: limits.max_steps: expected a valid integer", id="type"
        ),
        pytest.param(
            "limits: {max_steps: 0}", "limits.max_steps: expected greater than or equal to 1, got 0", id="range"
        ),
        pytest.param("limits: {deadline: soon}", "limits.deadline: expected a duration such as 30s, 5m", id="duration"),
        pytest.param("limits: 3", "helper.yaml:1: limits: expected keys with values, got 3", id="no mapping"),
        pytest.param("tools: calculator", "helper.yaml:1: tools: expected a list, got 'calculator'", id="no list"),
        pytest.param("model: 5", "helper.yaml:1: model: expected text or a list, got 5", id="model"),
        pytest.param("model: [demo, 5]", "helper.yaml:1: model.1: expected text, got 5", id="model in a chain"),
        pytest.param("policy: [{then: deny}]", "policy.0.tool: required, but missing", id="missing"),
        pytest.param(
            "a: 1\npolicy:\n- tool: x\n  if:\n    order.amount:\n      gt: 0\n      lte: lots\n  then: allow",
            "helper.yaml:7: policy.0.if.order.amount.lte: expected a valid integer or a valid number, got 'lots'",
            id="bound",
        ),
        pytest.param(
            "policy:\n- {tool: x, then: deny}\n- tool: x\n  if:\n    a:\n      in:\n      - b\n      - 2026-01-01",
            "helper.yaml:8: policy.1.if.a.in.1: expected text, a number, true, false, null, a list or keys with values "
            "(dates in quotes), got datetime.date",
            id="date",
        ),
        pytest.param(
            "policy:\n- tool: x\n  if:\n    a:\n      less: 5\n  then: allow",
            "helper.yaml:5: policy.0.if.a.less: unknown key. Did you mean 'exists'? Keys: equals, in, matches, lt, ",
            id="test",
        ),
        pytest.param(
            "policy:\n- tool: x\n  if:\n    a:\n      matches: (?=x)\n  then: allow",
            "helper.yaml:5: policy.0.if.a.matches: no regular expression of RE2, which has neither lookarounds nor "
            "backreferences: invalid perl operator: (?=",
            id="lookahead",
        ),
        pytest.param(
            "policy: [{tool: x, if: {a: {matches: '.{1,1000}.{1,1000}'}}, then: deny}]",
            "helper.yaml:1: policy.0.if.a.matches: too large a regular expression: make its repetitions smaller",
            id="large pattern",
        ),
        pytest.param(
            "policy: [{tool: x, if: {a: {}}, then: allow}]",
            "policy.0.if.a: expected a test such as {lte: 50}; there are equals, in, matches, lt, lte, gt, gte, exists",
            id="no test",
        ),
        pytest.param(
            "policy: [{tool: x, if: {}, then: allow}]", "policy.0.if: must have at least 1 item", id="no condition"
        ),
        pytest.param(
            "policy:\n- tool: x\n  if:\n  then: allow", "helper.yaml:3: policy.0.if: expected a value", id="if"
        ),
        pytest.param(
            "policy: [{tool: x, if: {a: {equals: null}}, then: deny}]", "null is written in: [null]", id="null"
        ),
        pytest.param(
            "policy:\n- {tool: x, then: deny, count: 2}",
            "helper.yaml:2: policy.0: count: only with then: ask, got then: deny",
            id="count",
        ),
        pytest.param(
            "policy: [{tool: x, then: ask, on_expiry: escalate}]",
            "policy.0: on_expiry: escalate and escalate_to are written together",
            id="escalate",
        ),
        pytest.param(
            "policy: [{tool: x, if: {'a[0]': {lt: 5}}, then: ask}]",
            "policy.0.if.a[0]: expected names and list positions joined by dots, such as order.items.0.price",
            id="path",
        ),
        pytest.param("policy: {tool: x, then: ask}", "policy: expected a list", id="one rule"),
        pytest.param("policy: [{tool: x, then: no}]", "policy.0.then: expected 'allow', 'ask' or 'deny', got", id="no"),
        pytest.param(
            "a: 1\napprovals: [{tool: x, when: never}]",
            "helper.yaml:2: approvals: policy has replaced it. Instead of {tool: NAME, when: never} write policy: "
            "[{tool: NAME, then: allow}]",
            id="approvals",
        ),
        pytest.param(
            f"policy: [{', '.join(['{tool: x, if: {a: {matches: a}}, then: ask}'] * 101)}]",
            "policy: has 101 tests with matches, and 100 at most",
            id="patterns",
        ),
        pytest.param(f"policy: [{'{tool: x, then: ask}, ' * 201}]", "policy: must have at most 200 items", id="rules"),
        pytest.param("name: 1st", "helper.yaml:1: name: expected a letter, then letters, digits", id="name"),
        pytest.param(
            "model: gpt-5", "unknown provider 'gpt-5'. Did you mean 'openai:gpt-5'? Write provider:name", id="provider"
        ),
        pytest.param("model: 'openai:'", "model: Model 'openai:': expected provider:name", id="no model"),
        pytest.param(
            "model: []", "model: expected provider:name or a list of them, got an empty list", id="empty chain"
        ),
        pytest.param(
            "compaction: {model: gpt-5-nano}",
            "helper.yaml:1: compaction.model: Model 'gpt-5-nano': unknown provider",
            id="summary model",
        ),
        pytest.param("compaction: {at: 80}", "compaction.at: expected less than or equal to 1, got 80", id="share"),
        pytest.param(
            "compaction: {window: 10}", "compaction.window: expected greater than or equal to 1000", id="window"
        ),
        pytest.param(
            "compaction: {modell: x}",
            "compaction.modell: unknown key. Did you mean 'model'? Keys: at, model, window, off",
            id="key of compaction",
        ),
        pytest.param(
            "planner: tool", "expected tools or react or plan or placeholder, got 'tool'. Did you mean", id="planner"
        ),
        pytest.param("a: 1\nb: 2\na: 3", "helper.yaml:3: a: given twice, first on line 1", id="duplicate key"),
        pytest.param(
            "limits:\n  x: 1\n  x: 2", "helper.yaml:3: x: given twice, first on line 2", id="nested duplicate key"
        ),
        pytest.param("a: [1\nb: 2", "helper.yaml:2: no valid YAML", id="syntax"),
        pytest.param("a: b: c", "helper.yaml:1: no valid YAML", id="colons"),
        pytest.param("a: 1\n---\nb: 2", "no valid YAML: but found another document", id="documents"),
        pytest.param("a: !!python/name:os.system", "helper.yaml:1: no valid YAML: could not determine", id="tag"),
        pytest.param("a: &a [*a]", "a: unknown key", id="recursive alias"),
        pytest.param("[" * 5000, "no valid YAML", id="deep"),
        pytest.param("", "helper.yaml: the file is empty", id="empty"),
        pytest.param("# nothing", "helper.yaml: the file is empty", id="comment"),
        pytest.param("- a", "helper.yaml: expected keys such as 'instructions: ...', got list", id="list"),
        pytest.param("1: x", "1: Keys should be strings", id="number"),
    ],
)
def test_an_error_names_file_line_key_and_what_was_expected(read: Read, text: str, message: str) -> None:
    with pytest.raises(AgentInvalid) as raised:
        read(text)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param('tools: ["agent:researcher"]', "tools.0", id="agent"),
    ],
)
def test_unsupported_features_are_refused(read: Read, text: str, key: str) -> None:
    with pytest.raises(AgentInvalid) as raised:
        read(text)
    assert f"helper.yaml:1: {key}: " in str(raised.value)
    assert "is not in this release" in str(raised.value)


def test_an_error_has_all_issues_in_the_order_of_their_lines(read: Read) -> None:
    with pytest.raises(AgentInvalid) as raised:
        read("plan: x\nlimits: {max_steps: 0}\ntols: []")
    assert [line.split(": ")[0].rpartition(":")[2] for line in str(raised.value).splitlines()] == ["1", "2", "3"]


def test_a_file_that_isnt_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"description: \xff")
    with pytest.raises(AgentInvalid, match=r"a\.yaml: no valid YAML"):
        read_agent(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(AgentInvalid, match=r"a\.yaml: can't be read \(No such file"):
        read_agent(tmp_path / "a.yaml")


def test_a_valid_definition_has_no_issues() -> None:
    assert definition_issues(AgentDefinition(name="a", model="demo", planner="placeholder")) == []


def test_an_error_about_a_request_has_no_line() -> None:
    assert str(DefinitionSource("request").error([ValidationIssue(("limits", "x"), "no")])) == "request: limits.x: no"
