"""The page that shows each event beside what became of it, and its API: docs/local.md."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue.aio import QueueServiceClient

from local.azurite import NODE_MODULES
from local.event_schemas import Event, Schema, converted, is_cloudevent, read_published, type_of
from local.eventgrid import EventGrid
from local.host_json import compact
from local.journal import Delivery, Fault, Journal
from local.sending import samples
from local.worker_process import ReloadingWorker

FILES = Path(__file__).parent / "page"

CUT = 65_536
"""Characters of a text that are shown unless all of it is asked for."""

STREAM_SECONDS = 0.1
"""Between two messages of the stream, so that many changes are one message."""

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Sending(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST /api/send` takes."""

    event: str
    """The JSON of an event, or of several; with `function`, any text."""
    direct: bool = False
    """Straight to the function of the event's type."""
    function: str | None = None
    """Straight to this function."""
    schema: Schema | None = None
    again: int | None = None


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST /api/control` takes: what to break, for how many attempts, and how fast Event Grid is."""

    fault: Fault | msgspec.UnsetType | None = msgspec.UNSET
    attempts: int | None = None
    time_scale: float | None = None


@dataclass(frozen=True)
class Page:
    """The page of a stack."""

    grid: EventGrid
    journal: Journal
    workers: ReloadingWorker
    runs_app: bool
    """False where another host does."""
    connection_string: str
    queues: Sequence[str]

    def routes(self) -> list[web.RouteDef]:
        files = {"/": FILES / "index.html", "/lit-html.js": NODE_MODULES / "lit-html" / "lit-html.js"}
        files |= {f"/{file.name}": file for file in FILES.iterdir()}
        return [
            *(web.get(path, _file(file)) for path, file in files.items()),
            web.get("/api/events", self.events),
            web.get("/api/events/{number:[0-9]+}", self.event),
            web.get("/api/stream", self.stream),
            web.get("/api/status", self.status),
            web.get("/api/samples", self.samples),
            web.post("/api/send", self.send),
            web.post("/api/control", self.control),
        ]

    async def events(self, request: web.Request) -> web.Response:
        """Answer the last deliveries, newest first, or those with the values of the query in their fields."""
        found = [
            _shown(delivery)
            for delivery in reversed(self.journal.deliveries.values())
            if all(str(getattr(delivery, name, None)) == value for name, value in request.query.items())
        ]
        return _json(found)

    async def event(self, request: web.Request) -> web.Response:
        """Answer a delivery; with `wait` once it is known what becomes of it, with `full` its whole texts."""
        delivery = self.journal.deliveries.get(int(request.match_info["number"]))
        if delivery is None:
            return _json({"error": "there is no such delivery, or no longer"}, status=404)
        if "wait" in request.query:
            await self.journal.told(delivery)
        return _json(_shown(delivery, cut=None if "full" in request.query else CUT))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send all deliveries, then those that change, without their texts, as server-sent events."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **_HEADERS})
        await response.prepare(request)
        known = self.journal.deliveries
        with suppress(ConnectionResetError):  # the page was closed
            async with aclosing(self.journal.changes()) as changes:
                async for numbers in changes:
                    found = [_shown(known[number], cut=0) for number in sorted(numbers & known.keys())]
                    await response.write(b"retry: 1000\ndata: " + msgspec.json.encode(found) + b"\n\n")
                    await asyncio.sleep(STREAM_SECONDS)
        return response

    async def status(self, _: web.Request) -> web.Response:
        """Answer how the stack is: why the app does not load, the depths of the queues, what is broken."""
        content = {
            "error": self.workers.error,
            "runs_app": self.runs_app,
            "functions": [subscription.function for subscription in self.grid.subscriptions],
            "queues": await self._depths(),
            "time_scale": self.grid.time_scale,
            "fault": self.journal.fault,
            "faults_left": self.journal.faults_left,
        }
        return _json(content)

    async def samples(self, _: web.Request) -> web.Response:
        return _json(samples())

    async def send(self, request: web.Request) -> web.Response:
        """Send an event, and answer the numbers of its deliveries."""
        sending = await _read(request, Sending)
        try:
            found = self._send(sending)
        except ValueError as error:
            return _json({"error": str(error)}, status=400)
        return _json({"deliveries": [delivery.number for delivery in found]}, status=202)

    async def control(self, request: web.Request) -> web.Response:
        """Break or mend something, or have Event Grid's time run faster or slower."""
        change = await _read(request, Change)
        if change.fault == "function-fails" and not self.runs_app:
            return _json({"error": "another host runs the functions"}, status=400)
        if change.time_scale is not None and not 0 < change.time_scale <= 100_000:
            return _json({"error": "time_scale should be above 0, and 100,000 at most"}, status=400)
        if change.fault is not msgspec.UNSET:
            self.journal.break_(change.fault, change.attempts)
        self.grid.time_scale = change.time_scale or self.grid.time_scale
        return _json({})

    def _send(self, sending: Sending) -> list[Delivery]:
        if sending.function is not None and sending.schema is None:
            return [self.grid.send(sending.event, sending.function, sending.again)]
        events = _events(sending)
        if not sending.direct and sending.function is None:
            return self.grid.publish(events, sending.again)
        return [
            self.grid.send(compact(event), sending.function or self._function_of(event), sending.again)
            for event in events
        ]

    def _function_of(self, event: Event) -> str:
        for subscription in self.grid.subscriptions:
            if subscription.matches(event):
                return subscription.function
        raise ValueError(f"no function takes events of type {type_of(event)}; say which should get it")

    async def _depths(self) -> dict[str, int | None]:
        """Return about how many messages each queue holds; None where storage does not answer."""
        depths: dict[str, int | None] = {}
        async with QueueServiceClient.from_connection_string(
            self.connection_string, retry_total=0, connection_timeout=1, read_timeout=2
        ) as service:
            for name in self.queues:
                try:
                    properties = await service.get_queue_client(name).get_queue_properties()
                    depths[name] = properties.approximate_message_count
                except ResourceNotFoundError:
                    depths[name] = 0
                except AzureError:
                    depths[name] = None
        return depths


def _file(file: Path) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(file, headers=_HEADERS)

    return handler


async def _read[Asked](request: web.Request, asked: type[Asked]) -> Asked:
    """Return what a request asks for. Raises the answer to one that is not JSON of this form."""
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send JSON, with content-type: application/json")
    try:
        return msgspec.json.decode(await request.read(), type=asked)
    except msgspec.DecodeError as error:
        raise web.HTTPBadRequest(text=str(error)) from None


def _events(sending: Sending) -> list[Event]:
    """Return the events of a text, in the schema that is asked for. Raises ValueError."""
    try:
        content = json.loads(sending.event)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the event is not JSON: {error}") from None
    found = content if isinstance(content, list) else [content]
    is_cloudevents = bool(found) and isinstance(found[0], dict) and is_cloudevent(found[0])
    content_type = "application/cloudevents-batch+json" if is_cloudevents else "application/json"
    events = read_published(msgspec.json.encode(found), content_type)
    return [converted(event, sending.schema) if sending.schema else event for event in events]


def _shown(delivery: Delivery, cut: int | None = CUT) -> dict[str, Any]:
    """Return a delivery with so many characters of each text, and the sizes of all in bytes."""
    shown: dict[str, Any] = msgspec.to_builtins(delivery)
    for part, name in [(shown, "event"), *((written, "document") for written in shown["written"])]:
        part["size"] = len(part[name].encode())
        part[name] = part[name][:cut]
    return shown


def _json(content: object, status: int = 200) -> web.Response:
    body = msgspec.json.encode(content)
    return web.Response(body=body, status=status, content_type="application/json", headers=_HEADERS)
