"""The README and docs/ are correct: snippets run, links have targets, the reference is complete."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import mcp
import pytest
import typer
import yaml
from mcp_types import ElicitRequestFormParams, ElicitResult, InputRequiredResult, InputResponses

from activities.settings import Settings
from agentkit.catalog.catalog import load_catalog
from agentkit.catalog.external_tool_files import ExternalToolDefinition
from agentkit.catalog.mcp_file import read_mcp_file
from agentkit.errors import McpProblemKind
from agentkit.interfaces import ToolContext
from agentkit.mcp_config.mcp_settings import McpOAuth, McpOptions, McpServerSettings
from agentkit.specs import AgentDefinition
from api.app import create_app
from cli.main import COMMANDS, build_command_line

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
REFERENCE = ROOT / "docs" / "reference"


CHART_PAGES = {"deploy.md", "use-temporal-cloud.md"}
"""Their YAML is values of the Helm chart: see tests/unit/deploy."""


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> Iterator[str]:
    matches = re.finditer(rf"^( *)```{language}\n(.*?)^\1```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return (re.sub(f"^{match[1]}", "", match[2], flags=re.MULTILINE) for match in matches)


def pages_with(language: str) -> list[Path]:
    return [page for page in PAGES if any(blocks(page, language))]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_shows_how_to_start_on_its_first_screen() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 150
    first_screen = lines[:25]
    sentence = next(line for line in first_screen[1:5] if line)
    assert sentence.startswith("Opspawn ")
    assert ". " not in sentence
    assert [line for line in first_screen if line.startswith("```")][:4] == ["```sh", "```", "```sh", "```"]
    for command in ("make dev", "make test", ".venv/bin/opspawn run assistant"):
        assert any(line.startswith(command) for line in first_screen), command


@pytest.mark.parametrize("page", pages_with("python"), ids=page_id)
def test_python_snippets_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # As a file, because tools are read with their source; in order, because later snippets build on earlier ones.
    source = "\n".join(blocks(page, "python"))
    exec(compile(source, page_id(page), "exec"), {"__name__": "snippet"})


@pytest.mark.parametrize("page", [page for page in pages_with("yaml") if page.name not in CHART_PAGES], ids=page_id)
def test_yaml_snippets_are_agents_or_tools_of_other_programs(page: Path) -> None:
    for block in blocks(page, "yaml"):
        data = yaml.safe_load(block)
        definition = ExternalToolDefinition if "task_queue" in data else AgentDefinition
        definition.model_validate({"name": "unnamed", **data})


@pytest.mark.parametrize("page", pages_with("jsonc"), ids=page_id)
def test_jsonc_snippets_are_files_of_mcp_servers(page: Path, tmp_path: Path) -> None:
    for block in blocks(page, "jsonc"):
        (tmp_path / "mcp.json").write_text(block)
        file = read_mcp_file(tmp_path)
        assert (file.problems, bool(file.servers)) == ([], True)


async def test_a_question_of_the_documented_mcp_server_survives_its_process() -> None:
    page: dict[str, Any] = {"__name__": "mcp_snippet"}
    exec("\n".join(blocks(ROOT / "docs" / "how-to" / "use-mcp-servers.md", "python")), page)
    key, arguments = "k" * 32, {"item": "a chair"}
    async with mcp.Client(page["build_server"](key), elicitation_callback=never_called) as client:
        asked = await client.session.call_tool("order", arguments, allow_input_required=True)
    assert isinstance(asked, InputRequiredResult)
    ((name, request),) = (asked.input_requests or {}).items()
    assert isinstance(request.params, ElicitRequestFormParams)
    assert request.params.message == "Where is a chair to be sent?"
    answers: InputResponses = {name: ElicitResult(action="accept", content={"street": "Elm Street 1"})}
    async with mcp.Client(page["build_server"](key), elicitation_callback=never_called) as client:
        done = await client.session.call_tool(
            "order",
            arguments,
            allow_input_required=True,
            input_responses=answers,
            request_state=asked.request_state,
        )
    assert not isinstance(done, InputRequiredResult)
    assert page["ORDERS"] == {"a chair": "Elm Street 1"}


async def never_called(context: object, params: object) -> ElicitResult:
    raise AssertionError("the protocol of 2026-07-28 has no requests of servers")


def test_the_reference_names_every_key_of_mcp_json_and_every_kind_of_problem() -> None:
    text = (REFERENCE / "mcp.md").read_text()
    keys = [key for record in (McpServerSettings, McpOptions, McpOAuth) for key in record.model_fields]
    assert [key for key in keys if f"| `{key}` |" not in text] == []
    assert [kind for kind in get_args(McpProblemKind) if f"| `{kind}` |" not in text] == []
    for key, field in McpOptions.model_fields.items():
        if isinstance(field.default, bool | str | int):
            assert re.search(rf"^\| `{key}` \| .* \| `{str(field.default).lower()}` \|$", text, re.MULTILINE), key


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_have_targets(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_page_can_be_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+\.md)", index.read_text())}
    assert {page for page in PAGES if page.is_relative_to(index.parent)} - linked == {index}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_in_the_text_exist(page: Path) -> None:
    named = set(re.findall(r"(?:^|`|/bin/)opspawn ([a-z]+)", page.read_text(), re.MULTILINE))
    assert named <= set(COMMANDS)
    targets = set(re.findall(r"^\.?(?:`?)make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_reference_names_every_command_and_option(name: str) -> None:
    text = (REFERENCE / "cli.md").read_text()
    assert f"`opspawn {name}" in text
    group = typer.main.get_command(build_command_line([name]))
    command = group.commands[name]  # type: ignore[attr-defined]  # a click group; typer declares a command
    options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
    assert [option for option in options if option not in {"--help", "--url"} and f"`{option}" not in text] == []


def test_the_reference_names_every_setting_with_its_default() -> None:
    text = (REFERENCE / "settings.md").read_text()
    for key, field in Settings.model_fields.items():
        assert f"`{key}`" in text, key
        default = field.get_default(call_default_factory=True)
        if field.validation_alias is None and default not in (None, (), {}):
            shown = str(default).lower() if isinstance(default, bool) else str(default)
            if isinstance(default, tuple):
                shown = "`, `".join(default)
            assert f"| `{key}` | `{shown}` |" in text, key


def test_the_reference_names_every_key_of_an_agent_file() -> None:
    text = (REFERENCE / "agent-yaml.md").read_text()
    limits = AgentDefinition.model_fields["limits"].annotation
    assert limits is not None
    keys = [*AgentDefinition.model_fields, *getattr(limits, "model_fields", {})]
    assert [key for key in keys if f"| `{key}` |" not in text] == []


def test_the_reference_names_every_key_of_a_tool_file_and_every_field_of_a_tools_context() -> None:
    text = (REFERENCE / "tool-yaml.md").read_text()
    names = [*ExternalToolDefinition.model_fields, *ToolContext.model_fields]
    assert [name for name in names if f"| `{name}` |" not in text] == []


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return create_app(Settings(), load_catalog(Settings())).openapi()


def test_the_reference_names_every_rest_call(openapi: dict[str, Any]) -> None:
    text = (REFERENCE / "rest.md").read_text()
    calls = [
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in openapi["paths"].items()
        for method in methods
    ]
    assert "POST /tasks" in calls
    assert [call for call in calls if f"| `{call}` |" not in text] == []


@pytest.mark.parametrize("schema", ["CreateTaskRequest", "TaskResponse"])
def test_the_reference_names_every_field_of_a_task(schema: str, openapi: dict[str, Any]) -> None:
    text = (REFERENCE / "rest.md").read_text()
    fields = openapi["components"]["schemas"][schema]["properties"]
    assert [field for field in fields if f"`{field}`" not in text] == []


def test_the_reference_names_every_filter_of_the_list(openapi: dict[str, Any]) -> None:
    text = (REFERENCE / "rest.md").read_text()
    filters = [parameter["name"] for parameter in openapi["paths"]["/api/v1/tasks"]["get"]["parameters"]]
    assert [name for name in filters if f"`{name}`" not in text] == []
