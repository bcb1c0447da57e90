"""Counts of requests and their seconds, in Prometheus's format: HTTP and gRPC beside each other."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

__all__ = ["RequestMetrics"]


class RequestMetrics:
    """The metrics of one API process, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each one, with its start
        self.registry = CollectorRegistry()
        http_labels, grpc_labels = ("method", "route"), ("method",)
        self.http_requests = Counter(
            "opspawn_http_requests", "Requests with a response", (*http_labels, "status"), registry=self.registry
        )
        self.http_in_flight = Gauge(
            "opspawn_http_requests_in_flight",
            "Requests without a response yet, waiting ones included",
            registry=self.registry,
        )
        self.http_seconds = Histogram(
            "opspawn_http_request_seconds", "Time to the response", http_labels, registry=self.registry
        )
        self.waiting_tasks = Gauge(
            "opspawn_tasks_waiting",
            "Tasks that wait for people, whose oldest input request is at least so many seconds old",
            ("older_than",),
            registry=self.registry,
        )
        self.grpc_requests = Counter(
            "opspawn_grpc_requests", "Calls that ended", (*grpc_labels, "code"), registry=self.registry
        )
        self.grpc_in_flight = Gauge(
            "opspawn_grpc_requests_in_flight", "Calls that have not ended, watches included", registry=self.registry
        )
        self.grpc_seconds = Histogram(
            "opspawn_grpc_request_seconds",
            "Time to the end of a call with one response",
            grpc_labels,
            registry=self.registry,
        )
