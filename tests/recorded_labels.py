"""A meter whose histograms keep the labels that they get."""

from __future__ import annotations

from temporalio.common import MetricAttributes, MetricHistogramFloat, MetricMeter

__all__ = ["RecordedLabels", "meter_of"]


class RecordedLabels(MetricHistogramFloat):
    """Keeps the labels that it gets."""

    name = "recorded"
    description = None
    unit = None

    def __init__(self, found: list[dict[str, str]]) -> None:
        self.found = found

    def record(self, value: float, additional_attributes: MetricAttributes | None = None) -> None:
        self.found.append({name: str(value) for name, value in (additional_attributes or {}).items()})

    def with_additional_attributes(self, additional_attributes: MetricAttributes) -> RecordedLabels:
        return self


def meter_of(found: list[dict[str, str]]) -> MetricMeter:
    """Return a meter with such histograms; the others of its metrics keep nothing."""

    class Meter(type(MetricMeter.noop)):  # type: ignore[misc]
        def create_histogram_float(self, *_: object, **__: object) -> RecordedLabels:
            return RecordedLabels(found)

    meter: MetricMeter = Meter()
    return meter
