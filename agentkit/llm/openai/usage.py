"""The tokens and cost that OpenAI's APIs report, under the names that servers give them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, model_validator

from agentkit.llm.shared.lenient_types import Count, as_object
from agentkit.messages import Usage
from agentkit.records import Record

__all__ = ["OpenAIUsage", "OptionalUsage"]

_OTHER_NAMES = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
    "cached_tokens": "prompt_cache_hit_tokens",
}
"""The names in Chat Completions, or of other servers, for those in Responses."""


class _TokenDetails(Record):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    reasoning_tokens: Count = None


_NO_DETAILS = _TokenDetails()
_Details = Annotated[_TokenDetails, BeforeValidator(lambda value: as_object(value) or {})]


class _CostDetails(Record):
    upstream_inference_cost: Count = None


class OpenAIUsage(Record):
    """One count of a server."""

    input_tokens: Count = None
    output_tokens: Count = None
    total_tokens: Count = None
    cached_tokens: Count = None
    reasoning_tokens: Count = None
    input_tokens_details: _Details = _NO_DETAILS
    output_tokens_details: _Details = _NO_DETAILS
    cost: Count = None
    """US dollars that OpenRouter charges."""
    is_byok: bool | None = None
    """The provider behind OpenRouter bills its share itself, on the user's own key."""
    cost_details: Annotated[_CostDetails | None, BeforeValidator(as_object)] = None

    @model_validator(mode="before")
    @classmethod
    def _with_other_names(cls, received: object) -> object:
        if not isinstance(received, dict):
            return received
        named = {name: received[other] for name, other in _OTHER_NAMES.items() if received.get(other) is not None}
        return {**named, **{key: value for key, value in received.items() if value is not None}}

    def merged_over(self, earlier: OpenAIUsage | None) -> OpenAIUsage:
        """Return these counts, and those of ``earlier`` that are missing or zero here."""
        if earlier is None:
            return self
        update = {
            name: value
            for name, value in self
            if value != _NO_DETAILS and (value or (value is not None and getattr(earlier, name) is None))
        }
        return earlier.model_copy(update=update)

    def usage(self) -> Usage:
        """Return the usage in our terms."""
        inputs, outputs = self.input_tokens_details, self.output_tokens_details
        return Usage(
            input_tokens=int(self.input_tokens or 0),
            output_tokens=self._all_output_tokens(),
            reasoning_tokens=int(outputs.reasoning_tokens or self.reasoning_tokens or 0),
            cached_tokens=int(inputs.cached_tokens or self.cached_tokens or 0),
            cache_write_tokens=int(inputs.cache_write_tokens or 0),
            cost_usd=self._cost(),
            model_calls=1,
        )

    def _all_output_tokens(self) -> int:
        """Return the tokens of the response: some servers count those of its reasoning only in the total."""
        counted = int(self.output_tokens or 0)
        if not self.input_tokens or not counted or not self.total_tokens:
            return counted
        return max(counted, int(self.total_tokens - self.input_tokens))

    def _cost(self) -> float | None:
        upstream = self.cost_details.upstream_inference_cost if self.cost_details else None
        if self.cost is None or not self.is_byok:
            return self.cost
        return None if upstream is None else self.cost + upstream


OptionalUsage = Annotated[OpenAIUsage | None, BeforeValidator(as_object)]
"""A count, or None for anything else than an object."""
