"""OpenAPI documents of an app directory become tools; what is wrong with one is named with file, line and key."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from activities.settings import Settings
from agentkit.catalog.catalog import load_catalog
from agentkit.config.agent_settings import AgentSettings
from agentkit.errors import AgentInvalid, ToolError
from agentkit.interfaces import ToolContext
from api.app import create_app

DOCUMENTS = Path(__file__).parents[1] / "openapi" / "documents"
CONTEXT = ToolContext(task_id="t", call_id="c", idempotency_key="t/c", step=1)


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)


def test_each_operation_is_a_tool_that_agents_name_or_match_by_a_pattern(tmp_path: Path) -> None:
    shutil.copytree(DOCUMENTS, tmp_path / "openapi")
    agent = "model: demo:demo\ntools: [calculator, shop__getOrder, 'uploads__*']"
    write(tmp_path, {"agents/a.yaml": agent, "agents/b.yaml": "model: demo:demo\ntools: ['shp__*']"})
    catalog = load_catalog(AgentSettings(app_dir=tmp_path))
    assert [tool.name for tool in catalog.spec("a").tools] == [
        "calculator", "shop__getOrder", "uploads__uploadFile", "uploads__logIn", "uploads__addShape", "uploads__putRaw",
    ]  # fmt: skip
    with pytest.raises(AgentInvalid, match=r"b\.yaml:2: tools\.0: no tool matches 'shp__\*'"):
        catalog.spec("b")


async def test_a_process_without_a_client_knows_the_tools_and_calls_none(tmp_path: Path) -> None:
    shutil.copytree(DOCUMENTS, tmp_path / "openapi")
    catalog = load_catalog(AgentSettings(app_dir=tmp_path))
    assert catalog.problems == []
    with pytest.raises(ToolError, match="in this process"):
        await catalog.toolset.get("shop__listOrders").call({}, CONTEXT)


HEAD = "openapi: 3.1.0\ninfo: {title: A, version: '1'}\nservers: [{url: https://example.com}]\npaths:\n"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("openapi: 2.0.0\n", "a.yaml:1: openapi: expected version 3.0 or 3.1, got '2.0.0'"),
        ("swagger: '2.0'\n", "a.yaml: openapi: expected version 3.0 or 3.1, got Swagger 2.0; convert the document"),
        ("openapi: 3.1.0\npaths: {\n", "a.yaml:3: no valid YAML"),
        (
            HEAD + "  /a:\n    get:\n      parameters:\n        - {name: x, in: querry}\n",
            "a.yaml:8: paths./a.get.parameters.0.in: expected 'query', 'header', 'path' or 'cookie', got 'querry'",
        ),
        (
            HEAD + "  /a/{id}:\n    get:\n      parameters: []\n",
            "a.yaml:7: paths./a/{id}.get.parameters: the path's parameter 'id' is not among them",
        ),
        (
            HEAD + "  /a:\n    get:\n      parameters:\n        - {$ref: '#/components/parameters/None'}\n",
            "a.yaml:8: paths./a.get.parameters.0.$ref: reference '#/components/parameters/None' leads nowhere",
        ),
        (
            HEAD + "  /a:\n    get:\n      parameters:\n        - {$ref: 'other.yaml#/x'}\n",
            "reference 'other.yaml#/x' leads to another document. Bundle the documents into one",
        ),
        (
            HEAD + "  /a:\n    get:\n      parameters:\n        - {name: x, in: query, schema: {type: txt}}\n",
            "a.yaml:8: paths./a.get.parameters.0.schema.type: expected 'null', 'string', 'number'",
        ),
        (
            HEAD + "  /a:\n    get:\n      parameters:\n"
            "        - {name: x, in: query, schema: {$ref: '#/components/schemas/A'}}\n"
            "components: {schemas: {A: {$ref: '#/components/schemas/A'}}}\n",
            "a.yaml:6: paths./a.get: its arguments have no usable schema",
        ),
        (
            HEAD + "  /a:\n    get:\n      security: [{key: []}]\n",
            "a.yaml:7: paths./a.get.security: there is no security scheme 'key'",
        ),
        (
            HEAD + "  /a:\n    get:\n      x-opspawn-effect: none\n",
            "a.yaml:7: paths./a.get.x-opspawn-effect: expected one of pure, idempotent, irreversible, got 'none'",
        ),
        (
            HEAD.replace("https://example.com", "/v1") + "  /a:\n    get: {}\n",
            "a.yaml:3: servers: no server with an absolute URL. Add one, or set base_url",
        ),
    ],
)
def test_what_is_wrong_is_named_with_file_line_and_key(document: str, expected: str, tmp_path: Path) -> None:
    write(tmp_path, {"openapi/a.yaml": document})
    (problem,) = load_catalog(AgentSettings(app_dir=tmp_path)).problems
    assert f"{tmp_path}/openapi/" in problem
    assert expected in problem


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_a_large_document_is_read_fast_and_its_errors_have_lines_still(suffix: str, tmp_path: Path) -> None:
    operations = {f"/a{index}": {"get": {"summary": "x" * 200}} for index in range(1_000)}
    operations["/a500"]["get"]["x-opspawn-effect"] = "none"
    document = {**yaml.safe_load(HEAD), "paths": operations}
    text = json.dumps(document, indent=1) if suffix == "json" else yaml.safe_dump(document, sort_keys=False)
    write(tmp_path, {f"openapi/a.{suffix}": text})
    line = next(number for number, line in enumerate(text.splitlines(), 1) if "x-opspawn-effect" in line)
    catalog = load_catalog(AgentSettings(app_dir=tmp_path))
    (problem,) = catalog.problems
    assert f"a.{suffix}:{line}: paths./a500.get.x-opspawn-effect: expected one of" in problem
    assert len([spec for spec in catalog.toolset.specs() if spec.name.startswith("a__")]) == 999


def test_the_other_operations_of_a_document_are_used(tmp_path: Path) -> None:
    bad = "  /a:\n    get: {operationId: bad, x-opspawn-effect: none}\n    put: {operationId: good}\n"
    write(tmp_path, {"openapi/a.yaml": HEAD + bad})
    names = [spec.name for spec in load_catalog(AgentSettings(app_dir=tmp_path)).toolset.specs()]
    assert names[-1] == "a__good"
    assert "a__bad" not in names


def test_names_are_valid_short_and_unique(tmp_path: Path) -> None:
    operations = "".join(
        f"  /{index}:\n    get: {{operationId: '{name}'}}\n"
        for index, name in enumerate(["list", "list", "List", "größe/a b", "x" * 80, "x" * 81])
    )
    write(tmp_path, {"openapi/1-api.v2.yaml": HEAD + operations})
    names = [spec.name for spec in load_catalog(AgentSettings(app_dir=tmp_path)).toolset.specs()][-6:]
    assert names[:4] == ["api_1-api_v2__list", "api_1-api_v2__list_2", "api_1-api_v2__List_3", "api_1-api_v2__gr_e_a_b"]
    assert all(len(name) <= 64 for name in names)
    assert len(set(names)) == 6


def test_settings_of_a_document_that_is_not_there_are_a_problem(tmp_path: Path) -> None:
    write(tmp_path, {"openapi/shop.yaml": HEAD + "  /a:\n    get: {}\n", "opspawn.toml": "[openapi.shp]\n"})
    (problem,) = load_catalog(AgentSettings.load(tmp_path)).problems
    assert "Setting openapi.shp: there is no document" in problem
    assert "Did you mean 'shop'?" in problem


def test_settings_that_name_an_unknown_scheme_or_secret_are_a_problem(tmp_path: Path) -> None:
    shutil.copytree(DOCUMENTS, tmp_path / "openapi")
    settings = '[secrets]\nshop = {env = "SHOP"}\n[openapi.shop]\nsecrets = {kye = "shop", oauth = "shp"}\n'
    write(tmp_path, {"opspawn.toml": settings})
    (problem,) = load_catalog(AgentSettings.load(tmp_path)).problems
    assert problem.splitlines() == [
        "Setting openapi.shop.secrets.kye: there is no such security scheme. Did you mean 'key'? Schemes: key, oauth",
        "Setting openapi.shop.secrets.oauth: there is no secret 'shp'. Did you mean 'shop'?",
    ]


def test_our_own_api_can_be_imported(tmp_path: Path) -> None:
    settings = Settings(app_dir=tmp_path)
    document = create_app(settings, load_catalog(settings)).openapi()
    write(
        tmp_path,
        {
            "openapi/opspawn.json": json.dumps(document),
            "opspawn.toml": '[openapi.opspawn]\nbase_url = "http://localhost:8000"',
        },
    )
    catalog = load_catalog(AgentSettings.load(tmp_path))
    assert catalog.problems == []
    tools = {spec.name: spec for spec in catalog.toolset.specs() if spec.name.startswith("opspawn__")}
    operations = [method for item in document["paths"].values() for method in item]
    assert len(tools) == len(operations) > 10


def test_an_app_without_documents_does_not_import_the_parser(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from agentkit.catalog.catalog import load_catalog\n"
        "from agentkit.config.agent_settings import AgentSettings\n"
        f"load_catalog(AgentSettings(app_dir=Path({str(tmp_path)!r})))\n"
        "print([name for name in ('openapi_pydantic', 'httpx2') if name in sys.modules])"
    )
    root = Path(__file__).parents[4]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=False, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
