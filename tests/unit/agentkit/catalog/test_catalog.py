from __future__ import annotations

import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from activities.settings import Settings
from agentkit.catalog.catalog import Catalog, agent_names, load_catalog
from agentkit.catalog.defaults import TEMPLATE
from agentkit.catalog.mcp_access import PROXY_TOOLS
from agentkit.errors import AgentInvalid, AgentNotFound, ToolError
from agentkit.interfaces import MEMORY_TOOLS, FetchResult, ToolContext
from agentkit.specs import AgentDefinition, CompactionSettings, Limits, McpSelection, PolicyRule

Write = Callable[[str, str], Path]

CONTEXT = ToolContext(task_id="t1", call_id="c1", idempotency_key="t1/c1", step=1)
BUILT_IN = [
    *("calculator", "current_time", "http_fetch", "read_result", "http_request", "ask_person"),
    *("python", "shell", "read_file", "write_file", "list_files", "search_text"),
    *("list_resources", "read_resource"),
]
TOOL = """
from agentkit.tools import tool

@tool(effect="pure")
def {name}(text: str) -> str:
    return text
"""


class OnePageFetcher:
    """Returns the same page for every URL."""

    async def fetch(self, url: str, *, max_bytes: int, timeout_s: float) -> FetchResult:
        return FetchResult(url=url, status=200, content_type="text/plain", text="hello")


@pytest.fixture(autouse=True)
def import_path() -> Iterator[None]:
    before = sys.path[:]
    yield
    sys.path[:] = before


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return write_file


def load(path: Path, **settings: Any) -> Catalog:
    return load_catalog(Settings(app_dir=path, **settings))


def test_an_empty_directory_has_the_built_in_agent_and_tools(tmp_path: Path) -> None:
    catalog = load(tmp_path)
    assert list(catalog.agents) == ["assistant"]
    assert sorted(spec.name for spec in catalog.toolset.specs()) == sorted([*BUILT_IN, *PROXY_TOOLS, *MEMORY_TOOLS])
    assert catalog.problems == []


def test_names_of_agents_are_those_of_the_catalog_without_broken_files(tmp_path: Path, write: Write) -> None:
    write("agents/buyer.yaml", "instructions: Buy.")
    write("agents/other.yml", "name: seller\ninstructions: Sell.")
    write("agents/broken.yaml", "instrctions: Break.")
    assert agent_names(tmp_path) == load(tmp_path).agents.keys() == {"assistant", "buyer", "seller"}


def test_a_missing_directory_is_a_problem_and_the_built_in_agent_remains(tmp_path: Path) -> None:
    catalog = load(tmp_path / "nowhere")
    assert list(catalog.agents) == ["assistant"]
    assert catalog.problems == [
        f"There is no app directory {tmp_path}/nowhere. Make one: opspawn init {tmp_path}/nowhere"
    ]


def test_the_template_loads_without_problems(tmp_path: Path) -> None:
    shutil.copytree(TEMPLATE, tmp_path / "app")
    catalog = load_catalog(Settings.load(tmp_path / "app"))
    assert catalog.problems == []
    spec = catalog.spec("assistant")
    own = ["calculator", "current_time", "http_fetch", "word_count"]
    assert [tool.name for tool in spec.tools] == [*own, *MEMORY_TOOLS]
    effects = {tool.name: tool.effect for tool in catalog.toolset.specs()}
    assert (effects["word_count"], effects["append_note"]) == ("pure", "irreversible")


def test_new_changed_and_deleted_agent_files_count_at_once(tmp_path: Path, write: Write) -> None:
    catalog = load(tmp_path)
    assert "buyer" not in catalog.agents
    write("agents/buyer.yaml", "instructions: Buy.")
    assert catalog.spec("buyer").instructions == "Buy."
    write("agents/buyer.yaml", "instructions: Buy less.")
    assert catalog.spec("buyer").instructions == "Buy less."
    write("agents/buyer.yaml", "instrctions: Buy.")
    assert any("instrctions" in problem for problem in catalog.problems)
    (tmp_path / "agents/buyer.yaml").unlink()
    assert "buyer" not in catalog.agents
    assert catalog.problems == []


