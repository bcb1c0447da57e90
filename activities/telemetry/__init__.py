"""Spans and metrics of tasks, for OpenTelemetry and Prometheus."""
