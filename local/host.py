"""Stands in for the Functions host's Event Grid endpoint, whose answers it gives; keys are not asked for.

The answers are those of `HttpRequestProcessor` in Azure/azure-sdk-for-net,
sdk/eventgrid/Microsoft.Azure.WebJobs.Extensions.EventGrid.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Protocol

from aiohttp import web

from local import web_server
from local.host_json import compact, first_value
from local.journal import HEADER, Delivery, Journal

PATH = "/runtime/webhooks/EventGrid"

BODY_LIMIT = 104_857_600
"""Bytes, the Functions host's default."""

_VERBS = ("GET", "PUT", "POST", "DELETE", "OPTIONS")
_ROUTE = "/runtime/webhooks/{eventgrid:(?i:eventgrid)}{extra:(/.*)?}"
_ORIGINS = (
    "eventgrid.azure.net",
    "eventgrid.azure.us",
    "eventgrid.azure.eaglex.ic.gov",
    "eventgrid.azure.microsoft.scloud",
    "eventgrid.azure.cn",
)
_FORM, _MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_NO_EVENT = "the host reads this body as a form, not as an event (curl: -H 'content-type: application/json')"


class Invoker(Protocol):
    """An app that is loaded."""

    @property
    def functions(self) -> Collection[str]: ...

    def invoke(self, function: str, event: str) -> Awaitable[str | None]:
        """Start an invocation now; the result is the error's text if it fails."""
        ...


CurrentApp = Callable[[], Awaitable[Invoker | None]]
"""Returns the app as it is now, or None while it does not load."""


class _RefusedError(Exception):
    """A request that cannot be delivered: the answer's status and text, and what to tell the developer."""

    def __init__(self, status: int, warning: str, text: str | None = None) -> None:
        super().__init__(warning)
        self.status = status
        self.text = text


@asynccontextmanager
async def serving(current_app: CurrentApp, port: int, journal: Journal) -> AsyncIterator[int]:
    """Serve the endpoint on a port, any free one for 0, until the context ends. Yields the port."""

    async def event_grid(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            return await _answer(request, body, await current_app(), journal)
        except _RefusedError as error:
            _note(error, request, body, journal)
            return web.Response(status=error.status, text=error.text)

    application = web_server.application(
        [web.get("/", _home), *(web.route(verb, _ROUTE, event_grid) for verb in _VERBS)],
        journal.report,
        use=f"events are posted to {PATH}?functionName=NAME",
        body_limit=BODY_LIMIT,
    )
    async with web_server.serving(application, port) as bound_port:
        yield bound_port


async def _home(_: web.Request) -> web.Response:
    return web.Response(text=f"The app's local host is up. Events go to {PATH}?functionName=NAME\n")


async def _answer(request: web.Request, body: bytes, app: Invoker | None, journal: Journal) -> web.Response:
    if app is None:
        raise _RefusedError(404, "the app does not load")
    if request.content_type == _MULTIPART:
        raise _RefusedError(500, _NO_EVENT)
    function = ",".join(request.query.getall("functionName", []))
    if function not in app.functions:
        text = f"cannot find function: '{function}'"
        raise _RefusedError(404, f"{text}; the functions are {', '.join(app.functions)}", text)
    if request.method == "OPTIONS":
        origin = request.headers.get("WebHook-Request-Origin")
        return web.Response(headers={"Webhook-Allowed-Origin": origin if origin in _ORIGINS else _ORIGINS[0]})
    match request.headers.get("aeg-event-type", "").lower():
        case "subscriptionvalidation":
            return _validate(_text(request, body))
        case "notification":
            return await _deliver(request, _text(request, body), function, app, journal)
        case "unsubscribe":
            return web.Response(status=202)
    raise _RefusedError(
        400, "an event needs the header aeg-event-type (with curl: -H 'aeg-event-type: Notification')"
    )


def _text(request: web.Request, body: bytes) -> str:
    """Decode the body as leniently as the Functions host, which replaces what is not of the charset."""
    if request.content_type == _FORM:  # the host has read it as a form by now, and finds no text
        raise _RefusedError(500, _NO_EVENT)
    try:
        return body.decode(request.charset or "utf-8", errors="replace").removeprefix("\ufeff")
    except LookupError:
        raise _RefusedError(500, "the charset of the content type is unknown") from None


def _validate(text: str) -> web.Response:
    """Answer the handshake of a new subscription; its code comes in the schema of the subscription."""
    try:
        content = json.loads(text)
        data = content[0]["data"] if isinstance(content, list) else content["data"]
        if isinstance(data, str) and not isinstance(content, list):  # only there it may be a string of JSON
            data = json.loads(data)
        code = data["validationCode"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise _RefusedError(500, "the event holds no data.validationCode") from None
    answer = {"validationResponse": "" if code is None else str(code)}
    return web.Response(text=json.dumps(answer, separators=(",", ":")))


async def _deliver(
    request: web.Request, text: str, function: str, app: Invoker, journal: Journal
) -> web.Response:
    """Invoke the function once for each event, all at once; one failure fails the delivery."""
    try:
        events = _events(text)
    except ValueError as error:
        raise _RefusedError(500, str(error)) from None
    objects = [event for event in events if event.startswith("{")]
    known = _known(request, journal) if len(events) == 1 else None
    deliveries = [known or journal.begin(journal.add(event, function)) for event in objects]
    if known is not None:
        known.event = events[0]
    # All are started before the first await, during which the app could be replaced.
    errors = await asyncio.gather(*(_invoke(app, function, delivery) for delivery in deliveries))
    for delivery, failure in zip(deliveries, errors, strict=True):
        delivery.attempts[-1].error = failure
        if known is None:
            journal.end(delivery, 202 if failure is None else 500)
    if len(objects) < len(events):
        raise _RefusedError(500, "an element of the array is not a JSON object")
    if any(failure is not None for failure in errors):
        return web.Response(status=500, text=f"Exception while executing function: Functions.{function}")
    return web.Response(status=202)


def _invoke(app: Invoker, function: str, delivery: Delivery) -> Awaitable[str | None]:
    if delivery.attempts[-1].fault == "function-fails":
        return asyncio.sleep(0, "made to fail")
    return app.invoke(function, delivery.event)


def _known(request: web.Request, journal: Journal) -> Delivery | None:
    """Return the delivery that this machine's Event Grid, or its page, has made the request for."""
    number = request.headers.get(HEADER, "")
    return journal.under_way.get(int(number)) if number.isdecimal() else None


def _note(error: _RefusedError, request: web.Request, body: bytes, journal: Journal) -> None:
    """Have the journal show a refusal. OPTIONS brings no event."""
    if delivery := _known(request, journal):
        delivery.attempts[-1].error = str(error)
    elif request.method != "OPTIONS":
        delivery = journal.add(body.decode(errors="replace"), request.query.get("functionName"))
        journal.begin(delivery)
        delivery.attempts[-1].error = str(error)
        journal.end(delivery, error.status)


def _events(text: str) -> list[str]:
    """Return the events of a body as the host writes them. Raises ValueError."""
    content = first_value(text)
    if isinstance(content, list):
        return [compact(event, depth=1) for event in content]
    if isinstance(content, dict):
        return [compact(content)]
    raise ValueError("the body is JSON, but neither an object nor an array")
