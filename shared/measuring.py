"""The span and the metrics of a delivery. Only `shared.telemetry` imports it, if OpenTelemetry is on."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from opentelemetry.metrics import Histogram, get_meter
from opentelemetry.trace import Span, SpanKind, get_tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.delivery import Delivery

_tracer = get_tracer("acs_events")
_meter = get_meter("acs_events")
_propagator = TraceContextTextMapPropagator()


def _histogram(name: str, unit: str, description: str, buckets: Sequence[float]) -> Histogram:
    return _meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=buckets)


# Buckets are for backends that keep them. Azure Monitor keeps sum, count, minimum and maximum.
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
_AGES = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 21_600, 86_400)
_BYTES = (512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 49_152, 131_072, 524_288, 1_048_576)

_deliveries = _meter.create_counter("acs.deliveries", "{delivery}", "Deliveries by fate")
_duration = _histogram(
    "acs.delivery.duration", "s", "Time from the arrival of a delivery to its end", _SECONDS
)
_sink_duration = _histogram("acs.sink.duration", "s", "Time that storage took, with retries", _SECONDS)
_outcome_size = _histogram("acs.outcome.size", "By", "Size of an outcome or dead letter", _BYTES)
_event_age = _histogram("acs.event.age", "s", "Time from the event to its arrival", _AGES)

_METRIC_ATTRIBUTES = ("acs.function", "acs.event_type", "acs.fate", "acs.reason")


def span(function: str) -> AbstractContextManager[Span]:
    """Return the span of a delivery. It records an exception that is raised in it."""
    return _tracer.start_as_current_span(f"process {function}", kind=SpanKind.INTERNAL)


def finish(current: Span, delivery: Delivery, seconds: float, attributes: Mapping[str, str | float]) -> None:
    """Set the attributes of a delivery's span, and record the metrics."""
    current.set_attributes(attributes)
    dimensions = {name: attributes[name] for name in _METRIC_ATTRIBUTES}
    _deliveries.add(1, dimensions)
    _duration.record(seconds, dimensions)
    if delivery.sink_seconds is not None:
        _sink_duration.record(delivery.sink_seconds, dimensions)
    for size in delivery.sizes:
        _outcome_size.record(size, dimensions)
    if delivery.event_time is not None:
        since = datetime.now(UTC) - datetime.fromisoformat(delivery.event_time)
        _event_age.record(max(0.0, since.total_seconds() - seconds), dimensions)


def traceparent() -> str | None:
    """Return the current span as W3C Trace Context, or None outside a trace."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")
