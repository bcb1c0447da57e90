"""What tests of REST share: a request for a task, and the check that a response is a problem."""

from __future__ import annotations

from typing import Any

import httpx2

JSON_HEADERS = {"Content-Type": "application/json"}


def problem(response: httpx2.Response, status: int, kind: str = "") -> dict[str, Any]:
    """Check that a response is a problem of that status, and of that kind if one is given; return the problem."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["type"].endswith(f":{kind}") if kind else document["type"]
    assert document["title"]
    assert document["detail"]
    return document


async def create_task(http: httpx2.AsyncClient, **fields: object) -> httpx2.Response:
    """Request a task; ``fields`` change the body of a valid request, and None removes one of its fields."""
    body = {"agent": "assistant", "input": "Hi", **fields}
    return await http.post("/api/v1/tasks", json={key: value for key, value in body.items() if value is not None})
