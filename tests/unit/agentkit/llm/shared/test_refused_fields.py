"""Errors of real servers, and the fields that they name."""

from __future__ import annotations

import pytest

from agentkit.llm.openai.chat_request import ChatCompletionsApi
from agentkit.llm.shared.refused_fields import any_mention, error_text, quoted, refused_fields

MISTRAL = (
    "{'detail': [{'type': 'extra_forbidden', 'loc': ['body', 'stream_options'], "
    "'msg': 'Extra inputs are not permitted', 'input': {'include_usage': True}}]}"
)
GROQ = "'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : property 'reasoning_content' is unsupported)]"  # noqa: E501
CEREBRAS = "messages.2.assistant.reasoning_content: property 'messages.2.assistant.reasoning_content' is unsupported"
OPENAI_LIMIT = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
)
OLD_LIMIT = "[{'loc': ['body', 'max_completion_tokens'], 'msg': 'Extra inputs are not permitted'}]"
INVALID_SCHEMA = (
    "Invalid schema for response_format 'output': In context=(), 'required' is required to be supplied and to be an "
    "array including every key in properties. Missing 'x'."
)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        pytest.param(MISTRAL, {"stream_options"}, id="Mistral"),
        pytest.param(GROQ, {"reasoning_content"}, id="Groq"),
        pytest.param(CEREBRAS, {"reasoning_content"}, id="Cerebras"),
        pytest.param("messages[3].reasoning: reasoning is not supported with this model", {"reasoning"}, id="a path"),
        pytest.param(OPENAI_LIMIT, {"max_tokens"}, id="the old name of the limit"),
        pytest.param(OLD_LIMIT, {"max_completion_tokens"}, id="the new name of the limit"),
        pytest.param(INVALID_SCHEMA, {"response_format"}, id="a schema"),
        pytest.param("This response_format type is unavailable now", {"response_format"}, id="DeepSeek"),
        pytest.param("thinking is enabled but reasoning_content is missing in assistant tool call message at index 2",
                     set(), id="Kimi wants it"),
        pytest.param("The `reasoning_content` in the thinking mode must be passed back to the API.", set(),
                     id="DeepSeek wants it"),
        pytest.param("Missing required parameter: 'response_format'", set(), id="required"),
        pytest.param("max_tokens is too large: 100000. This model supports at most 16384 completion tokens.", set(),
                     id="a value"),
        pytest.param("Your reasoning about thinking is wrong", set(), id="ordinary words"),
        pytest.param("", set(), id="nothing"),
    ],
)  # fmt: skip
def test_the_fields_that_a_server_refuses_are_found_by_name(text: str, fields: set[str]) -> None:
    assert refused_fields(text, ChatCompletionsApi.optional_fields) == fields


def test_a_name_is_found_only_as_a_word_and_a_quoted_one_only_in_quotes_or_a_path() -> None:
    assert any_mention("store").search("no store here")
    assert not any_mention("store").search("restored, store_id")
    assert quoted("store").search("Unknown parameter: 'store'.")
    assert not quoted("store").search("no store here")


def test_the_text_of_an_error_is_all_that_its_sdk_has() -> None:
    class SdkError(Exception):
        message = "Bad"
        body = {"param": "seed"}  # noqa: RUF012

    assert error_text(SdkError()).split(" ", 1) == ["Bad", "{'param': 'seed'} "]