def test_the_templates_commented_lines_are_valid(tmp_path: Path) -> None:
    shutil.copytree(TEMPLATE, tmp_path / "app")
    settings = tmp_path / "app/opspawn.toml"
    lines = settings.read_text(encoding="utf-8").splitlines()
    settings.write_text("\n".join(line.removeprefix("# ") for line in lines if " = " in line), encoding="utf-8")
    assert Settings.load(tmp_path / "app").http_fetch_allow == ("10.0.0.0/8",)
    agent = tmp_path / "app/agents/assistant.yaml"
    text = agent.read_text(encoding="utf-8").replace("append_note, then", "word_count, then")
    for commented in ("model: openai:gpt", "planner", "policy", "  - {tool", "compaction", "max_tokens", "deadline"):
        assert f"# {commented}" in text
        text = text.replace(f"# {commented}", commented)
    agent.write_text(text, encoding="utf-8")
    assert load(tmp_path / "app").problems == []


def test_the_templates_mcp_servers_work_without_their_slashes(tmp_path: Path) -> None:
    shutil.copytree(TEMPLATE, tmp_path / "app")
    assert load(tmp_path / "app").mcp_servers == {}
    file = tmp_path / "app/mcp.json"
    servers = re.sub(r"^( +)// ( *[\"}\]])", r"\1\2", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    file.write_text(servers, encoding="utf-8")
    catalog = load(tmp_path / "app")
    assert catalog.problems == []
    assert {name: settings.transport for name, settings in catalog.mcp_servers.items()} == {
        "time": "stdio",
        "files": "stdio",
        "github": "http",
    }
    assert catalog.mcp_servers["files"].opspawn.effects == {"write_file": "irreversible"}


async def test_http_fetch_uses_the_fetcher(tmp_path: Path) -> None:
    catalog = load_catalog(Settings(app_dir=tmp_path), OnePageFetcher())
    assert "hello" in str(await catalog.toolset.get("http_fetch").call({"url": "http://a"}, CONTEXT))
    with pytest.raises(ToolError, match="Nothing can be fetched in this process"):
        await load(tmp_path).toolset.get("http_fetch").call({"url": "http://a"}, CONTEXT)


def test_a_spec_has_the_agents_models_and_tools_resolved(tmp_path: Path, write: Write) -> None:
    write("tools/mine.py", TOOL.format(name="shout"))
    write("agents/a.yaml", "model: [demo, openai:gpt-5]\ntools: [shout, calculator, shout]\ninstructions: Do.\n")
    catalog = load(tmp_path)
    spec = catalog.spec("a")
    assert (spec.name, spec.models, spec.planner, spec.instructions) == (
        "a",
        ("demo:demo", "openai:gpt-5"),
        "tools",
        "Do.",
    )
    assert spec.tools == (catalog.toolset.get("shout").spec, catalog.toolset.get("calculator").spec)


def test_compaction_is_in_the_spec_only_where_it_isnt_the_default(tmp_path: Path, write: Write) -> None:
    write("agents/plain.yaml", "compaction: {at: 0.8}")
    write("agents/own.yaml", "compaction: {at: 0.5, model: openai:gpt-5-nano}")
    catalog = load(tmp_path)
    assert catalog.spec("plain").compaction is None
    spec = catalog.spec("own")
    assert spec.compaction == CompactionSettings(at=0.5, model="openai:gpt-5-nano")
    assert spec.all_models == ("demo:demo", "openai:gpt-5-nano")
    assert "openai:gpt-5-nano" in catalog.models


def test_the_other_fields_of_a_definition_are_copied(tmp_path: Path, write: Write) -> None:
    write(
        "agents/a.yaml",
        """
        description: Helps.
        tools: [calculator]
        policy: [{tool: calculator, then: allow}]
        limits: {max_steps: 3}
        model_settings: {temperature: 0.5}
        """,
    )
    catalog = load(tmp_path)
    spec, definition = catalog.spec("a"), catalog.agents["a"]
    assert (spec.description, spec.policy, spec.limits, spec.model_settings) == (
        "Helps.", definition.policy, Limits(max_steps=3), definition.model_settings,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "models", "planner"),
    [
        pytest.param({}, ("demo:demo",), "tools", id="nothing set"),
        pytest.param({"openai_api_key": "k"}, ("openai:gpt-5-mini",), "tools", id="key"),
        pytest.param({"default_provider": "openai", "default_model": "x"}, ("openai:x",), "tools", id="model"),
        pytest.param({"default_planner": "placeholder"}, ("demo:demo",), "placeholder", id="planner"),
    ],
)
def test_the_default_model_and_planner_come_from_settings(
    tmp_path: Path, settings: dict[str, str], models: tuple[str, ...], planner: str
) -> None:
    spec = load(tmp_path, **settings).spec("assistant")
    assert (spec.models, spec.planner) == (models, planner)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"default_provider": "opnai"}, "AGENTKIT_LLM_PROVIDER or AGENTKIT_LLM_MODEL", id="provider"),
        pytest.param({"default_planner": "raect"}, "AGENTKIT_PLANNER_TYPE: expected tools or react", id="planner"),
    ],
)
def test_an_error_about_a_default_names_the_setting(tmp_path: Path, settings: dict[str, str], message: str) -> None:
    catalog = load(tmp_path, **settings)
    with pytest.raises(AgentInvalid, match=message):
        catalog.spec("assistant")
    assert message in catalog.problems[0]


