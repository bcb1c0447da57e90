"""A program that serves a local model: llama.cpp's own server, on loopback, until standard input is closed.

It runs in a process of its own because llama.cpp takes over SIGTERM and SIGINT, holds Python's lock for seconds while
it loads a model, and aborts when it runs out of memory. ``server_process`` runs this file by its path, so that nothing
but llama.cpp is imported. The program reads its arguments as one line of JSON, and writes one line when it is ready.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

__all__ = ["main"]

_LLAMA_CPP = "xllamacpp"
"""The package with llama.cpp. It is optional, so it is imported by name."""

_PROMPT_CACHE_MIB = 256
"""Memory for processed prompts: tasks that alternate are not processed from the start each time."""
_ERRORS_ONLY = 1


def main() -> None:
    """Serve until the parent process closes standard input, or ends."""
    arguments = json.loads(sys.stdin.readline())
    result_file = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what llama.cpp prints belongs in the log
    try:
        server = importlib.import_module(_LLAMA_CPP).Server(_server_parameters(arguments))
        result = {"address": server.listening_address}
    except (RuntimeError, ImportError, OSError) as error:
        result = {"error": f"{type(error).__name__}: {error}"}
    # A terminal sends Ctrl-C to all of its processes; it is the parent that ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    json.dump(result, result_file)
    result_file.close()
    if "address" in result:
        sys.stdin.read()
    os._exit(0)  # at once, even during a response: there is nothing to save


def _server_parameters(arguments: dict[str, Any]) -> Any:
    """Return llama.cpp's ``CommonParams``, set from this program's arguments."""
    parameters = importlib.import_module(_LLAMA_CPP).CommonParams()
    parameters.model.path = arguments["path"]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [arguments["key"]]
    parameters.cors_origins = ""
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.verbosity = _ERRORS_ONLY
    parameters.n_ctx = arguments["context"]
    parameters.fit_params = False  # otherwise the context window would shrink with the free memory
    parameters.n_predict = arguments["max_output"]
    parameters.n_parallel = 1  # parallel requests would share the context window
    parameters.cache_ram_mib = _PROMPT_CACHE_MIB
    parameters.sampling.temp = 0.0  # best for small models; a request may set another
    for cpu in (parameters.cpuparams, parameters.cpuparams_batch):
        cpu.n_threads = arguments["threads"]
        cpu.poll = 0  # busy waiting slows down a machine under load
    return parameters


if __name__ == "__main__":
    main()
