"""``opspawn memory`` against a scripted API."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.commands.memories import import_memories
from tests.unit.cli.conftest import Opspawn
from tests.unit.scripted_api import JsonObject, ScriptedApi, ScriptedResponse, memory, problem

ID, OTHER_ID = "e9ad8e17-15ed-52e3-855a-383160bc35c9", "8253d660-d3fb-55aa-a776-35b51cb330b2"


def queries(api: ScriptedApi) -> list[str]:
    return [request.path.partition("?")[2] for request in api.requests]


def test_memories_are_listed_with_what_became_of_them(api: ScriptedApi, opspawn: Opspawn) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(hours=20, minutes=1)).isoformat()
    memories = [memory(1, superseded_by="memory-2"), memory(2, text="Ada likes\ncoffee.", expires_at=tomorrow)]
    api.on("GET", "/memories", {"memories": memories, "next_cursor": "c2", "total": 9})

    result = opspawn("memory", "list", "--user", "ada", "--limit", "2")

    assert (result.code, queries(api)) == (0, ["user=ada&limit=2"])
    first, second, more = result.out.splitlines()[1:]
    assert first.startswith("memory-1")
    assert first.endswith("Ada likes tea. (superseded by memory-2)")
    assert second.endswith("Ada likes coffee. (expires in 20h)")
    assert more == "2 of 9; --cursor c2 shows more."


@pytest.mark.parametrize(
    ("options", "query", "name"),
    [
        ((), "limit=50", "user default"),
        (("--agent", "clerk"), "agent=clerk&limit=50", "agent clerk"),
        (("--tenant",), "scope=tenant&limit=50", "the tenant"),
    ],
    ids=["default", "agent", "tenant"],
)
def test_a_list_is_of_one_scope(
    api: ScriptedApi, opspawn: Opspawn, options: tuple[str, ...], query: str, name: str
) -> None:
    api.on("GET", "/memories", {"memories": []})

    result = opspawn("memory", "list", *options)

    assert (result.out, queries(api)) == (f"Nothing is remembered of {name}.\n", [query])


def test_a_search_shows_how_well_each_fits(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/memories/search", {"memories": [memory(score=1.0)]})

    result = opspawn("memory", "search", "hot drinks?", "--limit", "3")

    assert queries(api) == ["q=hot+drinks%3F&limit=3"]
    assert "Ada likes tea. (score 1.00)" in result.out


@pytest.mark.parametrize("command", [("list",), ("search", "tea")], ids=["list", "search"])
def test_json_is_the_response_of_the_api(api: ScriptedApi, opspawn: Opspawn, command: tuple[str, ...]) -> None:
    page = {"memories": [memory(of_tomorrow=1)], "next_cursor": None}
    api.on("GET", "/memories" if command == ("list",) else "/memories/search", page)

    assert json.loads(opspawn("memory", *command, "--json").out) == page


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        ("new", "memory-1 is remembered (user/ada)."),
        ("same", "memory-1 was remembered already (user/ada)."),
        ("updated", "memory-1 took the place of nearly the same text (user/ada)."),
    ],
)
def test_adding_says_what_became_of_the_text(api: ScriptedApi, opspawn: Opspawn, outcome: str, text: str) -> None:
    api.on("POST", "/memories", ScriptedResponse(201, memory(outcome=outcome)))

    result = opspawn("memory", "add", "-", "--user", "ada", "--metadata", "source=call=1", stdin="Ada likes tea.")

    assert result.out == f"{text}\n"
    assert api.requests[0].body == {"text": "Ada likes tea.", "user": "ada", "metadata": {"source": "call=1"}}


def test_a_memory_expires_after_a_time(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/memories", ScriptedResponse(201, memory(outcome="new")))

    opspawn("memory", "add", "On holiday.", "--expires", "30d")

    expires_at = datetime.fromisoformat((api.requests[0].body or {})["expires_at"])
    assert abs(expires_at - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)


def test_memories_are_forgotten_by_their_ids(api: ScriptedApi, opspawn: Opspawn) -> None:
    for memory_id in (ID, OTHER_ID):
        api.on("DELETE", f"/memories/{memory_id}", ScriptedResponse(200, ""))

    result = opspawn("memory", "forget", ID, OTHER_ID)

    assert result.out == f"{ID} is forgotten.\n{OTHER_ID} is forgotten.\n"
    assert [request.method for request in api.requests] == ["DELETE", "DELETE"]


@pytest.mark.parametrize(
    ("options", "stdin", "code", "requests"),
    [(("--yes",), None, 0, ["user=ada"]), ((), "y\n", 0, ["user=ada"]), ((), "n\n", 1, [])],
    ids=["option", "confirmed", "declined"],
)
def test_a_scope_is_erased_when_that_is_confirmed(
    api: ScriptedApi, opspawn: Opspawn, options: tuple[str, ...], stdin: str | None, code: int, requests: list[str]
) -> None:
    api.on("DELETE", "/memories", {"erased": 7})

    result = opspawn("memory", "forget", "--all", "--user", "ada", *options, stdin=stdin)

    assert (result.code, queries(api)) == (code, requests)
    assert ("7 memories of user ada erased.\n" in result.out) is bool(requests)


def test_an_export_is_read_by_an_import(api: ScriptedApi, opspawn: Opspawn, tmp_path: Path) -> None:
    lines = "".join(json.dumps(memory(number, text="Ada trinkt Tee, überall.")) + "\n" for number in (1, 2))
    api.on("GET", "/memories/export", ScriptedResponse(200, lines, "application/jsonl"))
    api.on("POST", "/memories/import", {"imported": 1, "same": 1, "updated": 0})
    file = tmp_path / "memories.jsonl"

    assert opspawn("memory", "export", "--user", "ada").out == lines
    exported = opspawn("memory", "export", str(file), "--user", "ada")
    imported = opspawn("memory", "import", str(file), "--user", "bob")

    assert exported.err == "2 memories of user ada were written.\n"
    assert imported.out == "1 new, 1 remembered before, 0 updated.\n"
    assert (api.requests[-1].content, queries(api)[-1]) == (lines, "user=bob")


def test_an_import_reads_stdin(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/memories/import", {"imported": 1, "same": 0, "updated": 0})

    result = opspawn("memory", "import", "-", "--json", stdin='{"text": "Ada likes tea."}\n')

    assert json.loads(result.out) == {"imported": 1, "same": 0, "updated": 0}
    assert api.requests[0].content == '{"text": "Ada likes tea."}\n'


def test_an_export_overwrites_no_file(api: ScriptedApi, opspawn: Opspawn, tmp_path: Path) -> None:
    file = tmp_path / "memories.jsonl"
    file.write_text("mine")

    result = opspawn("memory", "export", str(file))

    assert (result.code, file.read_text(), api.requests) == (2, "mine", [])


def test_a_reindex_says_how_many(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("POST", "/memories/reindex", {"indexed": 12})

    assert opspawn("memory", "reindex").out == "12 memories have vectors of the present embedding model.\n"


def test_a_memory_that_no_worker_serves_is_exit_code_3(api: ScriptedApi, opspawn: Opspawn) -> None:
    api.on("GET", "/memories", problem(503, "Memory unavailable", "no worker serves it; start one"))

    result = opspawn("memory", "list")

    assert (result.code, result.err) == (3, "Memory unavailable: no worker serves it; start one")


WRONG: list[tuple[tuple[str, ...], str]] = [
    (("list", "--user", "ada", "--tenant"), "exclude each other"),
    (("add", " "), "TEXT is empty"),
    (("add", "x", "--metadata", "k"), "--metadata k: expected KEY=VALUE"),
    (("add", "x", "--expires", "soon"), "--expires expected a duration"),
    (("add", "x", "--expires", "0s"), "--expires 0s: expected a time ahead"),
    (("add", "x", "--expires", f"{10**9}d"), "that is too far ahead"),
    (("forget",), "Name the memories by their ids"),
    (("forget", "memory-1", "--user", "ada"), "go with --all"),
    (("forget", ID, "nope"), "'nope' is no memory's id: `opspawn memory list` shows them"),
    (("forget", "--all"), "one of --user NAME"),
    (("forget", "memory-1", "--all", "--user", "ada"), "takes no ids"),
    (("import", "missing.jsonl"), "missing.jsonl can't be read"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG, ids=[" ".join(arguments) for arguments, _ in WRONG])
def test_wrong_usage_sends_nothing(
    api: ScriptedApi, opspawn: Opspawn, arguments: tuple[str, ...], message: str
) -> None:
    result = opspawn("memory", *arguments)

    assert (result.code, api.requests) == (2, [])
    assert message in result.err


def test_text_of_memories_cant_control_the_terminal(api: ScriptedApi, opspawn: Opspawn) -> None:
    hostile: JsonObject = memory(text="a\x1b[2Jb", id="memory\x1b[1m")
    api.on("GET", "/memories", {"memories": [hostile]})

    assert "\x1b" not in opspawn("memory", "list").out


def test_an_import_from_a_closed_stdin_is_empty(
    api: ScriptedApi, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    import_memories("-", url=api.url)

    assert capsys.readouterr().out == "0 new, 0 remembered before, 0 updated.\n"