def test_a_request_may_replace_the_model_and_some_limits(tmp_path: Path, write: Write) -> None:
    write("agents/a.yaml", "model: demo\nlimits: {max_steps: 5, max_tokens: 100}")
    spec = load(tmp_path).spec("a", model="openai:gpt-5", limits={"max_tokens": 50, "deadline": "5m"})
    assert (spec.models, spec.limits) == (("openai:gpt-5",), Limits(max_steps=5, max_tokens=50, deadline=300))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        pytest.param({"model": "gpt"}, "request: model: Model 'gpt': unknown provider", id="model"),
        pytest.param(
            {"limits": {"max_steps": 0}}, "request: limits.max_steps: expected greater than or equal to 1", id="limit"
        ),
        pytest.param(
            {"limits": {"max_step": 1}}, "request: limits.max_step: unknown key. Did you mean 'max_steps'?", id="key"
        ),
        pytest.param(
            {"limits": {"on_exhausted": "wait"}}, "request: limits.on_exhausted: expected 'fail' or 'ask'", id="word"
        ),
    ],
)
def test_an_error_in_a_request_names_the_request(tmp_path: Path, overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(AgentInvalid) as raised:
        load(tmp_path).spec("assistant", **overrides)
    assert message in str(raised.value)


def test_for_an_unknown_agent_the_error_lists_the_most_similar_and_all_names(tmp_path: Path, write: Write) -> None:
    write("agents/researcher.yaml", "description: x")
    with pytest.raises(AgentNotFound) as raised:
        load(tmp_path).spec("reseacher")
    assert str(raised.value) == (
        "There is no agent 'reseacher'. Did you mean 'researcher'? Agents: assistant, researcher."
    )


def test_for_an_unknown_tool_the_error_has_file_line_and_all_names(tmp_path: Path, write: Write) -> None:
    write("agents/a.yaml", "description: x\ntools: [calculater]")
    catalog = load(tmp_path)
    with pytest.raises(AgentInvalid) as raised:
        catalog.spec("a")
    assert str(raised.value) == (
        f"{tmp_path}/agents/a.yaml:2: tools.0: there is no tool 'calculater'. Did you mean 'calculator'? "
        f"Tools: {', '.join(BUILT_IN)}"
    )
    assert catalog.problems == [str(raised.value)]


def test_a_rule_for_a_tool_that_the_agent_lacks_is_refused(tmp_path: Path, write: Write) -> None:
    write("agents/a.yaml", "tools: [calculator]\npolicy: [{tool: calc, then: ask}, {tool: 'mail_*', then: deny}]")
    with pytest.raises(AgentInvalid, match=r"policy\.0\.tool: this agent has no tool 'calc'") as raised:
        load(tmp_path).spec("a")
    assert "policy.1" not in str(raised.value)


def test_a_rule_for_an_argument_that_its_tools_lack_is_refused(tmp_path: Path, write: Write) -> None:
    write(
        "agents/a.yaml",
        """
        tools: [calculator, http_fetch]
        policy:
          - {tool: calculator, if: {expresion: {matches: "[0-9]+"}}, then: allow}
          - {tool: calculator, if: {/express.ion: {exists: true}}, then: deny}
          - {tool: "*", if: {url: {matches: "https://example.com/.*"}}, then: allow}
          - {tool: "mcp:*", if: {anything: {exists: true}}, then: deny}
        """,
    )
    with pytest.raises(AgentInvalid) as raised:
        load(tmp_path).spec("a")
    first, second = str(raised.value).splitlines()
    assert first.endswith(
        "a.yaml:4: policy.0.if.expresion: calculator: there is no argument 'expresion'. Did you mean 'expression'? "
        "Arguments: expression"
    )
    assert "a.yaml:5: policy.1.if./express.ion: calculator: there is no argument 'express.ion'" in second


def test_broken_files_are_problems_and_the_others_are_used(tmp_path: Path, write: Write) -> None:
    write("agents/broken.yaml", "tols: []")
    write("agents/good.yaml", "tools: [shout]")
    write("tools/a.py", "1 / 0")
    write("tools/b.py", TOOL.format(name="shout"))
    write("tools/c.py", TOOL.format(name="calculator"))
    catalog = load(tmp_path)
    assert list(catalog.agents) == ["assistant", "good"]
    assert catalog.spec("good").tools[0].name == "shout"
    import_error, duplicate, unknown_key = catalog.problems
    assert import_error.startswith(f"{tmp_path}/tools/a.py:1: ZeroDivisionError")
    assert duplicate.startswith(f"{tmp_path}/tools/c.py:4: there is a tool 'calculator' already: built in.")
    assert unknown_key.startswith(f"{tmp_path}/agents/broken.yaml:1: tols: unknown key")
    with pytest.raises(AgentInvalid, match="tols: unknown key"):
        catalog.spec("broken")


def test_a_broken_file_replaces_the_built_in_agent_with_its_name(tmp_path: Path, write: Write) -> None:
    write("agents/assistant.yaml", "tols: []")
    with pytest.raises(AgentInvalid, match="tols: unknown key"):
        load(tmp_path).spec("assistant")


def test_an_agent_file_replaces_the_built_in_agent_with_its_name(tmp_path: Path, write: Write) -> None:
    write("agents/mine.yaml", "name: assistant\ndescription: Mine.")
    catalog = load(tmp_path)
    assert {name: agent.description for name, agent in catalog.agents.items()} == {"assistant": "Mine."}


def test_the_second_file_of_an_agent_is_refused_with_both_paths(tmp_path: Path, write: Write) -> None:
    write("agents/a.yaml", "name: helper")
    write("agents/helper.yaml", "description: x")
    catalog = load(tmp_path)
    assert "helper" not in catalog.agents
    with pytest.raises(AgentInvalid, match=r"helper\.yaml: name: .*a\.yaml is named 'helper', too"):
        catalog.spec("helper")


def test_agents_are_read_again_when_their_files_change(tmp_path: Path, write: Write) -> None:
    catalog = load(tmp_path)
    path = write("agents/a.yaml", "description: first")
    assert catalog.agents["a"].description == "first"
    write("agents/a.yaml", "description: again")
    os.utime(path, ns=(1, 1))
    assert catalog.agents["a"].description == "again"
    write("agents/a.yaml", "tols: []")
    assert "a" not in catalog.agents
    assert len(catalog.problems) == 1
    path.unlink()
    assert (list(catalog.agents), catalog.problems) == (["assistant"], [])


def test_files_that_didnt_change_arent_read_again(tmp_path: Path, write: Write) -> None:
    write("agents/a.yaml", "description: x")
    catalog = load(tmp_path)
    assert catalog.agents["a"] is catalog.agents["a"]


def test_resolve_returns_the_spec_of_a_requests_definition(tmp_path: Path) -> None:
    catalog = load(tmp_path)
    definition = AgentDefinition(name="once", tools=("calculator",), limits=Limits(max_steps=3))
    spec = catalog.resolve(definition, model="demo:demo", limits={"max_tokens": 9})
    assert (spec.name, spec.models, spec.limits) == ("once", ("demo:demo",), Limits(max_steps=3, max_tokens=9))
    assert spec.tools == (catalog.toolset.get("calculator").spec,)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        pytest.param({"tools": ("calc",)}, "agent_spec: tools.0: there is no tool 'calc'", id="tool"),
        pytest.param({"model": "x"}, "agent_spec: model: Model 'x': unknown provider", id="model"),
        pytest.param(
            {"output_schema": {"type": "thing"}}, "agent_spec: output_schema: no JSON Schema: at $.type", id="schema"
        ),
    ],
)
def test_an_error_in_a_requests_definition_names_agent_spec(
    tmp_path: Path, definition: dict[str, Any], message: str
) -> None:
    with pytest.raises(AgentInvalid) as raised:
        load(tmp_path).resolve(AgentDefinition(name="once", **definition))
    assert message in str(raised.value)


