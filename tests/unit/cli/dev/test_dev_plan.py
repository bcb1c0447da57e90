"""The plan of ``opspawn dev``: processes, ports, and which Temporal server is used."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from activities.settings import Settings
from activities.temporal.temporal_commands import worker_command
from cli.dev.dev_plan import DevPlan, make_plan, with_free_grpc_port
from cli.errors import ServerUnreachable, UsageWrong
from tests.reserved_ports import refusing_port, reserve_port


def settings_with(tmp_path: Path, **changes: Any) -> Settings:
    ports = {name: reserve_port() for name in ("port", "grpc_port", "ui_port", "relay_port")}
    return Settings(**{"app_dir": tmp_path, "data_dir": tmp_path / "data", **ports, **changes})


def names(plan: DevPlan) -> list[str]:
    return [spec.name for spec in plan.children]


async def test_temporal_starts_first_then_workers_then_the_api(tmp_path: Path) -> None:
    plan = await make_plan(settings_with(tmp_path), 2, temporal_port=reserve_port())

    assert names(plan) == ["temporal", "worker-1", "worker-2", "api"]


async def test_every_child_gets_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
    settings, temporal_port = settings_with(tmp_path), reserve_port()

    plan = await make_plan(settings, 1, temporal_port=temporal_port)

    for spec in plan.children:
        assert spec.environment["TEMPORAL_ADDRESS"] == f"127.0.0.1:{temporal_port}"
        assert spec.environment["OPSPAWN_PORT"] == str(settings.port)
        assert spec.environment["OPSPAWN_RELAY_PORT"] == str(settings.relay_port)


async def test_without_workers_the_table_names_the_command_that_starts_one(tmp_path: Path) -> None:
    settings, temporal_port = settings_with(tmp_path), reserve_port()

    plan = await make_plan(settings, 0, temporal_port=temporal_port)

    command = worker_command(settings, f"127.0.0.1:{temporal_port}")
    assert names(plan) == ["temporal", "api"]
    assert plan.table["Workers"] == f"none; start one with: {command}"


@pytest.mark.parametrize(
    ("setting", "explained"),
    [({}, True), ({"openai_api_key": "k"}, False), ({"default_provider": "demo"}, False)],
    ids=["no key", "key", "chosen"],
)
async def test_the_demo_model_is_explained_where_no_key_is_set(
    tmp_path: Path, setting: dict[str, Any], explained: bool
) -> None:
    plan = await make_plan(settings_with(tmp_path, **setting), 1, temporal_port=reserve_port())

    assert plan.notice.startswith("No key is set, so this is the demo model") is explained
    assert (plan.table["Model"] == "demo (no key set)") is explained


async def test_the_example_fits_the_model(tmp_path: Path) -> None:
    demo, real = settings_with(tmp_path), settings_with(tmp_path, default_provider="openai", openai_api_key="sk-test")

    plans = [await make_plan(settings, 1, temporal_port=reserve_port()) for settings in (demo, real)]

    assert [plan.example_input for plan in plans] == ['call calculator {"expression": "6*7"}', "What is 6*7?"]


async def test_an_api_on_all_interfaces_is_shown_at_loopback(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, host="0.0.0.0")

    plan = await make_plan(settings, 1, temporal_port=reserve_port())

    assert plan.api_url == f"http://127.0.0.1:{settings.port}"


@pytest.mark.parametrize("option", ["port", "grpc_port", "ui_port"])
async def test_a_port_in_use_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    with refusing_port() as port:
        settings = settings_with(tmp_path, **{option: port})
        with pytest.raises(UsageWrong, match=rf"Port {port} .* in use.*--{option.replace('_', '-')}"):
            await make_plan(settings, 1, temporal_port=reserve_port())


async def test_one_port_for_two_servers_is_refused(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)

    with pytest.raises(UsageWrong, match="asked for twice, by --port and --temporal-port"):
        await make_plan(settings, 1, temporal_port=settings.port)


async def test_another_server_at_temporals_port_is_refused(tmp_path: Path) -> None:
    port = reserve_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(UsageWrong, match=r"isn't Temporal.*--temporal-port"):
        await make_plan(settings_with(tmp_path), 1, temporal_port=port)


async def test_a_temporal_on_another_machine_is_never_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.invalid:7233")

    with pytest.raises(ServerUnreachable, match=r"temporal\.invalid:7233 doesn't respond.*unset TEMPORAL_ADDRESS"):
        await make_plan(settings_with(tmp_path), 1)


async def test_another_relay_port_is_chosen_when_the_default_one_is_in_use(tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    with refusing_port() as port:
        default = settings.model_copy(update={"relay_port": port})
        default.model_fields_set.discard("relay_port")  # as a default is: not set by anyone

        plan = await make_plan(default, 1, temporal_port=reserve_port())

    assert plan.api.environment["OPSPAWN_RELAY_PORT"] != str(port)
    assert plan.api.environment["OPSPAWN_RELAY_PORT"] == plan.workers[0].environment["OPSPAWN_RELAY_PORT"]


def test_another_grpc_port_is_chosen_when_the_default_one_is_in_use() -> None:
    with refusing_port() as port:
        default = Settings(grpc_port=port)
        default.model_fields_set.discard("grpc_port")

        chosen = with_free_grpc_port(default)

    assert chosen.grpc_port != port
    assert "grpc_port" in chosen.model_fields_set


def test_a_grpc_port_that_was_asked_for_is_kept() -> None:
    with refusing_port() as port:
        assert with_free_grpc_port(Settings(grpc_port=port)).grpc_port == port
