"""The page that shows each event beside its outcome, and its API: docs/local.md."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from aiohttp import web
from azure.storage.queue.aio import QueueServiceClient

from local.azurite import NODE_MODULES
from local.event_schemas import SCHEMAS, Schema, converted, decoded, is_cloudevent, read_published
from local.eventgrid import EventGrid
from local.journal import FAULTS, Broken, Delivery, TimeScale
from local.reloading import ReloadingWorker
from local.sending import ALL_SAMPLES
from local.web_server import check

_LIT = ("lit-html.js", "directive.js", "directive-helpers.js", "directives/repeat.js")
FOLDER = Path(__file__).parent / "page"
FILES = {f"/{file.name}": file for file in FOLDER.iterdir()} | {"/": FOLDER / "index.html"}
FILES |= {f"/lit-html/{name}": NODE_MODULES / "lit-html" / name for name in _LIT}
FILES |= {f"/samples/{name}": file for name, file in ALL_SAMPLES.items()}

_CSP = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": _CSP, "X-Content-Type-Options": "nosniff"}
_ROW = [name for name in Delivery.__struct_fields__ if name not in ("event", "written")]


def routes(
    grid: EventGrid, workers: ReloadingWorker | None, connection_string: str, queues: Sequence[str]
) -> list[web.RouteDef]:
    """Return the routes of the page and its API; `workers` is None where another host runs the app."""
    faults = [fault for fault in FAULTS if workers or fault != "function-fails"]

    async def file(request: web.Request) -> web.FileResponse:
        return web.FileResponse(FILES[request.path], headers=_HEADERS)

    async def events(request: web.Request) -> web.Response:
        """Answer the last deliveries, newest first, whose fields have the values of the query."""
        check("parameter", request.query, Delivery.__struct_fields__)
        found = list(reversed(grid.journal.deliveries.values()))
        for name, value in request.query.items():
            found = [delivery for delivery in found if str(getattr(delivery, name)) == value]
        return web.json_bytes_response(found, dumps=msgspec.json.encode)

    async def stream(request: web.Request) -> web.StreamResponse:
        """Send all deliveries, without their texts, whenever one changes, as server-sent events."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **_HEADERS})
        await response.prepare(request)
        with suppress(ConnectionResetError):  # the page was closed
            while True:
                changed, found = grid.journal.changed, grid.journal.deliveries.values()
                rows = msgspec.json.encode([{name: getattr(each, name) for name in _ROW} for each in found])
                await response.write(b"retry: 1000\ndata: " + rows + b"\n\n")
                await asyncio.sleep(0.2)  # many changes are one message
                await changed.wait()
        return response

    async def status(_: web.Request) -> web.Response:
        """Answer why the app does not load, how long the queues are, and what is broken."""
        async with QueueServiceClient.from_connection_string(
            connection_string, retry_total=0, connection_timeout=1, read_timeout=2
        ) as storage:
            asked = [storage.get_queue_client(name).get_queue_properties() for name in queues]
            found = await asyncio.gather(*asked, return_exceptions=True)
        depths = [getattr(each, "approximate_message_count", None) for each in found]  # None for an error
        content = {
            "error": workers and workers.error,
            "functions": [subscription.function for subscription in grid.subscriptions],
            "samples": list(ALL_SAMPLES),
            "queues": dict(zip(queues, depths, strict=True)),
            "broken": grid.journal.broken,
            "time_scale": grid.time_scale,
        }
        return web.json_bytes_response(content, dumps=msgspec.json.encode)

    async def post(request: web.Request) -> web.Response:
        """Send events, break something or set the time scale. Waits for the results if the query says so."""
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="send JSON, with content-type: application/json")
        check("parameter", request.query, ("wait", "direct", "function", "schema"))
        check("schema", request.query.getall("schema", []), SCHEMAS)
        body, found = await request.read(), list[Delivery]()
        try:
            match request.match_info["action"]:
                case "send":
                    found = send(body, request.query)
                case "break":
                    broken = msgspec.convert(decoded(body), Broken)
                    check("fault", [] if broken.fault is None else [broken.fault], faults)
                    grid.journal.broken = broken
                case _:
                    grid.time_scale = msgspec.convert(decoded(body), TimeScale)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from None
        while "wait" in request.query and any(delivery.fate == "delivering" for delivery in found):
            await grid.journal.changed.wait()
        return web.json_bytes_response(found, dumps=msgspec.json.encode)

    def send(body: bytes, query: Mapping[str, str]) -> list[Delivery]:
        """Send events to Event Grid, or straight to their functions, or any text to one that is named."""
        if function := query.get("function"):
            return [grid.send(body.decode(errors="replace"), function)]
        content = decoded(body)
        events = content if isinstance(content, list) else [content]
        is_cloud = all(isinstance(event, dict) and is_cloudevent(event) for event in events)
        form = "application/cloudevents-batch+json" if is_cloud else "application/json"
        events = read_published(events, form)
        if schema := query.get("schema"):
            events = [converted(event, msgspec.convert(schema, Schema)) for event in events]
        return grid.publish(events, direct="direct" in query)

    return [
        *(web.get(path, file) for path in FILES),
        web.get("/api/events", events),
        web.get("/api/stream", stream),
        web.get("/api/status", status),
        web.post("/api/{action:send|break|time-scale}", post),
    ]
