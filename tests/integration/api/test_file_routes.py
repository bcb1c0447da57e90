"""``GET /tasks/{id}/files`` and ``/files/{path}``."""

from __future__ import annotations

from activities.storage.task_file_store import TaskFileStore
from agentkit.interfaces import FileChanges, NewFile
from tests.integration.api.conftest import ApiHarness


async def store_files(harness: ApiHarness, task_id: str) -> None:
    store = TaskFileStore(harness.settings.data_dir / "payloads", harness.temporal.namespace)
    changes = FileChanges(
        {
            "data/räum e.csv": NewFile(b"0123456789"),
            "page.html": NewFile(b"<script>alert(1)</script>"),
            "run": NewFile(b"x", executable=True),
        }
    )
    await store.publish(task_id, "c1", changes, lambda before, after: "")


async def test_files_are_listed_and_read(harness: ApiHarness) -> None:
    task_id = await harness.submit(input="x")
    url = f"/api/v1/tasks/{task_id}/files"
    assert (await harness.http.get(url)).json() == {"files": [], "total_bytes": 0, "version": 0}
    await store_files(harness, task_id)
    listed = (await harness.http.get(url)).json()
    assert [(file["path"], file["size"], file["executable"]) for file in listed["files"]] == [
        ("data/räum e.csv", 10, False),
        ("page.html", 25, False),
        ("run", 1, True),
    ]
    assert (listed["total_bytes"], listed["version"]) == (36, 1)
    response = await harness.http.get(f"{url}/data/r%C3%A4um%20e.csv")
    assert (response.status_code, response.content) == (200, b"0123456789")
    part = await harness.http.get(f"{url}/data/r%C3%A4um%20e.csv", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")


async def test_a_browser_runs_no_file_as_a_page(harness: ApiHarness) -> None:
    task_id = await harness.submit(input="x")
    await store_files(harness, task_id)
    headers = (await harness.http.get(f"/api/v1/tasks/{task_id}/files/page.html")).headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"].startswith("attachment;")
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]


async def test_no_path_leads_outside(harness: ApiHarness) -> None:
    task_id = await harness.submit(input="x")
    await store_files(harness, task_id)
    for path in ("..%2F..%2Fowner.json", "%2Fetc%2Fpasswd", "manifest-00000001.json", "data", "nothing", ""):
        response = await harness.http.get(f"/api/v1/tasks/{task_id}/files/{path}")
        assert response.status_code == 404, path
        assert response.headers["content-type"] == "application/problem+json"


async def test_an_unknown_task_has_no_files(harness: ApiHarness) -> None:
    for path in ("files", "files/a"):
        response = await harness.http.get(f"/api/v1/tasks/no-task/{path}")
        assert (response.status_code, response.json()["title"]) == (404, "No such task")
