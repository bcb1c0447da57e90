from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit.llm.openai.openai_call_ids import CallIds, openai_call_id, short_call_id
from agentkit.messages import Message, ToolCall

SIGNED = "call_0123456789abcdef__thought__" + "QUFB" * 80
NINE = r"[a-zA-Z0-9]{9}"


def _sent(call_id: str, *, author: str | None, model: str) -> str:
    """Return the id that is sent to a model for a call that another one, or the same, has made."""
    message = Message(role="assistant", parts=(ToolCall(id=call_id, name="clock"),), model=author)
    return CallIds([message], model).sent(call_id)


@given(st.text())
def test_any_id_becomes_one_that_openai_accepts(text: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", openai_call_id(text))


@given(st.text())
def test_any_id_becomes_one_that_mistral_accepts(text: str) -> None:
    assert re.fullmatch(NINE, short_call_id(text))


def test_short_ids_stay_the_same_and_differ_for_different_ids() -> None:
    assert short_call_id("Abc012345") == "Abc012345"
    assert len({short_call_id(f"call_{number}_0") for number in range(1_000)}) == 1_000


@pytest.mark.parametrize("model", ["openai-compatible:m", "openrouter:google/gemini-3-pro", "openai:m"])
@pytest.mark.parametrize("call_id", [SIGNED, "functions.clock:0", "a+b/c=="], ids=["long", "colon", "base64"])
def test_an_id_goes_back_whole_to_the_model_that_gave_it(model: str, call_id: str) -> None:
    assert _sent(call_id, author=model, model=model) == call_id


@pytest.mark.parametrize("author", ["openai:gpt-5", None], ids=["another model", "unknown"])
def test_an_id_of_another_model_becomes_a_short_one(author: str | None) -> None:
    sent = _sent("call_abcdefghijkl", author=author, model="openai-compatible:m")
    assert sent == short_call_id("call_abcdefghijkl")


def test_openai_gets_the_ids_of_other_models_in_its_own_form() -> None:
    assert _sent("call_abc", author="anthropic:claude-sonnet-5", model="openai:gpt-5") == "call_abc"
    assert _sent(SIGNED, author="google:gemini-3-pro", model="openai:gpt-5") == openai_call_id(SIGNED)


def test_an_id_that_the_server_did_not_give_is_short() -> None:
    assert re.fullmatch(NINE, _sent("call_1_0", author="openai-compatible:m", model="openai-compatible:m"))


@pytest.mark.parametrize(
    "model",
    [
        "openai-compatible:mistral-large-latest",
        "openai-compatible:mlx-community/Devstral-Small",
        "openrouter:mistralai/codestral-2508",
        "openai:mistral-small",
    ],
)
def test_mistrals_models_get_nine_characters_even_for_their_own_ids(model: str) -> None:
    assert re.fullmatch(NINE, _sent("chatcmpl-tool-0f", author=model, model=model))
    assert _sent("Ab3dE6gH9", author=model, model=model) == "Ab3dE6gH9"
