"""Metrics of tasks, model requests and tool calls in the ``/metrics`` of a worker: see docs/reference/metrics.md."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from temporalio.common import MetricMeter

from agentkit.messages import Usage

__all__ = ["BUCKETS", "TaskMetrics"]

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_LONG = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0, 604800.0)
BUCKETS = {
    "gen_ai_client_embeddings_duration": _SECONDS,
    "gen_ai_client_inference_duration": _SECONDS,
    "gen_ai_execute_tool_duration": _SECONDS,
    "gen_ai_invoke_agent_duration": _LONG,
    "opspawn_input_request_wait": _LONG,
    "opspawn_task_queue_time": _SECONDS,
}
"""Upper bounds of the histograms, in seconds."""
_TOKENS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read_input": "cached_tokens",
    "cache_write_input": "cache_write_tokens",
    "reasoning_output": "reasoning_tokens",
}
_MICRO = 1_000_000
_MAX_VALUES = 200
"""The most further values of a label in a process: names of agents and models come with requests, and may be any."""
_OTHER = "other"


class TaskMetrics:
    """Counts and times, labelled by agent and tenant, and never by task."""

    def __init__(self, meter: MetricMeter, known: Mapping[str, Collection[str]] | None = None) -> None:
        """Create the metrics; ``known`` has the values of labels, by the label's name, that never become ``other``."""
        self._times = {name: meter.create_histogram_float(name, unit="s") for name in BUCKETS}
        self._tokens = {
            field: meter.create_counter(f"gen_ai_client_inference_usage_{name}_tokens")
            for name, field in _TOKENS.items()
        }
        self._cost = meter.create_counter("opspawn_model_cost_micro_usd", "Millionths of a US dollar")
        self._ended = meter.create_counter("opspawn_tasks_ended", "Tasks by the status that they ended with")
        self._known = {name: frozenset(values) for name, values in (known or {}).items()}
        self._values: dict[str, set[str]] = {}

    def model_request(self, seconds: float, labels: dict[str, str], usage: Usage | None, error_type: str) -> None:
        """Count a request to a model; without usage where it failed."""
        labels = self._bounded(labels)
        self._record("gen_ai_client_inference_duration", seconds, {**labels, "error_type": error_type})
        if usage is None:
            return
        for field, counter in self._tokens.items():
            if count := getattr(usage, field):
                counter.add(count, labels)
        if usage.cost_usd:
            self._cost.add(round(usage.cost_usd * _MICRO), labels)

    def tool_call(self, seconds: float, labels: dict[str, str], error_type: str) -> None:
        """Count an attempt of a tool call."""
        self._record("gen_ai_execute_tool_duration", seconds, {**labels, "error_type": error_type})

    def embeddings(self, seconds: float, model: str, error_type: str) -> None:
        """Count a computation of vectors, for a task or not; ``model`` is ``Embedder.name``."""
        self._record("gen_ai_client_embeddings_duration", seconds, {"model": model, "error_type": error_type})

    def task_started(self, queue_s: float, labels: dict[str, str]) -> None:
        """Count the time between the moment that a task was to start and its first step."""
        self._record("opspawn_task_queue_time", queue_s, labels)

    def task_ended(self, seconds: float, labels: dict[str, str], status: str) -> None:
        """Count a task that has ended."""
        self._record("gen_ai_invoke_agent_duration", seconds, labels)
        self._ended.add(1, self._bounded({**labels, "status": status}))

    def input_request_ended(self, seconds: float, labels: dict[str, str], kind: str) -> None:
        """Count the time that people took to answer an input request, or that it had until it expired."""
        self._record("opspawn_input_request_wait", seconds, {**labels, "kind": kind})

    def _record(self, name: str, seconds: float, labels: dict[str, str]) -> None:
        self._times[name].record(max(seconds, 0.0), self._bounded(labels))

    def _bounded(self, labels: dict[str, str]) -> dict[str, str]:
        """Return the labels, with ``other`` for values beyond the most that a label may have."""
        return {name: self._bounded_value(name, value) for name, value in labels.items()}

    def _bounded_value(self, name: str, value: str) -> str:
        found = self._values.setdefault(name, set())
        if value not in found and value not in self._known.get(name, ()):
            if len(found) >= _MAX_VALUES:
                return _OTHER
            found.add(value)
        return value
