from __future__ import annotations

import subprocess
import sys

UNUSED = (
    "anthropic",
    "google.genai",
    "mcp",
    "numpy",
    "onnxruntime",
    "openai",
    "qdrant_client",
    "qdrant_edge",
    "tokenizers",
)
"""Packages that only some workers need: each takes up to a second and 50 MB."""


def test_a_worker_loads_no_package_before_it_needs_it() -> None:
    code = f"import sys, worker; sys.exit(' '.join(set({UNUSED}) & sys.modules.keys()) or 0)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
