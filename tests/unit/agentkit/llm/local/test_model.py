from __future__ import annotations

import sys
from contextlib import aclosing

import pytest

from agentkit.errors import ModelRequestRejected
from agentkit.interfaces import ModelRequest
from agentkit.llm import LocalModel
from agentkit.messages import FilePart, ImagePart, Message, user_message


def request(model: str, *messages: Message) -> ModelRequest:
    return ModelRequest(model=model, system="", messages=messages)


async def test_a_request_to_a_model_that_is_not_installed_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    async with aclosing(LocalModel()) as model:
        with pytest.raises(ModelRequestRejected, match="make install EXTRAS=local"):
            await model.respond(request("local:smollm2", user_message("Hi")))


async def test_an_unknown_model_is_rejected_with_its_name() -> None:
    async with aclosing(LocalModel()) as model:
        with pytest.raises(ModelRequestRejected, match="'local:gpt-5'"):
            await model.respond(request("local:gpt-5", user_message("Hi")))


async def test_files_that_are_no_text_are_rejected() -> None:
    pdf = FilePart(data=b"aGk=", media_type="application/pdf", name="a.pdf")
    async with aclosing(LocalModel()) as model:
        with pytest.raises(ModelRequestRejected, match=r"can't read a\.pdf \(application/pdf\), only text"):
            await model.respond(request("local:smollm2", user_message((pdf,))))


async def test_images_are_rejected_because_local_models_can_not_see_them() -> None:
    image = Message(role="user", parts=(ImagePart(url="http://127.0.0.1/cat.png"),))
    async with aclosing(LocalModel()) as model:
        with pytest.raises(ModelRequestRejected, match="local:smollm2 can't see images"):
            await model.respond(request("local:smollm2", image, user_message("What is it?")))
