from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from agentkit.errors import ToolArgumentsInvalid, ToolError
from agentkit.interfaces import Fetcher, FetchResult, ToolContext, ToolValue
from agentkit.tools import ToolRegistry, builtin_tools

CONTEXT = ToolContext(task_id="t1", call_id="c1", idempotency_key="t1/c1", step=1)
NOON = datetime(2026, 7, 4, 12, tzinfo=UTC)


class OnePageFetcher:
    """Returns the same page for every URL, and records its calls."""

    def __init__(self, text: str, *, status: int = 200, truncated: bool = False) -> None:
        self.page = FetchResult(
            url="http://a/final", status=status, content_type="text/plain", text=text, truncated=truncated
        )
        self.calls: list[tuple[str, int, float]] = []

    async def fetch(self, url: str, *, max_bytes: int, timeout_s: float) -> FetchResult:
        self.calls.append((url, max_bytes, timeout_s))
        return self.page


async def call(name: str, arguments: dict[str, JsonValue], fetcher: Fetcher | None = None) -> ToolValue:
    registry = ToolRegistry(builtin_tools(fetcher, now=lambda: NOON))
    return await registry.get(name).call(arguments, CONTEXT)


def test_builtin_tools_are_pure_but_for_requests_and_only_the_calculator_is_fast() -> None:
    assert [(tool.spec.name, tool.spec.effect, tool.spec.fast) for tool in builtin_tools()] == [
        ("calculator", "pure", True),
        ("current_time", "pure", False),
        ("http_fetch", "pure", False),
        ("read_result", "pure", False),
        ("http_request", "irreversible", False),
        ("ask_person", "pure", False),
    ]


def test_specs_are_the_same_with_and_without_a_fetcher() -> None:
    assert [tool.spec for tool in builtin_tools()] == [tool.spec for tool in builtin_tools(OnePageFetcher(""))]


async def test_the_calculator_evaluates_an_expression() -> None:
    assert await call("calculator", {"expression": "6*7"}) == "42"


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        pytest.param({}, "2026-07-04T12:00:00+00:00 (Saturday, UTC)", id="default"),
        pytest.param({"timezone": "utc"}, "2026-07-04T12:00:00+00:00 (Saturday, utc)", id="lower case"),
        pytest.param({"timezone": "Europe/Berlin"}, "2026-07-04T14:00:00+02:00 (Saturday, Europe/Berlin)", id="zone"),
        pytest.param(
            {"timezone": "Pacific/Auckland"}, "2026-07-05T00:00:00+12:00 (Sunday, Pacific/Auckland)", id="next day"
        ),
    ],
)
async def test_the_time_is_given_in_the_requested_timezone(arguments: dict[str, JsonValue], result: str) -> None:
    assert await call("current_time", arguments) == result


@pytest.mark.parametrize("name", ["Europe/Berlim", "America", "../../etc/passwd", "/etc/passwd", "", "a\0b"])
async def test_an_unknown_timezone_is_refused(name: str) -> None:
    with pytest.raises(ToolError, match=r"There is no timezone .* Give an IANA name such as Europe/Berlin"):
        await call("current_time", {"timezone": name})


async def test_for_a_misspelt_timezone_the_most_similar_is_suggested() -> None:
    with pytest.raises(ToolError, match="Did you mean 'Europe/Berlin'"):
        await call("current_time", {"timezone": "Europe/Berlim"})


async def test_a_page_comes_with_its_status_and_address() -> None:
    fetcher = OnePageFetcher("hello", status=404)
    result = await call("http_fetch", {"url": "http://a"}, fetcher)
    assert result == "[404 Not Found, text/plain, http://a/final]\n\nhello"
    assert fetcher.calls == [("http://a", 1_000_000, 25.0)]


async def test_a_long_page_is_read_in_ranges() -> None:
    fetcher = OnePageFetcher("a" * 20_000 + "b" * 10)
    first = await call("http_fetch", {"url": "http://a"}, fetcher)
    assert isinstance(first, str)
    assert first.endswith("Characters 0 to 20000 of 20010. Call again with start=20000 to read on.]\n\n" + "a" * 20_000)
    rest = await call("http_fetch", {"url": "http://a", "start": 20_000}, fetcher)
    assert isinstance(rest, str)
    assert rest.endswith("Characters 20000 to 20010 of 20010.]\n\n" + "b" * 10)


async def test_a_truncated_page_is_marked_as_such() -> None:
    page = await call("http_fetch", {"url": "http://a"}, OnePageFetcher("x", truncated=True))
    assert "only its first 1000000 bytes were read" in str(page)


async def test_a_nonstandard_status_is_a_number() -> None:
    assert str(await call("http_fetch", {"url": "http://a"}, OnePageFetcher("", status=599))).startswith("[599, ")


async def test_without_a_fetcher_http_fetch_fails() -> None:
    with pytest.raises(ToolError, match="Nothing can be fetched in this process"):
        await call("http_fetch", {"url": "http://a"})


async def test_a_negative_start_is_refused() -> None:
    with pytest.raises(ToolArgumentsInvalid, match="- start: expected greater than or equal to 0, got -1"):
        await call("http_fetch", {"url": "http://a", "start": -1}, OnePageFetcher(""))
