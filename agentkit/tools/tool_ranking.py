"""Rank tools by how well a few words describe them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence

from agentkit.specs import ToolSpec

__all__ = ["ranked_tools"]

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
"""Also the words of ``camelCase`` and ``snake_case``."""
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and any are as at be by can do for from how i in into is it me my of on or please some that the this to "
        "tool use using want what which with",
    )
)
_MAX_TEXT_CHARS = 4_000
"""Of one description."""
_MAX_QUERY_WORDS = 30
_MIN_PREFIX_CHARS = 3
_PREFIX_SCORE = 0.6
"""Of a word that only begins like one of the query, or the other way round; of the same word it is 1."""
_NAME, _SERVER, _DESCRIPTION, _ARGUMENTS = 4.0, 2.0, 1.0, 0.7
"""How much a word counts, by where it stands."""

_Fields = Sequence[tuple[float, frozenset[str]]]


def ranked_tools(query: str, tools: Sequence[ToolSpec]) -> Sequence[ToolSpec]:
    """Return the tools that have a word of the query, best first; without words in the query all, in their order.

    Rare words count more than those that many tools have, and those of names more than those of descriptions.
    """
    all_words = _words(query)
    wanted = [word for word in dict.fromkeys(all_words) if word not in _STOP_WORDS]
    wanted = (wanted or list(dict.fromkeys(all_words)))[:_MAX_QUERY_WORDS]
    if not wanted:
        return tools
    matches = [_matches(wanted, _fields(tool)) for tool in tools]
    counts = {word: sum(word in found for found in matches) for word in wanted}
    scores = [_score(found, counts, len(tools)) for found in matches]
    name = query.strip().casefold()
    ranked = sorted(
        (index for index, score in enumerate(scores) if score > 0),
        key=lambda index: (_own_name(tools[index]).casefold() != name, -scores[index], index),
    )
    return [tools[index] for index in ranked]


def _matches(wanted: Collection[str], fields: _Fields) -> Mapping[str, float]:
    """Return the words that a tool has, and how much each of them counts."""
    found = {}
    for word in wanted:
        best = max(weight * _similarity(word, words) for weight, words in fields)
        if best > 0:
            found[word] = best
    return found


def _similarity(word: str, words: Collection[str]) -> float:
    if word in words:
        return 1.0
    if len(word) < _MIN_PREFIX_CHARS:
        return 0.0
    is_similar = any(
        other.startswith(word) or (len(other) >= _MIN_PREFIX_CHARS and word.startswith(other)) for other in words
    )
    return _PREFIX_SCORE if is_similar else 0.0


def _score(found: Mapping[str, float], counts: Mapping[str, int], total: int) -> float:
    weighted = sum(weight * math.log(1 + total / counts[word]) for word, weight in found.items())
    return weighted * len(found) / len(counts)


def _own_name(tool: ToolSpec) -> str:
    return tool.mcp.name if tool.mcp else tool.name


def _fields(tool: ToolSpec) -> _Fields:
    properties = tool.parameters.get("properties")
    arguments = " ".join(properties) if isinstance(properties, dict) else ""
    server = tool.mcp.server if tool.mcp else ""
    texts = ((_NAME, _own_name(tool)), (_SERVER, server), (_DESCRIPTION, tool.description), (_ARGUMENTS, arguments))
    return [(weight, frozenset(_words(text))) for weight, text in texts]


def _words(text: str) -> Sequence[str]:
    return [_stem(word.casefold()) for word in _WORD.findall(text[:_MAX_TEXT_CHARS])]


def _stem(word: str) -> str:
    """Return an English noun's singular; other words may lose their end, the same in queries and tools."""
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
