"""An MCP server of an older protocol, in plain JSON-RPC, that misbehaves on demand: ``raw_server.py [MODE...]``.

It starts in a few milliseconds. Modes: see ``MODES``. Tools misbehave one call at a time: see ``TOOLS``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

MODES = {
    "exit_at_start": "writes two lines to stderr and exits with 3",
    "hang_at_start": "never answers",
    "hang_at_list": "never answers tools/list",
    "hang_at_close": "ignores the end of its input and SIGTERM",
    "only_initialize": "exits if its first message is not initialize",
    "garbage": "writes lines that are no JSON, and bytes that are no UTF-8, before each answer",
    "flood": "writes 60 MB to stderr before its first answer",
    "pages": "lists its tools in pages of two",
    "bare": "has neither resources nor prompts",
}

_write_lock = threading.Lock()
_answers: dict[int, threading.Event] = {}
_results: dict[int, Any] = {}
_modes = set(sys.argv[1:])
_extra_tools: list[str] = []
_asked = 0
_listed: list[str] = []


def main() -> None:
    _begin()
    for line in sys.stdin:
        message = json.loads(line)
        if "only_initialize" in _modes and message.get("method") != "initialize":
            sys.exit(1)
        _modes.discard("only_initialize")
        if "method" not in message:
            _results[message["id"]] = message.get("result", message.get("error"))
            _answers[message["id"]].set()
        elif "id" in message and "hang_at_start" not in _modes:
            threading.Thread(target=_answer, args=(message,), daemon=True).start()
    if "hang_at_close" in _modes:
        threading.Event().wait(300)


def _begin() -> None:
    started = os.environ.get("STARTS_FILE")  # noqa: TID251  # a server's settings are its variables
    if started:
        with open(started, "a") as file:
            file.write(f"{os.getpid()}\n")
    if "exit_at_start" in _modes:
        sys.stderr.write("reading the settings\nno such database: production\n")
        sys.exit(3)
    if "hang_at_close" in _modes:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "flood" in _modes:
        for _ in range(60):
            sys.stderr.write("A line of a flood, again and again and again.\n" * 22_000)


def _answer(request: dict[str, Any]) -> None:
    method, params = request["method"], request.get("params", {})
    if "garbage" in _modes:
        with _write_lock:
            sys.stdout.buffer.write(b'Listening...\n\xff\xfe not text \xc3\n{"a": 1}\n\n')
    if method == "initialize":
        capabilities = {"tools": {"listChanged": True}}
        if "bare" not in _modes:
            capabilities |= {"resources": {}, "prompts": {}}
        info = {"name": "raw", "version": "1"}
        result = {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": info}
    elif method == "tools/list":
        if "hang_at_list" in _modes:
            return
        _listed.append(method)
        result = _tool_page(params.get("cursor"))
    elif method == "tools/call":
        _call(request["id"], params)
        return
    elif method == "ping":
        result = {}
    else:
        _send({"jsonrpc": "2.0", "id": request["id"], **_content(method, params)})
        return
    _send({"jsonrpc": "2.0", "id": request["id"], "result": result})


def _content(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a request for a resource or prompt, or an error."""
    text = params.get("arguments", {}).get("text")
    match method, params.get("uri", params.get("name")):
        case "resources/read", "memo://tea":
            return {"result": {"contents": [{"uri": "memo://tea", "text": "Memo about tea"}]}}
        case "prompts/list", _:
            return {"result": {"prompts": [{"name": "echo", "arguments": [{"name": "text", "required": True}]}]}}
        case "prompts/get", "echo" if text is not None:
            return {"result": {"messages": [{"role": "user", "content": {"type": "text", "text": f"Say {text}"}}]}}
        case (("resources/read" | "prompts/get"), _):
            return {"error": {"code": -32602, "message": "There is no such thing"}}
    return {"error": {"code": -32601, "message": "Method not found"}}


def _tool_page(cursor: str | None) -> dict[str, Any]:
    names = [*TOOLS, *_extra_tools]
    if "pages" not in _modes:
        return {"tools": [_described(name) for name in names]}
    start = int(cursor or 0)
    page: dict[str, Any] = {"tools": [_described(name) for name in names[start : start + 2]]}
    return page | ({"nextCursor": str(start + 2)} if start + 2 < len(names) else {})


def _described(name: str) -> dict[str, Any]:
    tool: dict[str, Any] = {"name": name, "description": name, "inputSchema": {"type": "object"}}
    if name == "echo":
        tool["annotations"] = {"readOnlyHint": True}
    if name == "break_schema":
        number = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        tool["outputSchema"] = number
    return tool


