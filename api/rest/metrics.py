"""Count HTTP requests and their seconds, and serve all counts of the process (``/metrics``)."""

from __future__ import annotations

import time

from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.request_metrics import RequestMetrics
from api.rest.access.route_roles import ADMIN
from api.services import request_services
from api.tasks.listing.waiting_counts import waiting_counts

__all__ = ["install_metrics"]

_METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
"""Clients may make up others, which would be a series each."""


class _MetricsMiddleware:
    """Counts each response under its route, so that ids don't make a series each."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "other")
                method = scope["method"] if route != "other" and scope["method"] in _METHODS else "other"
                self._metrics.http_requests.labels(method, route, message["status"]).inc()
                self._metrics.http_seconds.labels(method, route).observe(time.perf_counter() - started)
            await send(message)

        with self._metrics.http_in_flight.track_inprogress():
            await self._app(scope, receive, send_counted)


def install_metrics(app: FastAPI, metrics: RequestMetrics) -> None:
    """Count every request of ``app`` in ``metrics``, and serve them."""
    router = APIRouter(tags=["operation"])

    @router.get("/metrics", dependencies=[ADMIN], operation_id="getMetrics", response_class=Response)
    async def get_metrics(request: Request) -> Response:
        """Return the counts of this process, in Prometheus's text format."""
        metrics.waiting_tasks.clear()
        for age, count in (await waiting_counts(request_services(request).client)).items():
            metrics.waiting_tasks.labels(age).set(count)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)

    app.include_router(router)
    app.add_middleware(_MetricsMiddleware, metrics=metrics)
