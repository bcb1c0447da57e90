"""Check an app directory: its files, and the models that its agents name."""

from __future__ import annotations

import asyncio
from pathlib import Path

from activities.settings import Settings, inherited_environment
from activities.shell_commands import opspawn_command, shell_path, with_local_commands
from agentkit.catalog.agent_files import named_models
from agentkit.catalog.catalog import Catalog, load_catalog
from agentkit.config.providers import default_model
from agentkit.errors import ConfigurationInvalid
from agentkit.runtime.model_check import ModelCheck
from cli.dev.module_command import module_command
from cli.doctor.finding import Finding

__all__ = ["app_findings", "is_app_dir", "load_app", "model_findings"]

_MODELS_TIMEOUT_S = 60.0
_KEYS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GOOGLE_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openai-compatible": "OPENAI_COMPATIBLE_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
}


def is_app_dir(path: Path) -> bool:
    """Return whether a directory has files of an app."""
    return any((path / name).exists() for name in ("agents", "tools", "opspawn.toml", "mcp.json"))


async def load_app(settings: Settings) -> Catalog | None:
    """Return the app directory as its files are now; None if there is no such directory."""
    if not settings.app_dir.is_dir():
        return None
    return await asyncio.to_thread(load_catalog, settings)  # tool files are imported, in a process of their own


def app_findings(settings: Settings, catalog: Catalog | None) -> list[Finding]:
    """Report what is wrong with the files of the app directory."""
    path = shell_path(settings.app_dir)
    if catalog is None:
        return [Finding("App directory", "missing", f"there is no {path}", (opspawn_command("init", path),))]
    findings = [Finding("App directory", "missing", with_local_commands(str(problem))) for problem in catalog.problems]
    return findings or [Finding("App directory", "ok", str(settings.app_dir.absolute()))]


async def model_findings(settings: Settings, catalog: Catalog, running_default: str | None) -> list[Finding]:
    """Send each model of the agents a request, with the keys of this shell.

    ``running_default`` is the default model of the running API. If this shell has another one, neither is asked: the
    one isn't used, and for the other this shell probably lacks the key.
    """
    findings = await _asked_models(settings)
    default = _default_model(settings)
    if running_default in (None, default):
        return findings
    definitions = catalog.agents.values()
    named = {model for agent in definitions for model in (*named_models(agent), agent.compaction.model)}
    findings = [found for found in findings if default in named or found.subject != f"Model {default}"]
    if not any(found.subject == f"Model {running_default}" for found in findings):
        detail = f"not asked: it is the running API's default, and this shell's is {default or 'wrong'}"
        key = _KEYS.get(str(running_default).partition(":")[0])
        remedies = (f"export {key}=...",) if key else ()
        findings.append(Finding(f"Model {running_default}", "note", detail, remedies))
    return findings


def _default_model(settings: Settings) -> str | None:
    try:
        return default_model(settings)
    except ConfigurationInvalid:
        return None


async def _asked_models(settings: Settings) -> list[Finding]:
    """Ask in a worker's process: the command line imports no provider's SDK."""
    environment = {**inherited_environment(), "OPSPAWN_APP_DIR": str(settings.app_dir.absolute())}
    process = await asyncio.create_subprocess_exec(
        *module_command("worker", "--check-models"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), _MODELS_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return [Finding("Models", "missing", "they did not respond within a minute")]
    if process.returncode != 0:
        last_line = errors.decode(errors="replace").strip().splitlines()[-1:]
        return [Finding("Models", "missing", "".join(last_line) or "the worker can't be started")]
    return [_model_finding(ModelCheck.model_validate_json(line)) for line in output.splitlines()]


def _model_finding(check: ModelCheck) -> Finding:
    subject = f"Model {check.model}"
    if check.verdict == "ok":
        return Finding(subject, "ok", "responds")
    key = _KEYS.get(check.model.partition(":")[0])
    remedies = (f"export {key}=...",) if check.verdict == "key" and key else ()
    return Finding(subject, "missing", f"{_MODEL_PROBLEMS[check.verdict]}: {check.message}", remedies)


_MODEL_PROBLEMS = {
    "key": "the key is missing or refused",
    "quota": "the key is valid, but its quota or rate limit is spent (see the provider's plan and billing)",
    "model": "the key is valid, but the model or the request isn't (name another model in the agent's file)",
    "unavailable": "it can't be reached, or fails (see the provider's status, and the variables of base URLs)",
    "unknown": "it refuses a simple request (name another model in the agent's file)",
}
