"""The process that serves a local model: llama.cpp's own server, on loopback, until standard input ends.

It is a process of its own because llama.cpp takes over SIGTERM and SIGINT wherever it is, holds Python's lock for
seconds while it loads a model, and aborts when it runs out of memory. ``local_process`` runs this file by its path, so
that nothing but llama.cpp is imported: it reads one line of JSON, and answers with one when the server is ready.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

__all__ = ["main"]

_ENGINE = "xllamacpp"
"""The package that llama.cpp comes in. It is optional, so it is imported by name."""

_CACHE_MIB = 256
"""What is kept of prompts, so that tasks which take turns aren't read from the beginning each time."""
_ERRORS_ONLY = 1


def main() -> None:
    """Serve until whoever started this closes standard input, or is gone."""
    wanted = json.loads(sys.stdin.readline())
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what llama.cpp prints belongs in the log
    try:
        server = importlib.import_module(_ENGINE).Server(_parameters(wanted))
        said = {"address": server.listening_address}
    except (RuntimeError, ImportError, OSError) as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    # Ctrl-C reaches every process of a terminal, and it is the parent who decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    json.dump(said, answer)
    answer.close()
    if "address" in said:
        sys.stdin.read()
    os._exit(0)  # at once, in the middle of an answer, too: there is nothing to save


def _parameters(wanted: dict[str, Any]) -> Any:
    parameters = importlib.import_module(_ENGINE).CommonParams()
    parameters.model.path = wanted["path"]
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.api_keys = [wanted["key"]]
    parameters.cors_origins = ""
    parameters.ui = False
    parameters.endpoint_slots = False
    parameters.verbosity = _ERRORS_ONLY
    parameters.n_ctx = wanted["context"]
    parameters.fit_params = False  # the window is as long as was said, whatever memory is free
    parameters.n_predict = wanted["max_output"]
    parameters.n_parallel = 1  # several at once would share the context window
    parameters.cache_ram_mib = _CACHE_MIB
    parameters.sampling.temp = 0.0  # a small model at its best; agents may set another
    for cpu in (parameters.cpuparams, parameters.cpuparams_batch):
        cpu.n_threads = wanted["threads"]
        cpu.poll = 0  # threads that spin make a busy machine slower by far
    return parameters


if __name__ == "__main__":
    main()
