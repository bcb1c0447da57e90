from __future__ import annotations

from contextlib import suppress

import pytest

from agentkit.errors import (
    ContentRefused,
    ContextTooLong,
    MessageTooLong,
    ModelError,
    ModelNotAuthorized,
    ModelOutputInvalid,
    ModelRequestRejected,
    ModelUnavailable,
)
from agentkit.interfaces import ModelRequest, ModelResponse
from agentkit.messages import Message, Usage, user_message
from agentkit.runtime.compaction.model_compactor import ModelCompactor
from agentkit.specs import ModelSettings
from agentkit.testing import ScriptedModel, ScriptedResponse
from agentkit.token_estimates import text_tokens
from tests.compaction_transcripts import agent, are_paired, called, request, said, talk, task


def compactor(*script: ScriptedResponse) -> tuple[ModelCompactor, ScriptedModel]:
    """A compactor and its model, which goes on giving the last response of the script."""
    model = ScriptedModel([*script, *script[-1:] * 500])
    return ModelCompactor({"test": model}), model


async def test_no_model_is_asked_where_shorter_results_suffice() -> None:
    shortening, model = compactor()
    messages = task(steps=8, chars=4_400)
    compacted = await shortening.compact(messages, request(agent(10_000)))
    assert model.requests == []
    assert len(compacted.messages) == len(messages)
    assert compacted.tokens_after < 4_000 < 8_000 < compacted.tokens_before
    assert compacted.usage == Usage()


async def test_a_summary_stands_between_the_first_message_and_the_newest() -> None:
    shortening, _ = compactor("They talked.")
    messages = talk(turns=12)
    compacted = await shortening.compact(messages, request(agent(1_600)))
    first, summary, *newest = compacted.messages
    assert first == messages[0]
    assert (summary.role, summary.source) == ("user", "compaction")
    assert summary.text.endswith("older messages, which are not shown any more. It is no request.\n\nThey talked.")
    assert newest == messages[-len(newest) :]
    assert compacted.tokens_after < 800 < 1_200 < compacted.tokens_before
    assert compacted.usage == Usage(input_tokens=10, output_tokens=5, model_calls=1, unpriced_calls=1)
    assert compacted.tokens_after > len(summary.text) / 4


async def test_the_model_reads_a_record_and_has_no_tools() -> None:
    shortening, model = compactor("They talked.")
    spec = agent(1_600, model_settings=ModelSettings(temperature=1, extra_headers={"x-route": "a"}))
    await shortening.compact(talk(turns=12), request(spec))
    (asked,) = model.requests
    assert (asked.model, list(asked.tools), asked.output_schema) == ("test:model", [], None)
    assert asked.settings == ModelSettings(extra_headers={"x-route": "a"})
    assert "obey nothing" in asked.system
    assert "<record>\nAgent: response 0" in asked.messages[0].text


async def test_a_second_summary_is_made_of_the_first() -> None:
    shortening, model = compactor("ONE", "TWO")
    once = await shortening.compact(talk(turns=12), request())
    twice = await shortening.compact([*once.messages, *talk(turns=12)], request())
    assert "<summary_so_far>\nONE\n</summary_so_far>" in model.requests[1].messages[0].text
    assert [message.source for message in twice.messages].count("compaction") == 1
    assert "ONE" not in "".join(message.text for message in twice.messages)


async def test_messages_before_the_summary_are_the_same_bytes() -> None:
    shortening, _ = compactor("ONE")
    messages = talk(turns=12)
    compacted = await shortening.compact(messages, request())
    assert compacted.messages[0].canonical_json() == messages[0].canonical_json()
    assert [message.canonical_json() for message in compacted.messages[2:]] == [
        message.canonical_json() for message in messages[-len(compacted.messages) + 2 :]
    ]


async def test_irreversible_calls_are_listed_in_every_later_summary() -> None:
    shortening, _ = compactor("Summary.")
    messages = [user_message("Pay all."), *called(99, "paid 17 euros", "pay")]
    for _round in range(3):
        messages = [*messages, *task(steps=40)[1:]]
        compacted = await shortening.compact(messages, request(facts=["mail {} was done at noon: sent"]))
        messages = list(compacted.messages)
        assert are_paired(messages)
        assert messages[1].text.count('- pay {"number": 99} was done: paid 17 euros') == 1
        assert messages[1].text.count("- mail {} was done at noon: sent") == 1


async def test_a_hundred_summaries_do_not_grow() -> None:
    shortening, _ = compactor("word " * 2_000)
    messages = [user_message("Pay all.")]
    sizes = []
    for number in range(30):
        messages = [*messages, *(m for step in range(20) for m in called(number * 100 + step, "y" * 90, "pay"))]
        compacted = await shortening.compact(messages, request())
        messages = list(compacted.messages)
        sizes.append(compacted.tokens_after)
    assert max(sizes[5:]) < 800


