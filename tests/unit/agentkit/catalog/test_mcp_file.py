"""mcp.json: what other programs write, our keys, and errors that name the place and the cure."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agentkit.catalog.mcp_file import McpFile, read_mcp_file
from agentkit.mcp_config.mcp_settings import McpServerSettings

Read = Callable[[object], McpFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_content(content: object) -> McpFile:
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "mcp.json").write_text(text, encoding="utf-8")
        return read_mcp_file(tmp_path)

    return read_content


def one(read: Read, entry: object) -> tuple[McpServerSettings | None, list[str]]:
    """Return the settings of one server, and its problems without the file."""
    file = read({"mcpServers": {"s": entry}})
    return file.servers.get("s"), [problem.partition(": ")[2] for problem in file.problems]


def test_without_a_file_there_are_no_servers(tmp_path: Path) -> None:
    assert read_mcp_file(tmp_path) == McpFile(tmp_path / "mcp.json")


def test_a_file_of_claude_is_read_as_it_is(read: Read) -> None:
    file = read("""{
      "mcpServers": {
        // The directory that agents work in.
        "filesystem": {
          "command": "npx",
          "args": ["-y", "@modelcontextprotocol/server-filesystem", "/data"],
          "env": {"LOG": "${LOG:-info}",},
        },
        "github": {"type": "http", "url": "https://api.example.com/mcp", "headers": {"Authorization": "Bearer ${T}"}}
      }
    }""")
    assert file.problems == []
    assert list(file.servers) == ["filesystem", "github"]
    filesystem, github = file.servers.values()
    assert (filesystem.command, filesystem.transport, github.transport) == ("npx", "stdio", "http")
    assert filesystem.args == ("-y", "@modelcontextprotocol/server-filesystem", "/data")
    assert github.headers == {"Authorization": "Bearer ${T}"}


def test_a_file_of_vs_code_is_read_as_it_is(read: Read) -> None:
    file = read(
        {
            "inputs": [{"type": "promptString", "id": "unused"}],
            "servers": {
                "memory": {
                    "type": "stdio",
                    "command": "npx",
                    "args": ["-y", "server-memory", "${workspaceFolder}"],
                    "env": {"PORT": 3000, "VERBOSE": True, "UNSET": None},
                    "dev": {"watch": "**/*.ts"},
                    "gallery": "https://example.com",
                    "version": "1.0.0",
                },
                "remote": {"type": "sse", "url": "https://example.com/sse"},
            },
        }
    )
    assert file.problems == []
    assert file.servers["memory"].env == {"PORT": "3000", "VERBOSE": "true"}
    assert file.servers["remote"].transport == "sse"


@pytest.mark.parametrize(
    ("entry", "transport", "is_disabled"),
    [
        ({"command": "x", "disabled": True, "autoApprove": ["a"], "alwaysAllow": ["b"], "timeout": 60}, "stdio", True),
        ({"command": "x", "enabled": False}, "stdio", True),
        ({"serverUrl": "https://example.com/mcp"}, "http", False),
        ({"httpUrl": "https://example.com/mcp", "trust": True}, "http", False),
        ({"type": "streamableHttp", "url": "https://example.com/mcp"}, "http", False),
        ({"transport": "streamable-http", "url": "https://example.com/mcp"}, "http", False),
        ({"type": "local", "command": "x", "args": []}, "stdio", False),
        ({"command": "x", "name": "X", "description": "y", "// note": "z", "_note": "z"}, "stdio", False),
    ],
)
def test_what_other_programs_write_is_no_problem(
    read: Read, entry: dict[str, Any], transport: str, is_disabled: bool
) -> None:
    settings, problems = one(read, entry)
    assert settings is not None
    assert (settings.transport, settings.disabled, problems) == (transport, is_disabled, [])


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("envFile", "${workspaceFolder}/.env", 'is not read: name the variables in "opspawn": {"env": [...]}'),
        ("disabledTools", ["x"], 'is not read: write "opspawn": {"tools": {"allow"'),
        ("headersHelper", "/bin/token", "is not read: write ${NAME} in headers"),
        ("auth", {"CLIENT_ID": "x"}, 'is not read: write "opspawn": {"oauth"'),
        ("sandboxEnabled", True, "is not read: the server's process is not confined here"),
        ("effects", {}, 'is not read here. Write "opspawn": {"effects": ...}'),
        ("arg", ["x"], "unknown key, which is not read. Did you mean 'args'?"),
    ],
)
def test_keys_that_would_change_the_server_are_problems_and_it_is_used(
    read: Read, key: str, value: object, expected: str
) -> None:
    settings, (problem,) = one(read, {"command": "x", key: value})
    assert settings is not None
    assert problem.startswith(f"mcpServers.s.{key}: {expected}")


def test_our_keys_are_read(read: Read) -> None:
    ours = {
        "protocol": "legacy",
        "timeout": "2m",
        "effects": {"list_*": "pure"},
        "trust_annotations": False,
        "sampling": "ask",
        "tools": {"deny": ["delete_*"]},
        "env": ["LANG"],
        "oauth": {"grant": "client_credentials", "client_secret": "${SECRET}"},
    }
    settings, problems = one(read, {"command": "x", "opspawn": ours})
    assert problems == []
    assert settings is not None
    options = settings.opspawn
    assert (options.protocol, options.timeout, options.effects) == ("legacy", 120, {"list_*": "pure"})
    assert (options.sampling, options.tools.deny, options.env) == ("ask", ("delete_*",), ("LANG",))


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({}, "mcpServers.s: expected either command (a program to run) or url"),
        ({"command": "x", "url": "https://a"}, "mcpServers.s: expected either command (a program to run) or url"),
        ({"command": 5}, "mcpServers.s.command: expected text, got 5"),
        ({"command": " "}, "mcpServers.s.command: expected a program, got an empty text"),
        ({"command": "x", "args": "y"}, "mcpServers.s.args: expected a list, got 'y'"),
        ({"command": "x", "env": {"KEY": ["s3cret"]}}, "mcpServers.s.env.KEY: expected text"),
        ({"command": "x", "type": "http"}, "mcpServers.s.type: expected stdio: a server of type http has a url"),
        ({"url": "https://a", "type": "stdio"}, "mcpServers.s.type: expected http or sse: a server of type stdio has"),
        ({"url": "https://a", "type": "ws"}, "mcpServers.s.type: expected 'stdio', 'http', 'streamable-http' or 'sse'"),
        ({"url": "example.com"}, "mcpServers.s.url: expected a URL that begins with http:// or https://"),
        ({"command": "x", "args": ["${input:key}"]}, "mcpServers.s.args.0: ${input:key} asks a person"),
        (
            {"command": "x", "opspawn": {"timout": 5}},
            "mcpServers.s.opspawn.timout: unknown key. Did you mean 'timeout'?",
        ),
        ({"command": "x", "opspawn": {"timeout": "soon"}}, "mcpServers.s.opspawn.timeout: expected"),
        ({"command": "x", "opspawn": {"effects": {"a": "safe"}}}, "mcpServers.s.opspawn.effects.a: expected 'pure', "),
        ({"command": "x", "opspawn": {"env": ["A=B"]}}, "mcpServers.s.opspawn.env.0: expected the name of an environ"),
        ({"command": "x", "opspawn": {"tools": {"alow": []}}}, "mcpServers.s.opspawn.tools.alow: unknown key. Did you"),
        ({"command": "x", "opspawn": {"oauth": {"client_secret": 7}}}, "mcpServers.s.opspawn.oauth.client_secret: exp"),
        ("npx", 'mcpServers.s: expected a server such as {"command": ...}, got str'),
    ],
)
def test_an_error_names_the_key_and_what_was_expected(read: Read, entry: object, expected: str) -> None:
    settings, problems = one(read, entry)
    assert settings is None
    assert [problem[: len(expected)] for problem in problems] == [expected]
    assert "s3cret" not in problems[0]
    assert not problems[0].endswith("7")


def test_a_command_with_its_arguments_is_a_problem_with_the_cure(read: Read) -> None:
    settings, problems = one(read, {"command": "npx -y server"})
    assert settings is not None
    assert problems == ['mcpServers.s.command: names one program. Write "command": "npx", "args": ["-y", "server"]']
    assert one(read, {"command": "/opt/My Apps/server"})[1] == []


def test_an_error_has_file_and_line_and_the_other_servers_are_used(read: Read, tmp_path: Path) -> None:
    file = read("""{
      // servers
      "mcpServers": {
        "good": {"command": "x"},
        "bad": {
          "command": "y",
          "opspawn": {
            "sampling": "never"
          }
        },
      }
    }""")
    assert list(file.servers) == ["good"]
    assert file.broken == {"bad"}
    (problem,) = file.problems
    assert problem == (
        f"{tmp_path}/mcp.json:8: mcpServers.bad.opspawn.sampling: expected 'deny', 'ask' or 'allow', got 'never'"
    )


@pytest.mark.parametrize(
    ("name", "better"),
    [("my server", "my-server"), ("io.github.me/server", "io.github.me-server"), ("a" * 70, "a" * 64), ("-", None)],
)
def test_a_name_that_tools_can_not_have_is_a_problem(read: Read, name: str, better: str | None) -> None:
    file = read({"mcpServers": {name: {"command": "x"}, "brave-search.v2_x": {"command": "x"}}})
    assert list(file.servers) == ["brave-search.v2_x"]
    (problem,) = file.problems
    assert "expected a name of letters, digits, '_', '-' and '.'" in problem
    assert (f"Rename it, to '{better}' say" in problem) == (better is not None)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "mcp.json: the file is empty. Write at least"),
        ("[]", "mcp.json: expected {"),
        ("{}", "mcp.json: expected the key 'mcpServers'. Write at least"),
        ('{"mcpservers": {}}', "mcp.json: expected the key 'mcpServers', got 'mcpservers'. Write at least"),
        ('{\n"mcpServers": []}', "mcp.json:2: mcpServers: expected names with servers, got list"),
        ('{\n"mcpServers": {"a": }}', "mcp.json:2: no valid JSON: Expecting value."),
        ('{"mcpServers": {"a": {},\n"a": {}}}', "mcp.json:2: 'a' is given twice, first on line 1."),
        (" " * 262_145, "mcp.json: it has more than 262,144 bytes."),
    ],
)
def test_a_file_that_is_wrong_is_one_problem(read: Read, content: str, expected: str, tmp_path: Path) -> None:
    file = read(content)
    assert file.servers == {}
    (problem,) = file.problems
    assert problem.removeprefix(f"{tmp_path}/").startswith(expected)


def test_a_file_without_servers_is_no_problem(read: Read) -> None:
    assert read('{"mcpServers": {\n// none yet\n}}').problems == []


def test_text_that_is_not_utf_8_and_directories_are_problems(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_bytes(b'{"mcpServers": {"\xff": {}}}')
    assert read_mcp_file(tmp_path).problems == [f"{path}: no valid JSON: it is not in UTF-8."]
    path.unlink()
    path.mkdir()
    assert read_mcp_file(tmp_path).problems == [f"{path}: it is no regular file."]


def test_the_first_100_servers_are_used(read: Read) -> None:
    file = read({"mcpServers": {f"s{index}": {"command": "x"} for index in range(101)}})
    assert len(file.servers) == 100
    assert "mcpServers: has more than 100 servers: the first 100 are used" in file.problems[0]


def test_both_sections_are_read_and_the_first_wins(read: Read) -> None:
    file = read({"servers": {"a": {"command": "x"}, "b": {"command": "x"}}, "mcpServers": {"a": {"command": "y"}}})
    assert {name: settings.command for name, settings in file.servers.items()} == {"a": "y", "b": "x"}
    (problem,) = file.problems
    assert "servers.a: is given twice: the one under 'mcpServers' is used" in problem


def test_no_message_shows_a_secret(read: Read) -> None:
    file = read(
        {
            "mcpServers": {
                "a": {"command": "x", "env": {"A": {"s3cret": 1}, "B": ["s3cret"]}},
                "b": {"url": "https://a", "headers": {"Authorization": ["s3cret"]}},
                "c": {"url": "https://a", "headers": "s3cret"},
                "d": {"env": {"A": "s3cret"}},
                "e": {"url": "https://a", "opspawn": {"oauth": "s3cret"}},
            }
        }
    )
    assert file.broken == set("abcde")
    assert "s3cret" not in "\n".join(file.problems)