def _call(request_id: int, params: dict[str, Any]) -> None:
    tool = TOOLS.get(params["name"])
    if tool is None:
        error = {"code": -32602, "message": f"Unknown tool: {params['name']}"}
        _send({"jsonrpc": "2.0", "id": request_id, "error": error})
        return
    result = tool(params.get("arguments", {}) | {"_meta": params.get("_meta", {})})
    if isinstance(result, dict) and "error" in result:
        _send({"jsonrpc": "2.0", "id": request_id, **result})
    elif result is not None:
        content = [{"type": "text", "text": result}] if isinstance(result, str) else []
        # As the TypeScript SDK does, the result comes before the id.
        _send({"result": {"content": content} | ({} if content else result), "jsonrpc": "2.0", "id": request_id})


def _send(message: dict[str, Any]) -> None:
    with _write_lock:
        sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
        sys.stdout.buffer.flush()


def _wait(_: dict[str, Any]) -> str:
    return "Waited."


def _echo(arguments: dict[str, Any]) -> str:
    return str(arguments.get("text"))


def _count_listings(_: dict[str, Any]) -> str:
    return str(len(_listed))


def _meta(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments["_meta"])


def _environment(_: dict[str, Any]) -> str:
    return json.dumps({"variables": dict(os.environ), "directory": os.getcwd()})  # noqa: TID251  # see above


def _hang(_: dict[str, Any]) -> None:
    return None


def _crash(_: dict[str, Any]) -> None:
    sys.stderr.write("out of luck\n")
    sys.stderr.flush()
    os._exit(7)


def _stop(_: dict[str, Any]) -> None:
    """Stop all threads, as a server does that waits for a lock for ever."""
    os.kill(os.getpid(), signal.SIGSTOP)


def _big(arguments: dict[str, Any]) -> str:
    return "x" * int(arguments["bytes"])


def _garble(_: dict[str, Any]) -> dict[str, Any]:
    return {"content": "not a list"}


def _break_schema(_: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": "Done."}], "structuredContent": {"n": "four"}}


def _fail(_: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": "There is no such file."}], "isError": True}


def _change_tools(_: dict[str, Any]) -> str:
    _extra_tools.append("new_tool")
    _send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    return "Changed."


def _leave_processes(_: dict[str, Any]) -> str:
    """Start a process that leaves the session and ignores SIGTERM, and that starts another one."""
    code = "import signal, subprocess, sys, time; signal.signal(15, signal.SIG_IGN)\n"
    inner = code + "time.sleep(300)"
    outer = code + f"p = subprocess.Popen([sys.executable, '-c', {inner!r}], start_new_session=True)\n"
    outer += "print(p.pid, flush=True); time.sleep(300)"
    child = subprocess.Popen(
        [sys.executable, "-c", outer],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    return json.dumps([os.getpid(), child.pid, int(child.stdout.readline())])


def _ask(arguments: dict[str, Any]) -> str:
    """Ask a person, as older protocols do: by a request to the client."""
    global _asked
    with _write_lock:
        _asked += 1
        request_id = 1_000 + _asked
    _answers[request_id] = threading.Event()
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    params = {"message": arguments.get("text", "Sure?"), "requestedSchema": schema}
    _send({"jsonrpc": "2.0", "id": request_id, "method": "elicitation/create", "params": params})
    _answers[request_id].wait(60)
    return json.dumps(_results.get(request_id))


def _log_in(_: dict[str, Any]) -> Any:
    """Require a visit to a page before the first call."""
    if "logged in" in _modes:
        return "Logged in."
    _modes.add("logged in")
    page = {"mode": "url", "message": "Log in", "url": "https://example.com/login", "elicitationId": "e1"}
    return {"error": {"code": -32042, "message": "Log in first", "data": {"elicitations": [page]}}}


def _pause(arguments: dict[str, Any]) -> str:
    time.sleep(float(arguments["seconds"]))  # noqa: TID251  # a slow tool
    return "Done."


TOOLS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "echo": _echo,
    "wait": _wait,
    "count_listings": _count_listings,
    "meta": _meta,
    "environment": _environment,
    "hang": _hang,
    "crash": _crash,
    "stop": _stop,
    "big": _big,
    "garble": _garble,
    "break_schema": _break_schema,
    "fail": _fail,
    "change_tools": _change_tools,
    "leave_processes": _leave_processes,
    "ask": _ask,
    "log_in": _log_in,
    "pause": _pause,
}

if __name__ == "__main__":
    main()
