from __future__ import annotations

import pytest

from agentkit.tools import File, Image
from agentkit.tools.returned_files import split_files, stored_file

PNG = b"\x89PNG\r\n\x1a\n0"
PDF = File(b"%PDF", "application/pdf")


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
    ],
)
def test_the_media_type_of_an_image_is_found_in_its_bytes(data: bytes, media_type: str) -> None:
    assert Image(data).media_type == media_type


def test_bytes_of_another_format_need_a_media_type() -> None:
    with pytest.raises(ValueError, match="give its media_type"):
        Image(b"<svg/>")
    assert Image(b"<svg/>", "image/svg+xml").media_type == "image/svg+xml"


@pytest.mark.parametrize(
    ("result", "value", "files"),
    [
        pytest.param("text", "text", [], id="no file"),
        pytest.param([1, 2], [1, 2], [], id="a list without files"),
        pytest.param(PDF, None, [PDF], id="a file"),
        pytest.param([PDF], None, [PDF], id="a list of files"),
        pytest.param(("text", PDF), "text", [PDF], id="a value and a file"),
        pytest.param([1, PDF, 2, PDF], [1, 2], [PDF, PDF], id="values and files"),
    ],
)
def test_files_are_split_from_other_values(result: object, value: object, files: list[File]) -> None:
    assert split_files(result) == (value, files or ())


def test_a_file_is_stored_with_its_bytes_as_they_are() -> None:
    stored = stored_file(Image(PNG, name="plan.png"))
    assert (stored.data, stored.media_type, stored.size, stored.name) == (PNG, "image/png", 9, "plan.png")
