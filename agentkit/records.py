"""The one frozen object in, one out: what every serialized value of Opspawn is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Record"]


class Record(BaseModel):
    """A frozen, serializable value.

    Unknown fields are ignored, so that an older worker can read what a newer one wrote. New fields must
    have a default of ``None``: canonical JSON leaves ``None`` out, so digests and hashes do not change.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    def canonical_json(self) -> bytes:
        """Return the JSON that digests and hashes are taken over: declared field order, no ``None``."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)
