"""Rules that all implementations of long-term memory share: ids, near duplicates, expiry and cursors."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from agentkit.errors import MemoryNotFound, MemoryRequestInvalid
from agentkit.interfaces import Memory, MemoryChanges, MemoryScope, NewMemory
from agentkit.records import Record

__all__ = [
    "MAX_KEYS",
    "MAX_METADATA_CHARS",
    "MAX_QUERY_CHARS",
    "NEAR_DUPLICATE_SIMILARITY",
    "ListCursor",
    "as_utc",
    "changed_fields",
    "check_changes",
    "check_memory",
    "contains_statement",
    "is_expired",
    "is_of_conversation",
    "later_expiry",
    "list_position",
    "memory_id",
    "missing_memory",
    "scope_key",
    "shortened_query",
    "statement_words",
    "stored_time",
    "text_key",
    "utc_now",
]

MAX_KEYS = 50
"""The most idempotency keys that a memory keeps; the oldest are dropped."""

MAX_METADATA_CHARS = 16_000
"""The most characters of a memory's metadata, names and values together."""

MAX_QUERY_CHARS = 4_000
"""Longer queries are shortened; see ``shortened_query``."""

NEAR_DUPLICATE_SIMILARITY = 0.85
"""The least cosine between the vectors of near duplicates, which must fit ``contains_statement``, too.

Measured with MiniLM, see ADR 0015: among pairs that fit ``contains_statement``, the same fact has at least 0.86, and
two different facts have at most 0.85."""

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_WORD = re.compile(r"\w+")
_POSSESSIVE = re.compile(r"\w['\u2019]s\b")
_HAN_OR_KANA = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_ENDINGS = ("ing", "ed", "s")
_FILLERS = frozenset(["a", "an", "the", "is", "are", "s", "der", "das", "ein", "eine", "ist", "el", "la", "los", "las"])


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


def as_utc(moment: datetime) -> datetime:
    """Return the moment in UTC; one without a time zone is taken as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def is_expired(expires_at: datetime | None, now: datetime) -> bool:
    """Return whether a memory with this expiry has expired by ``now``."""
    return expires_at is not None and as_utc(expires_at) <= now


def is_of_conversation(memory: Memory, conversation_id: str) -> bool:
    """Return whether a memory comes from a turn of the conversation."""
    return memory.task_id is not None and memory.task_id.startswith(f"{conversation_id}-")


def later_expiry(one: datetime | None, other: datetime | None) -> datetime | None:
    """Return the later expiry. None means never, so it is the latest."""
    return None if one is None or other is None else max(as_utc(one), as_utc(other))


def scope_key(scope: MemoryScope) -> str:
    """Return a text that is unique to the scope within its tenant, such as ``user/ada``."""
    return f"{scope.kind}/{scope.owner}"


def text_key(text: str) -> str:
    """Return a hash of the text that ignores case, white space and Unicode's normal forms."""
    return hashlib.sha256(_folded(text).encode()).hexdigest()[:32]


def memory_id(scope: MemoryScope, text: str, key: str | None = None) -> str:
    """Return the id of a new memory: a UUID computed from the scope and the text.

    Two processes that remember the same text at the same time thus write one memory. Pass ``key`` as well if that id
    belongs to a memory that is superseded or has another text now.
    """
    parts = [scope.tenant, scope_key(scope), text_key(text), *([] if key is None else [key])]
    digest = hashlib.sha256("".join(f"{len(part)}:{part}" for part in parts).encode())
    return str(uuid.UUID(bytes=digest.digest()[:16], version=5))


def check_memory(memory: NewMemory) -> None:
    """Check a new memory.

    Raises:
        MemoryRequestInvalid: the text is blank, or the metadata is too long.
    """
    _check_text(memory.text)
    _check_metadata(memory.metadata)


def check_changes(changes: MemoryChanges) -> None:
    """Check changes of a memory by the rules of ``check_memory``."""
    if changes.text is not None:
        _check_text(changes.text)
    if changes.metadata is not None:
        _check_metadata(changes.metadata)


def changed_fields(changes: MemoryChanges) -> Mapping[str, object]:
    """Return the fields of a memory that the changes set, with their new values."""
    changed: dict[str, object] = {name: value for name, value in changes if value is not None}
    if changes.expires_at is not None:
        changed["expires_at"] = None if changes.expires_at == "never" else as_utc(changes.expires_at)
    return changed


def missing_memory(memory_id: str, scope: MemoryScope | None = None) -> MemoryNotFound:
    """Return the error for an unknown id; ``scope`` None: it was searched in the whole tenant."""
    place = "there is" if scope is None else f"{scope} has"
    return MemoryNotFound(f"{place} no memory {memory_id[:64]!r}: it was forgotten, has expired, or is another's")


