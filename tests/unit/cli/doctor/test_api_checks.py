"""What the doctor reads from the API that runs, and from other servers in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.settings import Settings
from activities.shell_commands import opspawn_command
from cli.doctor.api_checks import ApiState, api_findings, ask_api, port_finding
from cli.doctor.finding import Finding
from tests.reserved_ports import refusing_port, reserve_port
from tests.unit.scripted_api import JsonObject, ScriptedApi, ScriptedResponse, problem


def script_system(api: ScriptedApi, app_dir: Path, *, default_model: JsonObject | None = None) -> None:
    """Script an API that is ready, and serves the app in ``app_dir``."""
    agents = [{"name": "assistant"}, {"name": "poet", "problem": "there is no tool 'rhyme'"}]
    system = {
        "app": "app-1",
        "app_dir": str(app_dir),
        "default_model": default_model or {"name": "openai:gpt-5-mini"},
        "task_queue": "mine",
        "temporal": "127.0.0.1:7233",
    }
    api.on("GET", "/readyz", {"status": "ok"}, prefix="")
    api.on("GET", "/agents", {"agents": agents})
    api.on("GET", "/tools", {"tools": [{"name": "calculator"}]})
    api.on("GET", "/system", system)


def by_subject(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


async def test_the_running_app_its_default_model_and_agents_that_cannot_be_used_are_reported(
    api: ScriptedApi, tmp_path: Path
) -> None:
    script_system(api, tmp_path)

    state = await ask_api(api.url)
    found = by_subject(api_findings(state, Settings(app_dir=tmp_path), is_chosen=True))

    assert (found["API"].status, found["API"].detail) == ("ok", f"ready at {api.url}")
    assert found["Running app"].detail == f"{tmp_path} (app-1)"
    assert (found["Default model"].status, found["Default model"].detail) == (
        "ok",
        "openai:gpt-5-mini (of the running API)",
    )
    assert (found["Agent poet"].status, found["Agent poet"].detail) == ("missing", "there is no tool 'rhyme'")
    assert state.tools is not None
    assert await port_finding(state, Settings()) is None


async def test_the_api_of_another_app_is_named_with_free_ports_for_this_one(
    api: ScriptedApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    script_system(api, tmp_path / "other")
    state = await ask_api(api.url)
    settings = Settings(app_dir=tmp_path, port=state.port or 0)

    found = by_subject(api_findings(state, settings, is_chosen=True))["Running app"]

    assert found.status == "missing"
    assert found.detail == (
        f"port {state.port} is taken by Opspawn's API of the app {tmp_path / 'other'}, not of {tmp_path}"
    )
    assert found.remedies[0].startswith(opspawn_command("dev", "--port"))
    assert f" {state.port} " not in found.remedies[0]
    assert found.remedies[1] == opspawn_command("doctor", "--app-dir", "other")
    assert by_subject(api_findings(state, settings, is_chosen=False))["Running app"].status == "ok"


@pytest.mark.parametrize(
    ("default_model", "status", "detail", "remedy"),
    [
        (
            {"name": "demo:demo", "unconfigured": True},
            "note",
            "demo:demo (the running API has no key)",
            "export OPENAI_",
        ),
        ({"name": None, "problem": "unknown provider 'opnai'"}, "missing", "unknown provider 'opnai'", ""),
        ({"name": "google:x", "problem": "set GOOGLE_API_KEY"}, "missing", "set GOOGLE_API_KEY", ""),
    ],
    ids=["demo", "unknown", "no key"],
)
async def test_what_the_running_api_lacks_for_its_default_model_is_reported(
    api: ScriptedApi, tmp_path: Path, default_model: JsonObject, status: str, detail: str, remedy: str
) -> None:
    script_system(api, tmp_path, default_model=default_model)

    found = by_subject(api_findings(await ask_api(api.url), Settings(app_dir=tmp_path), is_chosen=True))

    assert (found["Default model"].status, found["Default model"].detail) == (status, detail)
    assert "".join(found["Default model"].remedies).startswith(remedy)


async def test_an_api_that_is_not_ready_is_reported_with_its_reason(api: ScriptedApi, tmp_path: Path) -> None:
    script_system(api, tmp_path)
    api.on("GET", "/readyz", problem(503, "Not ready", "No worker polls."), prefix="")

    found = by_subject(api_findings(await ask_api(api.url), Settings(app_dir=tmp_path), is_chosen=True))["API"]

    assert (found.status, found.detail) == ("missing", f"runs at {api.url}, but isn't ready: No worker polls.")


async def test_an_older_api_is_reported_without_what_it_does_not_show(api: ScriptedApi) -> None:
    api.on("GET", "/readyz", {"status": "ok"}, prefix="")
    api.on("GET", "/agents", {"agents": []})

    state = await ask_api(api.url)

    assert (state.system, state.tools, state.app_dir) == (None, None, None)
    assert [finding.subject for finding in api_findings(state, Settings(), is_chosen=True)] == ["API"]


async def test_a_missing_api_is_unreachable_with_the_command_and_the_variable() -> None:
    with refusing_port() as port:
        url = f"http://127.0.0.1:{port}"

        (found,) = api_findings(await ask_api(url), Settings(port=port), is_chosen=False)

    assert found.status == "unreachable"
    assert found.detail.startswith(f"doesn't respond at {url} (")
    assert "OPSPAWN_URL" in found.detail
    assert found.remedies[0].startswith(opspawn_command("dev"))


async def test_another_server_at_the_address_is_unreachable(api: ScriptedApi) -> None:
    api.on("GET", "/agents", ScriptedResponse(200, "<html>hello</html>", "text/html"))

    state = await ask_api(api.url)

    assert "not as Opspawn's API does" in api_findings(state, Settings(), is_chosen=False)[0].detail
    port = await port_finding(state, Settings(port=state.port or 0))
    assert port is not None
    assert port.detail == f"{state.port} (API) is in use by something that isn't Opspawn"


async def test_the_port_is_free_or_taken_by_the_api_of_another_app(api: ScriptedApi, tmp_path: Path) -> None:
    missing = ApiState("http://127.0.0.1:1", failure="doesn't respond")
    script_system(api, tmp_path)
    taken = Settings(port=(await ask_api(api.url)).port or 0)

    free, of_other_app = await port_finding(missing, Settings(port=reserve_port())), await port_finding(missing, taken)

    assert free is not None
    assert free.status == "ok"
    assert of_other_app is not None
    assert of_other_app.detail == f"{taken.port} is taken by Opspawn's API of the app {tmp_path}"
    assert of_other_app.remedies[0] == f"export OPSPAWN_URL={api.url}"
