from __future__ import annotations

import pytest

from agentkit.llm.shared.inline_images import inline_image
from agentkit.messages import ImagePart


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(ImagePart(data=b"aGk=", media_type="image/png"), ("image/png", "aGk="), id="data"),
        pytest.param(ImagePart(url="data:image/svg+xml;base64,aGk="), ("image/svg+xml", "aGk="), id="data URL"),
        pytest.param(ImagePart(url="data:image/png,aGk="), None, id="data URL without base64"),
        pytest.param(ImagePart(url="https://example.org/a.png"), None, id="link"),
    ],
)
def test_data_and_data_urls_are_inline_and_links_are_not(image: ImagePart, expected: tuple[str, str] | None) -> None:
    assert inline_image(image) == expected
