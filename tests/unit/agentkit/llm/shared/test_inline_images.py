from __future__ import annotations

import pytest

from agentkit.llm.shared.inline_images import data_url, inline_image
from agentkit.messages import FilePart, ImagePart


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


def test_an_image_is_its_url_or_a_data_url() -> None:
    assert data_url(ImagePart(url="https://example.org/a.png")) == "https://example.org/a.png"
    assert data_url(ImagePart(data=b"aGk=", media_type="image/png")) == "data:image/png;base64,aGk="
    assert data_url(FilePart(data=b"aGk=", media_type="application/pdf")) == "data:application/pdf;base64,aGk="