SERVERS = '{"mcpServers": {"github": {"command": "github"}, "time": {"url": "https://example.com/mcp"}}}'


def test_an_agents_mcp_tools_are_selected_without_a_look_at_the_servers(tmp_path: Path, write: Write) -> None:
    write("mcp.json", SERVERS)
    write(
        "agents/a.yaml",
        """
        tools: [calculator, "mcp:github/*", "mcp:time/convert"]
        mcp: {required: [github]}
        policy:
          - {tool: "mcp:github/delete_*", then: deny, reason: Deleting is not for agents.}
          - {tool: "mcp:time/convert", if: {timezone: {equals: UTC}}, then: allow}
        """,
    )
    catalog = load(tmp_path)
    assert catalog.problems == []
    spec = catalog.spec("a")
    assert [tool.name for tool in spec.tools] == ["calculator"]
    assert spec.mcp == McpSelection(tools=("github/*", "time/convert"), required=("github",))
    assert list(catalog.mcp_servers) == ["github", "time"]


def test_for_an_unknown_server_the_error_has_file_line_and_the_servers(tmp_path: Path, write: Write) -> None:
    write("mcp.json", SERVERS)
    write("agents/a.yaml", 'tools:\n  - calculator\n  - "mcp:githb/*"\n  - time/convert\n')
    with pytest.raises(AgentInvalid) as raised:
        load(tmp_path).spec("a")
    first, second = str(raised.value).splitlines()
    assert first == (
        f"{tmp_path}/agents/a.yaml:3: tools.1: there is no MCP server 'githb' in mcp.json. Did you mean 'github'? "
        "Servers: github, time"
    )
    assert "a.yaml:4: tools.2: there is no tool 'time/convert'. Did you mean 'mcp:time/convert'? Tools: " in second


