from __future__ import annotations

import hashlib

import pytest
from pydantic import JsonValue

from activities.settings import Settings
from activities.tenants.tenant_settings import TenantSettings
from agentkit.catalog.catalog import load_catalog
from agentkit.config.model_prices import ModelPrice
from agentkit.messages import FilePart, ImagePart, TextPart, user_message
from agentkit.specs import AgentDefinition
from api.tasks.requests.task_requests import NewTask
from api.tasks.starting.task_start import (
    is_idempotency_key,
    missing_cost_price,
    missing_key,
    new_task_id,
    request_hash,
    task_id_for_key,
    task_title,
)
from api.tasks.visibility.tenant_access import acting_for


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello", "Hello"),
        ("\n  \n First \t line \nsecond", "First line"),
        ("x" * 81, "x" * 79 + "…"),
        ("x" * 80, "x" * 80),
        ("a\0b\x1b[0m", "a b [0m"),
    ],
    ids=["short", "first-line", "cut", "fits", "control"],
)
def test_a_title_is_the_first_line_that_is_not_blank(text: str, title: str) -> None:
    assert task_title(user_message(text)) == title


@pytest.mark.parametrize(("name", "title"), [("a\t.pdf", "(a .pdf)"), (None, "(file)")])
def test_a_file_alone_has_a_title_too(name: str | None, title: str) -> None:
    file = FilePart(data=b"JVBE", media_type="application/pdf", name=name)
    assert task_title(user_message((file,))) == title


def test_an_image_alone_has_a_title_too() -> None:
    assert task_title(user_message((ImagePart(url="https://example.org/a.png"), TextPart(text=" ")))) == "(image)"


def test_ids_are_unique() -> None:
    assert len({new_task_id() for _ in range(1000)}) == 1000


def test_a_key_leads_to_one_id_for_each_tenant() -> None:
    assert task_id_for_key("k", "a") == task_id_for_key("k", "a")
    ids = {task_id_for_key("k", "a"), task_id_for_key("k", "b"), task_id_for_key("l", "a"), task_id_for_key("", "a")}
    assert len(ids) == 4


@pytest.mark.parametrize(
    ("key", "valid"), [("order 17", True), ("x" * 255, True), ("", False), ("x" * 256, False), ("a\n", False)]
)
def test_a_key_is_short_printable_ascii(key: str, valid: bool) -> None:
    assert is_idempotency_key(key) is valid


def test_the_hash_of_a_request_stays_the_same_over_releases() -> None:
    task = NewTask.model_validate({"agent": "a", "input": "hi", "limits": {"max_steps": 1}, "tags": ["t"]})
    text = '{"agent": "a", "input": "hi", "limits": {"max_steps": 1}, "tags": ["t"]}'
    assert request_hash(task) == hashlib.sha256(text.encode()).hexdigest()


def test_a_request_has_the_same_hash_in_any_order_and_another_for_any_change() -> None:
    body = {"agent": "a", "input": "hi", "metadata": {"x": "1", "y": "2"}}
    same = {"metadata": {"y": "2", "x": "1"}, "input": "hi", "agent": "a"}
    others = [{**body, "input": "ho"}, {**body, "tags": ["t"]}, {**body, "limits": {"max_steps": 1}}]
    first = request_hash(NewTask.model_validate(body))
    assert request_hash(NewTask.model_validate(same)) == first
    assert first not in {request_hash(NewTask.model_validate(other)) for other in others}


@pytest.mark.parametrize(
    ("model", "check_keys", "missing"),
    [("demo:demo", True, False), ("openai:gpt-5-mini", True, True), ("openai:gpt-5-mini", False, False)],
    ids=["demo", "openai", "unchecked"],
)
def test_a_missing_key_is_named_unless_keys_are_not_checked(
    settings: Settings, model: str, check_keys: bool, missing: bool
) -> None:
    agent = load_catalog(settings).spec("assistant", model=model)
    problem = missing_key(agent, settings.model_copy(update={"check_keys": check_keys}))
    assert ("OPENAI_API_KEY" in (problem or "")) is missing


def test_the_model_that_writes_summaries_needs_its_key_and_its_price_too(settings: Settings) -> None:
    definition = AgentDefinition.model_validate(
        {"name": "a", "model": "demo:demo", "compaction": {"model": "openai-compatible:llama3"}}
    )
    agent = load_catalog(settings).resolve(definition, limits={"max_cost_usd": 1.0})
    assert "openai-compatible" in (missing_key(agent, settings.model_copy(update={"check_keys": True})) or "")
    assert "'openai-compatible:llama3' is unknown" in (missing_cost_price(agent, settings) or "")


@pytest.mark.parametrize(
    ("model", "limits", "missing"),
    [
        ("openai-compatible:llama3", {"max_cost_usd": 1.0}, True),
        ("openai-compatible:llama3", {}, False),
        ("openai-compatible:priced", {"max_cost_usd": 1.0}, False),
        ("openai:gpt-5-mini", {"max_cost_usd": 1.0}, False),
        ("demo:demo", {"max_cost_usd": 1.0}, False),
    ],
    ids=["unknown price", "no cost limit", "price of the settings", "listed", "free"],
)
def test_a_cost_limit_needs_the_price_of_the_model(
    settings: Settings, model: str, limits: dict[str, JsonValue], missing: bool
) -> None:
    priced = settings.model_copy(update={"prices": {"*:priced": ModelPrice(input=1, output=2)}})
    agent = load_catalog(settings).spec("assistant", model=["demo:demo", model], limits=limits)
    problem = missing_cost_price(agent, priced)
    assert ("'openai-compatible:llama3' is unknown" in (problem or "")) is missing


def test_a_daily_cost_limit_of_the_tenant_needs_the_price_of_the_model(settings: Settings) -> None:
    limited = settings.model_copy(update={"tenants": {"default": TenantSettings(max_cost_usd_a_day=5)}})
    agent = load_catalog(settings).spec("assistant", model="openai-compatible:llama3")
    assert "so max_cost_usd_a_day can't be kept" in (missing_cost_price(agent, limited) or "")
    with acting_for("globex"):
        assert missing_cost_price(agent, limited) is None