def shortened_query(query: str) -> str:
    """Return the query; of one that is too long, the start and the end, where long messages have their question."""
    query = query.encode(errors="replace").decode()
    half = MAX_QUERY_CHARS // 2
    return query if len(query) <= MAX_QUERY_CHARS else f"{query[:half]}\n{query[-half:]}"


def contains_statement(new: str, old: str) -> bool:
    """Return whether the new text has all the words of the old one, in their order.

    Articles, English endings, case and punctuation don't count. Such a text may replace the old one, as it
    loses nothing of it. Texts with another name, another number or exchanged names are different statements, however
    near their vectors are. So is one with a further possessive: *Ada's sister* isn't *Ada*.
    """
    if len(_POSSESSIVE.findall(new)) > len(_POSSESSIVE.findall(old)):
        return False
    remaining = iter(statement_words(new))
    words = statement_words(old)
    return bool(words) and all(word in remaining for word in words)


def statement_words(text: str) -> Sequence[str]:
    """Return the words of a text without articles and endings. Each Chinese or Japanese character is a word."""
    words = _WORD.findall(_HAN_OR_KANA.sub(r" \g<0> ", _folded(text)))
    return [_without_ending(word) for word in words if word not in _FILLERS]


class ListCursor(Record):
    """The position in a list of a scope's memories after which the next page starts."""

    scope: str
    position: int
    """``list_position`` of the last memory of the previous page."""
    ids: tuple[str, ...]
    """The memories at that position that previous pages had."""

    def encoded(self) -> str:
        """Return it as text for a URL."""
        return base64.urlsafe_b64encode(self.canonical_json()).decode().rstrip("=")

    def is_before(self, memory: Memory) -> bool:
        """Return whether a memory belongs to a later page of a list, newest first."""
        position = list_position(memory)
        return position < self.position or (position == self.position and memory.id not in self.ids)

    @classmethod
    def decoded(cls, scope: MemoryScope, cursor: str) -> ListCursor:
        """Return the cursor.

        Raises:
            MemoryRequestInvalid: the text isn't a cursor, or is one of another scope.
        """
        try:
            decoded = cls.model_validate_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        except (ValueError, ValidationError):
            raise MemoryRequestInvalid("the cursor isn't one of a list of memories") from None
        if decoded.scope != _scope_hash(scope):
            raise MemoryRequestInvalid("the cursor belongs to the list of another scope")
        return decoded

    @classmethod
    def after(cls, scope: MemoryScope, page: Sequence[Memory], before: ListCursor | None) -> ListCursor:
        """Return the cursor after ``page``, which isn't empty; ``before`` is the cursor that the page was read with."""
        last = list_position(page[-1])
        seen = before.ids if before is not None and before.position == last else ()
        ids = (*seen, *(memory.id for memory in page if list_position(memory) == last))
        return cls(scope=_scope_hash(scope), position=last, ids=ids)


def list_position(memory: Memory) -> int:
    """Return a number that orders memories by ``created_at``, then by id.

    It is the milliseconds since 2020, shifted by twelve bits, plus the first twelve bits of the id: an integer that a
    float represents exactly until 2089. Two memories may share one.
    """
    milliseconds = (as_utc(memory.created_at) - _EPOCH) // timedelta(milliseconds=1)
    return (milliseconds << 12) + int(memory.id[:3], 16)


def stored_time(moment: datetime) -> datetime:
    """Return the moment in UTC, truncated to milliseconds, the precision of stored times."""
    moment = as_utc(moment)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _scope_hash(scope: MemoryScope) -> str:
    return hashlib.sha256(f"{len(scope.tenant)}:{scope.tenant}/{scope_key(scope)}".encode()).hexdigest()[:16]


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _without_ending(word: str) -> str:
    ending = next((ending for ending in _ENDINGS if word.endswith(ending) and len(word) >= len(ending) + 3), "")
    stem = word.removesuffix(ending)
    return stem.removesuffix("e") if len(stem) > 3 else stem


def _check_text(text: str) -> None:
    if not any(_is_visible(character) for character in text):
        raise MemoryRequestInvalid("the text is blank: give what is to be remembered")


def _check_metadata(metadata: Mapping[str, str]) -> None:
    if (length := sum(len(name) + len(value) for name, value in metadata.items())) > MAX_METADATA_CHARS:
        raise MemoryRequestInvalid(f"the metadata has {length:,} characters; at most {MAX_METADATA_CHARS:,} are kept")


def _is_visible(character: str) -> bool:
    return not character.isspace() and unicodedata.category(character) not in ("Cc", "Cf")
