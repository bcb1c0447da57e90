"""What a project's tool returns reaches the worker through its process: files as well as values."""

from __future__ import annotations

from agentkit.interfaces import ToolOutput
from tests.unit.agentkit.tools.host.conftest import Project

TOOLS = """
from agentkit.tools import File, Image, tool

PNG = b"\\x89PNG\\r\\n\\x1a\\n" + bytes(range(256))


@tool(effect="pure")
def draw() -> Image:
    return Image(PNG)


@tool(effect="pure")
def report() -> list[object]:
    return [{"pages": 2}, Image(PNG), File(b"\\xff\\x00" * 5_000_000, "application/zip", "\\u00fcbersicht.zip")]


"""
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


async def test_images_and_files_of_a_process_reach_the_worker(project: Project) -> None:
    project.write("tools/a.py", TOOLS)
    image, report = await project.call("draw"), await project.call("report")
    assert isinstance(image, ToolOutput)
    assert isinstance(report, ToolOutput)
    assert image.files is not None
    assert report.files is not None
    assert (image.value, image.files[0].data, image.files[0].media_type) == (None, PNG, "image/png")
    assert report.value == {"pages": 2}
    archive = report.files[1]
    assert (archive.data, archive.size) == (b"\xff\x00" * 5_000_000, 10_000_000)
    assert (archive.media_type, archive.name) == ("application/zip", "übersicht.zip")