def test_an_agent_in_a_request_is_checked_against_the_servers_too(tmp_path: Path, write: Write) -> None:
    write("mcp.json", SERVERS)
    with pytest.raises(AgentInvalid, match=r"agent_spec: tools\.0: there is no MCP server 'x' in mcp\.json"):
        load(tmp_path).resolve(AgentDefinition(name="a", tools=("mcp:x",)))


def test_a_pattern_of_all_tools_gives_an_agent_no_mcp_tools(tmp_path: Path, write: Write) -> None:
    write("mcp.json", SERVERS)
    spec = load(tmp_path).resolve(AgentDefinition(name="a", tools=("*",)))
    assert spec.mcp is None
    assert not {tool.name for tool in spec.tools} & set(PROXY_TOOLS)


def test_mcp_proxy_gives_an_agent_the_three_tools_after_its_own(tmp_path: Path, write: Write) -> None:
    write("mcp.json", SERVERS)
    definition = AgentDefinition(
        name="a", tools=("mcp_proxy", "calculator"), policy=(PolicyRule(tool="mcp_call", then="ask"),)
    )
    spec = load(tmp_path).resolve(definition)
    assert [tool.name for tool in spec.tools] == ["calculator", "mcp_search", "mcp_describe", "mcp_call"]


def test_a_pattern_means_the_tools_for_resources_only_where_there_are_servers(tmp_path: Path, write: Write) -> None:
    both = {"list_resources", "read_resource"}
    everything = AgentDefinition(name="a", tools=("*",))
    assert not both & {tool.name for tool in load(tmp_path).resolve(everything).tools}
    named = load(tmp_path).resolve(AgentDefinition(name="a", tools=("read_resource",)))
    assert [tool.name for tool in named.tools] == ["read_resource"]
    write("mcp.json", SERVERS)
    assert both <= {tool.name for tool in load(tmp_path).resolve(everything).tools}


