"""A process of the app with OpenTelemetry on. It delivers events over HTTP and prints all telemetry.

`python -m tests.measured [broken] <DELIVERIES`: a JSON array of pairs of a function and an event. `broken`
makes every handler raise an error that quotes its event. What would be sent to Azure Monitor is kept in
memory. The worker runtime, the trace context of invocations and the spans of the Azure SDK are as in Azure.
"""

import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import aiohttp
from azure.core.settings import settings as azure_settings
from azure.core.tracing.ext.opentelemetry_span import OpenTelemetrySpan
from azure_functions_runtime import otel
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import set_tracer_provider

from local import host
from local.journal import Journal
from local.runtime import App
from shared.decoding import Event
from shared.handling import Handler, Outcomes
from shared.outcomes import Outcome

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE_ID}-b7ad6b7169203331-01"
"""Trace context of every invocation."""

IN_FLIGHT = 8


class Exporters:
    """OpenTelemetry as Azure Monitor's distribution sets it up, but with exporters in memory."""

    def __init__(self) -> None:
        self._spans, self._logs = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
        self._metrics = InMemoryMetricReader()
        tracers, loggers = TracerProvider(), LoggerProvider()
        tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        loggers.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        set_tracer_provider(tracers)
        set_meter_provider(MeterProvider([self._metrics]))
        logging.basicConfig(level=logging.DEBUG)
        logging.getLogger().addHandler(LoggingHandler(logger_provider=loggers))
        azure_settings.tracing_implementation = OpenTelemetrySpan
        otel.otel_manager.set_otel_libs_available(True)
        otel.update_opentelemetry_status()

    def exported(self) -> dict[str, Any]:
        """Return all that was exported, in OpenTelemetry's own JSON."""
        data = self._metrics.get_metrics_data()
        return {
            "spans": [json.loads(span.to_json()) for span in self._spans.get_finished_spans()],
            "logs": [json.loads(log.to_json()) for log in self._logs.get_finished_logs()],
            "metrics": json.loads(data.to_json()) if data else {},
        }


async def deliver(app: App, deliveries: list[tuple[str, str]]) -> list[tuple[int, str]]:
    """Post each event to its function, and return the status and the body of each answer."""
    limit = asyncio.Semaphore(IN_FLIGHT)

    async def current_app() -> host.Invoker:
        return app

    async def post(session: aiohttp.ClientSession, url: str, function: str, event: str) -> tuple[int, str]:
        headers, query = {"aeg-event-type": "Notification"}, {"functionName": function}
        async with limit, session.post(url, params=query, data=event.encode(), headers=headers) as answer:
            return answer.status, await answer.text()

    journal = Journal(lambda _: None)  # drops what the local stack prints
    async with host.serving(current_app, 0, journal) as port, aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}{host.PATH}"
        return await asyncio.gather(*(post(session, url, *delivery) for delivery in deliveries))


async def pass_on(event: Event[Any]) -> Outcome:
    """Pass the event on, as the app's handlers do by default."""
    return Outcome.of(event)


async def broken(event: Event[Any]) -> Outcome:
    """Fail with an error that quotes the event, as bugs do."""
    try:
        int(repr(event))
    except ValueError as error:
        raise RuntimeError(f"cannot handle {event}") from error
    return Outcome.of(event)


def replace_handlers(handler: Handler[Any, Outcomes]) -> None:
    """Make every family of the app use this handler."""
    from tests.events import FAMILIES

    for family in FAMILIES.values():
        family.handlers = dict.fromkeys(family.handlers, handler)


def main() -> None:
    exporters = Exporters()
    app = App(Path.cwd(), TRACEPARENT)
    replace_handlers(broken if "broken" in sys.argv else pass_on)
    answers = asyncio.run(deliver(app, json.load(sys.stdin)))
    sys.stdout.write(json.dumps({"trace_id": TRACE_ID, "answers": answers, **exporters.exported()}))
    sys.stdout.flush()
    os._exit(0)  # as Azure ends it, with open connections


if __name__ == "__main__":
    main()
