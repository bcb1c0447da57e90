"""The worker with ``--check-models``, which ``opspawn doctor`` runs: one request to each model."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from agentkit.runtime.model_check import ModelCheck
from agentkit.testing import (
    ScriptedAnthropicServer,
    ScriptedGeminiServer,
    ScriptedOpenAIServer,
    ServerFailure,
    ServerResponse,
)
from cli.dev.module_command import module_command

SECRET = "sk-test-s3cr3t5h0uldn3v3rb3s33n"
CHAIN = "[openai:gpt-5-mini, anthropic:claude-sonnet-5-5, google:gemini-3.8-flash, openrouter:openai/gpt-5-mini]"


async def test_a_wrong_key_an_empty_quota_and_an_unknown_model_are_distinguished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "all.yaml").write_text(f"name: all\nmodel: {CHAIN}\n")
    wrong_key = ServerFailure(status=401, message=f"Wrong key {SECRET}", code="invalid_api_key")
    no_credit = ServerFailure(status=400, message="Your credit balance is too low")
    no_model = ServerFailure(status=404, message="models/gemini-3.8-flash is not found")
    async with (
        ScriptedOpenAIServer([wrong_key]) as openai,
        ScriptedAnthropicServer([no_credit]) as anthropic,
        ScriptedGeminiServer([no_model]) as google,
        ScriptedOpenAIServer([ServerResponse(text="OK")]) as openrouter,
        asyncio.timeout(60),
    ):
        urls = {"OPENAI": openai, "ANTHROPIC": anthropic, "GOOGLE": google, "OPENROUTER": openrouter}
        variables = {f"{name}_API_KEY": SECRET for name in urls}
        variables |= {f"OPSPAWN_{name}_BASE_URL": server.url for name, server in urls.items()}
        for name, value in {**variables, "OPSPAWN_APP_DIR": str(tmp_path)}.items():
            monkeypatch.setenv(name, value)
        process = await asyncio.create_subprocess_exec(
            *module_command("worker", "--check-models"),
            stdout=PIPE,
            stderr=PIPE,
        )
        output, errors = await process.communicate()
    checks = [ModelCheck.model_validate_json(line) for line in output.splitlines()]
    verdicts = {check.model.partition(":")[0]: check.verdict for check in checks}
    configured = {name: verdicts[name] for name in ("openai", "anthropic", "google", "openrouter")}
    assert configured == {"openai": "key", "anthropic": "quota", "google": "model", "openrouter": "ok"}
    assert SECRET.encode() not in output + errors
