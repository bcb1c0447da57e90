"""The directory of embedded long-term memory: which of its shards is in use, and the model of its vectors."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import qdrant_edge as edge

from agentkit.errors import MemoryMisconfigured, MemoryUnavailable
from agentkit.memory.stored_points import (
    INTEGER_FIELDS,
    KEYWORD_FIELDS,
    MEANING_VECTOR,
    WORDS_VECTOR,
    VectorModel,
    changed_model,
)

__all__ = ["EdgeDirectory"]

_DESCRIPTION = "memory.json"
_FORMAT = 1


class EdgeDirectory:
    """A directory with ``memory.json`` and numbered subdirectories, one shard in each. Blocking; for one thread.

    ``memory.json`` names the shard in use and its model. It is replaced atomically, so that a new shard comes into use
    at once; other numbered subdirectories are leftovers and are removed.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self._number = 0

    def open(self, model: VectorModel | None) -> tuple[edge.EdgeShard, VectorModel]:
        """Return the shard in use and its model; create one for ``model`` if there is none.

        Raises:
            MemoryMisconfigured: its vectors are of another model, or a newer Opspawn wrote it.
            MemoryUnavailable: another process has it open, it can't be read, or there is none and ``model`` is None.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        description = self._description()
        if description is None:
            if model is None:
                raise MemoryUnavailable(f"there is no memory in {self.path}")
            self._number = 1
            shard = self.create(1, model)
            self._describe(1, model)
            return shard, model
        self._number, stored = description
        if model is not None and stored != model:
            raise changed_model(str(self.path), f"{stored.name} ({stored.dimension} dimensions)", model)
        try:
            shard = edge.EdgeShard.load(str(self.path / str(self._number)))
        except Exception as error:
            if "WouldBlock" in str(error):
                raise MemoryUnavailable(f"another process has the memory in {self.path} open") from None
            raise MemoryUnavailable(f"the memory in {self.path} can't be opened: {error}") from None
        self._remove_leftovers()
        return shard, stored

    def create(self, number: int, model: VectorModel) -> edge.EdgeShard:
        """Return a new, empty shard in the subdirectory ``number``; what was there is erased."""
        target = self.path / str(number)
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(mode=0o700)
        config = edge.EdgeConfig(
            vectors={MEANING_VECTOR: edge.EdgeVectorParams(size=model.dimension, distance=edge.Distance.Cosine)},
            sparse_vectors={WORDS_VECTOR: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)},
            optimizers=edge.EdgeOptimizersConfig(deleted_threshold=0.01, vacuum_min_vector_number=1),
        )
        shard = edge.EdgeShard.create(str(target), config)
        fields: dict[str, edge.PayloadSchemaType | edge.KeywordIndexParams] = {
            "tenant": edge.KeywordIndexParams(is_tenant=True),
            **dict.fromkeys(KEYWORD_FIELDS, edge.PayloadSchemaType.Keyword),
            **dict.fromkeys(INTEGER_FIELDS, edge.PayloadSchemaType.Integer),
        }
        for name, schema in fields.items():
            shard.update(edge.UpdateOperation.create_field_index(name, schema))
        return shard

    def create_next(self, model: VectorModel) -> edge.EdgeShard:
        """Return a new, empty shard; the one in use stays in use."""
        return self.create(self._number + 1, model)

    def use_next(self, model: VectorModel) -> None:
        """Put the shard of ``create_next`` into use, and erase the previous one, which must be closed."""
        self._describe(self._number + 1, model)
        self._number += 1
        self._remove_leftovers()

    def discard_next(self) -> None:
        """Erase the shard of ``create_next``, which must be closed."""
        shutil.rmtree(self.path / str(self._number + 1), ignore_errors=True)

    def _description(self) -> tuple[int, VectorModel] | None:
        try:
            description = json.loads((self.path / _DESCRIPTION).read_bytes())
            if description["format"] != _FORMAT:
                raise MemoryMisconfigured(f"a newer Opspawn wrote the memory in {self.path}: update this one")
            return int(description["shard"]), VectorModel(description["model"], description["dimension"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise MemoryUnavailable(f"{self.path / _DESCRIPTION} can't be read: {error!r}") from None

    def _describe(self, number: int, model: VectorModel) -> None:
        description = {"format": _FORMAT, "model": model.name, "dimension": model.dimension, "shard": number}
        temporary = self.path / f"{_DESCRIPTION}.new"
        with temporary.open("w") as file:
            json.dump(description, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path / _DESCRIPTION)
        directory = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _remove_leftovers(self) -> None:
        for path in self.path.iterdir():
            if path.name.isdecimal() and path.name != str(self._number):
                shutil.rmtree(path, ignore_errors=True)