def test_problems_of_mcp_json_are_problems_of_the_catalog_and_its_other_servers_are_used(
    tmp_path: Path, write: Write
) -> None:
    write("mcp.json", '{"mcpServers": {"good": {"command": "x"},\n"bad": {"command": "y", "opspawn": {"protcol": 1}}}}')
    catalog = load(tmp_path)
    (problem,) = catalog.problems
    assert "mcp.json:2: mcpServers.bad.opspawn.protcol: unknown key. Did you mean 'protocol'?" in problem
    assert list(catalog.mcp_servers) == ["good"]


def test_agents_are_resolved_again_when_mcp_json_changes(tmp_path: Path, write: Write) -> None:
    path = write("mcp.json", SERVERS)
    write("agents/a.yaml", 'tools: ["mcp:*"]')
    catalog = load(tmp_path)
    first = catalog.spec("a")
    assert catalog.spec("a") is first
    assert first.mcp is not None
    assert first.mcp.tools == ("github/*", "time/*")
    write("mcp.json", '{"mcpServers": {"git": {"command": "git"}}}')
    second = catalog.spec("a").mcp
    assert second is not None
    assert second.tools == ("git/*",)
    path.unlink()
    with pytest.raises(AgentInvalid, match=r"no MCP server matches '\*'. Servers: none"):
        catalog.spec("a")


def test_an_agent_may_have_tools_of_servers_beside_the_proxy_for_all(tmp_path: Path, write: Write) -> None:
    write("mcp.json", SERVERS)
    write(
        "agents/a.yaml",
        """
        tools: [calculator, http_fetch, python, ask_person, "mcp:github/*", mcp_proxy]
        policy:
          - {tool: "mcp:github/delete_*", then: deny, reason: Deleting is not for agents.}
          - {tool: "mcp:time/convert", then: allow}
          - {tool: mcp_search, then: allow}
        """,
    )
    spec = load(tmp_path).spec("a")
    assert [tool.name for tool in spec.tools] == ["calculator", "http_fetch", "python", "ask_person", *PROXY_TOOLS]
    assert spec.mcp is not None
    assert spec.mcp.tools == ("github/*",)