async def test_a_part_of_the_record_that_is_too_long_is_halved() -> None:
    async def respond(asked: ModelRequest) -> ScriptedResponse:
        return ContextTooLong("too long") if text_tokens(asked.messages[0].text) > 3_000 else "Part."

    model = ScriptedModel(respond)
    spec = agent(None)
    compacted = await ModelCompactor({"test": model}).compact(talk(turns=100), request(spec, reason="too_long"))
    assert compacted.tokens_after < compacted.tokens_before / 2
    accepted = [asked for asked in model.requests if text_tokens(asked.messages[0].text) <= 3_000]
    assert len(accepted) > 2
    assert compacted.usage.model_calls == len(accepted)


async def test_another_model_may_write_the_summary() -> None:
    own, cheap = ScriptedModel([]), ScriptedModel(["Cheap."] * 9)
    shortening = ModelCompactor({"test": own, "cheap": cheap})
    compacted = await shortening.compact(talk(turns=12), request(agent(model="cheap:small")))
    assert "Cheap." in compacted.messages[1].text
    assert cheap.requests[0].model == "cheap:small"


@pytest.mark.parametrize("error", [ModelRequestRejected("no"), ModelNotAuthorized("no key")])
async def test_the_agents_own_model_writes_it_where_the_other_can_not(error: ModelError) -> None:
    own, cheap = ScriptedModel(["Own."] * 9), ScriptedModel([error])
    shortening = ModelCompactor({"test": own, "cheap": cheap})
    compacted = await shortening.compact(talk(turns=12), request(agent(model="cheap:small")))
    assert "Own." in compacted.messages[1].text


async def test_a_provider_that_is_not_configured_is_no_obstacle_either() -> None:
    shortening, _ = compactor("Own.")
    compacted = await shortening.compact(talk(turns=12), request(agent(model="cheap:small")))
    assert "Own." in compacted.messages[1].text


async def test_a_model_that_is_busy_is_asked_again_later_and_not_replaced() -> None:
    own, cheap = ScriptedModel(["Own."] * 9), ScriptedModel([ModelUnavailable("busy")])
    shortening = ModelCompactor({"test": own, "cheap": cheap})
    with pytest.raises(ModelUnavailable):
        await shortening.compact(talk(turns=12), request(agent(model="cheap:small")))
    assert own.requests == []


_REFUSED = ModelResponse(message=said("I won't."), stop_reason="refusal", usage=Usage())


@pytest.mark.parametrize(
    ("response", "error"),
    [(_REFUSED, ContentRefused), (" \n", ModelOutputInvalid), (ModelUnavailable("busy"), ModelUnavailable)],
    ids=["refused", "empty", "busy"],
)
async def test_without_a_summary_there_is_an_error(response: ScriptedResponse, error: type[ModelError]) -> None:
    shortening, _ = compactor(response)
    with pytest.raises(error):
        await shortening.compact(talk(turns=12), request())


async def test_one_message_that_is_too_long_fails_with_the_numbers() -> None:
    shortening, model = compactor()
    with pytest.raises(MessageTooLong) as raised:
        await shortening.compact([user_message("x" * 40_000)], request(agent(1_000), reason="too_long"))
    text = str(raised.value)
    assert "context window of test:model, 1,000 tokens" in text
    assert "1 messages 10,000, the longest of them (a person's message) 10,000" in text
    assert model.requests == []


async def test_without_a_known_window_the_numbers_are_those_of_the_messages() -> None:
    shortening, _ = compactor()
    with pytest.raises(MessageTooLong, match=r"context window of test:model\. Estimated, it takes 10,00\d tokens"):
        await shortening.compact([user_message("x" * 40_000)], request(agent(None), reason="too_long"))


async def test_where_nothing_can_be_shortened_a_reached_share_leaves_the_messages() -> None:
    shortening, model = compactor()
    messages = (user_message("x" * 3_900), said("short"))
    compacted = await shortening.compact(messages, request(agent(1_000), tokens=990))
    assert compacted.messages == messages
    assert compacted.tokens_after == compacted.tokens_before
    assert model.requests == []


async def test_each_attempt_leaves_less_until_nothing_more_can_go() -> None:
    shortening, _ = compactor("S.")
    messages: tuple[Message, ...] = tuple(talk(turns=200))
    sizes = []
    with suppress(MessageTooLong):
        for attempt in range(1, 30):
            asked = request(agent(1_000_000), reason="too_long", attempt=attempt)
            messages = (await shortening.compact(messages, asked)).messages
            sizes.append(sum(text_tokens(message.text) for message in messages))
    assert sizes == sorted(sizes, reverse=True)
    assert 3 <= len(sizes) < 20
    assert sizes[-1] < 400
