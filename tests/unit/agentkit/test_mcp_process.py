from __future__ import annotations

import pytest

from agentkit.mcp_process import McpCheckCommand, McpProcessRequest, McpServerChecked, parse_message


def test_a_line_becomes_the_message_that_was_sent() -> None:
    message = McpServerChecked(name="time", tools=2)
    assert parse_message(message.model_dump_json().encode()) == message


def test_a_line_of_another_program_is_no_message() -> None:
    with pytest.raises(ValueError, match="type"):
        parse_message(b'{"jsonrpc": "2.0"}')


def test_secrets_are_not_in_the_text_of_a_request() -> None:
    request = McpProcessRequest(
        command=McpCheckCommand(), servers={}, app_dir="/app", data_dir="/data", secrets={"key": "s3cret"}
    )
    assert "s3cret" not in repr(request)
