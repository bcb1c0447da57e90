"""Estimate the usage of providers that don't count tokens."""

from __future__ import annotations

from agentkit.interfaces import ModelRequest
from agentkit.messages import Message, Usage
from agentkit.token_estimates import message_tokens, request_tokens

__all__ = ["estimate_usage"]


def estimate_usage(request: ModelRequest, response: Message) -> Usage:
    """Return the estimated tokens of a request and its response; deterministic."""
    input_tokens = request_tokens(request.system, request.messages, request.tools)
    return Usage(input_tokens=input_tokens, output_tokens=message_tokens([response]), model_calls=1)
