"""The contract of toolsets, and of every tool in them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import jsonschema
import pytest

from activities.settings import Settings
from agentkit.catalog.catalog import load_catalog
from agentkit.catalog.defaults import TEMPLATE
from agentkit.errors import ToolArgumentsInvalid, ToolNotFound
from agentkit.interfaces import ToolContext, Toolset
from agentkit.tools import (
    ToolRegistry,
    builtin_tools,
    filter_tools,
    named,
    prefix_tools,
    rename_tools,
    require_approval,
)

CONTEXT = ToolContext(task_id="t1", call_id="c1", idempotency_key="t1/c1", step=1)


@asynccontextmanager
async def _registry(path: Path) -> AsyncIterator[Toolset]:
    yield ToolRegistry(builtin_tools())


@asynccontextmanager
async def _app_directory(path: Path) -> AsyncIterator[Toolset]:
    shutil.copytree(TEMPLATE, path / "app")
    catalog = load_catalog(Settings(app_dir=path / "app"))
    yield catalog.toolset
    await catalog.aclose()


@asynccontextmanager
async def _inline_app_directory(path: Path) -> AsyncIterator[Toolset]:
    shutil.copytree(TEMPLATE, path / "app")
    before = sys.path[:]
    yield load_catalog(Settings(app_dir=path / "app", tool_host="inline")).toolset
    sys.path[:] = before


def _derived(derive: Callable[[Toolset], Toolset]) -> Callable[[Path], AbstractAsyncContextManager[Toolset]]:
    @asynccontextmanager
    async def derived_app_directory(path: Path) -> AsyncIterator[Toolset]:
        async with _app_directory(path) as toolset:
            yield derive(toolset)

    return derived_app_directory


@pytest.fixture(
    params=[
        pytest.param(_registry, id="registry"),
        pytest.param(_app_directory, id="app directory"),
        pytest.param(_inline_app_directory, id="inline app directory"),
        pytest.param(_derived(lambda tools: filter_tools(tools, named("*_*"))), id="filtered"),
        pytest.param(_derived(lambda tools: prefix_tools(tools, "my_")), id="prefixed"),
        pytest.param(_derived(lambda tools: rename_tools(tools, {"word_count": "count"})), id="renamed"),
        pytest.param(_derived(require_approval), id="with approval"),
        pytest.param(
            _derived(lambda tools: prefix_tools(require_approval(prefix_tools(tools, "a.")), "b.")), id="combined"
        ),
    ]
)
async def toolset(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Toolset]:
    make: Callable[[Path], AbstractAsyncContextManager[Toolset]] = request.param
    async with make(tmp_path) as toolset:
        yield toolset


def test_specs_have_a_stable_order_and_unique_names(toolset: Toolset) -> None:
    names = [spec.name for spec in toolset.specs()]
    assert names == [spec.name for spec in toolset.specs()]
    assert len(names) == len(set(names)) > 0


def test_get_returns_the_tool_of_each_spec(toolset: Toolset) -> None:
    assert [toolset.get(spec.name).spec for spec in toolset.specs()] == list(toolset.specs())


def test_the_error_for_an_unknown_name_lists_all_names(toolset: Toolset) -> None:
    with pytest.raises(ToolNotFound) as raised:
        toolset.get("nothing")
    assert all(spec.name in str(raised.value) for spec in toolset.specs())


def test_each_tool_has_a_description_a_timeout_and_an_object_schema(toolset: Toolset) -> None:
    for spec in toolset.specs():
        jsonschema.Draft202012Validator.check_schema(spec.parameters)
        assert spec.parameters["type"] == "object"
        assert spec.description
        assert spec.timeout > 0


def test_only_pure_tools_are_fast(toolset: Toolset) -> None:
    assert all(spec.effect == "pure" for spec in toolset.specs() if spec.fast)


async def test_every_tool_checks_its_arguments_before_it_acts(toolset: Toolset) -> None:
    for spec in toolset.specs():
        with pytest.raises(ToolArgumentsInvalid, match=f"The arguments of {spec.name} are wrong, so nothing was done"):
            await toolset.get(spec.name).call({"no_such_argument": 1}, CONTEXT)
