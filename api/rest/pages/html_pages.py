"""Pages of HTML for people. They load nothing, run no script, and can't be put into another page."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse

__all__ = ["html_page"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #222 }
code, pre { font: 14px/1.4 ui-monospace, monospace; background: #f4f4f4; border-radius: 4px }
code { padding: .1em .3em; overflow-wrap: anywhere } pre { padding: .8em; overflow-x: auto }
h2 { margin-top: 2rem; font-size: 1.1rem } th { font-weight: 600; text-align: left }
td, th { padding: 0 1.5rem .2rem 0; vertical-align: top } ul { padding-left: 1.2rem }
.attention { background: #fff4e0; border-left: 4px solid #d98200; padding: .1rem 1rem; border-radius: 4px }
"""
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def html_page(title: str, body: str) -> HTMLResponse:
    """Return a page; ``title`` is text, ``body`` HTML in which all text is escaped."""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>",
        headers=_HEADERS,
    )
