"""The page at ``/docs``: the OpenAPI description as HTML without scripts and external resources."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from api.rest.pages.html_pages import html_page

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def get_docs(request: Request) -> HTMLResponse:
    """Show every call, its parameters and examples."""
    description = request.app.openapi()
    calls = "".join(_call(path, method, call, description) for path, method, call in _calls(description))
    return html_page(
        f"{description['info']['title']} {description['info']['version']}",
        f"<p>{escape(description['info'].get('description', ''))}</p>"
        f'<p>For tools: <a href="openapi.json">openapi.json</a></p>{calls}',
    )


def _calls(description: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, call in methods.items():
            yield path, method, call


def _call(path: str, method: str, call: Mapping[str, Any], description: Mapping[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(parameter['name'])}</code><td>{escape(parameter['in'])}"
        f"<td>{escape(parameter.get('description', ''))}"
        for parameter in call.get("parameters", ())
    )
    body = _example(call.get("requestBody", {}), description)
    successes = (content for status, content in call["responses"].items() if status[0] == "2")
    response = next(filter(None, (_example(content, description) for content in successes)), "")
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(call.get('description', ''))}</p>"
        + (f"<table>{parameters}</table>" if parameters else "")
        + (f"<p>Body:</p>{body}" if body else "")
        + (f"<p>Response:</p>{response}" if response else "")
    )


def _example(body: Mapping[str, Any], description: Mapping[str, Any]) -> str:
    schema = body.get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    example = description["components"]["schemas"].get(name, {}).get("example")
    return "" if example is None else f"<pre>{escape(json.dumps(example, indent=2, ensure_ascii=False))}</pre>"
