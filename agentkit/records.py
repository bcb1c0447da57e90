"""The base class of all serialized values."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Record"]


class Record(BaseModel):
    """A frozen, serializable value.

    Unknown fields are ignored, so that an older worker can read the records of a newer one. The default of a new field
    must be ``None``: canonical JSON leaves ``None`` out, so digests and hashes stay the same.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    def canonical_json(self) -> bytes:
        """Return the JSON for digests and hashes: fields in declared order, ``None`` left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)
