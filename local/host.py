"""Stands in for the Functions host's Event Grid endpoint, whose answers it gives; keys are not asked for.

The answers are those of `HttpRequestProcessor` in Azure/azure-sdk-for-net,
sdk/eventgrid/Microsoft.Azure.WebJobs.Extensions.EventGrid.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any, Protocol

import msgspec
from aiohttp import web

from local.errors import AppNotLoadedError
from local.ports import HOST

PATH = "/runtime/webhooks/EventGrid"

BODY_LIMIT = 104_857_600
"""Bytes, the Functions host's default."""

_VERBS = ("GET", "PUT", "POST", "DELETE", "OPTIONS")
_EVENT_GRID = "eventgrid.azure.net"
_ORIGINS = (
    _EVENT_GRID,
    "eventgrid.azure.us",
    "eventgrid.azure.eaglex.ic.gov",
    "eventgrid.azure.microsoft.scloud",
    "eventgrid.azure.cn",
)
_SHUTDOWN_SECONDS = 5.0
_ESCAPES = re.compile(
    r"\\(?:ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|(?P<half>ud[89a-f][0-9a-f]{2})|.)",
    re.IGNORECASE | re.DOTALL,
)


class Invoker(Protocol):
    """An app that is loaded."""

    @property
    def functions(self) -> Collection[str]: ...

    def invoke(self, function: str, event: str) -> Awaitable[str | None]:
        """Start an invocation now; the result is the error's text if it fails."""
        ...


CurrentApp = Callable[[], Awaitable[Invoker]]
"""Returns the app as it is now. Raises AppNotLoadedError."""


def application(current_app: CurrentApp) -> web.Application:
    """Return the endpoint, delivering to whatever app is current at each request."""

    async def event_grid(request: web.Request) -> web.Response:
        if request.match_info["extension"].lower() != "eventgrid":
            return web.Response(status=404)
        body = await request.read()
        try:
            app = await current_app()
        except AppNotLoadedError:
            return web.Response(status=503, text="Function host is not running.")
        return await _answer(request, body, app)

    endpoint = web.Application(client_max_size=BODY_LIMIT, middlewares=[_empty_500])
    endpoint.add_routes(
        web.route(verb, "/runtime/webhooks/{extension}{extra:(/.*)?}", event_grid) for verb in _VERBS
    )
    endpoint.add_routes([web.get("/", _home)])
    return endpoint


@asynccontextmanager
async def serving(current_app: CurrentApp, port: int) -> AsyncIterator[int]:
    """Serve the endpoint until the context ends; 0 takes any free port. Yields the port."""
    # An invocation goes on when its request is hung up, as in the cloud: hence no handler_cancellation.
    runner = web.AppRunner(application(current_app), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def _home(_: web.Request) -> web.Response:
    return web.Response(text=f"The app's local host is up. Events go to {PATH}?functionName=NAME\n")


@web.middleware
async def _empty_500(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer what goes wrong outside of functions as the Functions host does."""
    try:
        return await handler(request)
    except (ValueError, RecursionError, msgspec.DecodeError):
        return web.Response(status=500)


async def _answer(request: web.Request, body: bytes, app: Invoker) -> web.Response:
    function = request.query.get("functionName", "")
    if function not in app.functions:
        return web.Response(status=404, text=f"cannot find function: '{function}'")
    if request.method == "OPTIONS":
        return web.Response(headers={"Webhook-Allowed-Origin": _allowed_origin(request)})
    match request.headers.get("aeg-event-type", "").lower():
        case "subscriptionvalidation":
            return _validate(_text(request, body))
        case "notification":
            return await _deliver(_text(request, body), function, app)
        case "unsubscribe":
            return web.Response(status=202)
    return web.Response(status=400)


def _allowed_origin(request: web.Request) -> str:
    origin = request.headers.get("WebHook-Request-Origin", "")
    return origin if origin in _ORIGINS else _EVENT_GRID


def _text(request: web.Request, body: bytes) -> str:
    """Decode the body as leniently as the Functions host, which replaces what is not of the charset."""
    try:
        return body.decode(request.charset or "utf-8", errors="replace").removeprefix("\ufeff")
    except LookupError:
        raise ValueError("unknown charset") from None


def _validate(text: str) -> web.Response:
    """Answer the handshake of a new subscription; its code comes in the schema of the subscription."""
    content = json.loads(text)
    event = content[0] if isinstance(content, list) and content else content
    code = _validation_code(event)
    return web.Response(
        text=json.dumps({"validationResponse": code}, separators=(",", ":"), ensure_ascii=False)
    )


def _validation_code(event: Any) -> str:
    data = event.get("data") if isinstance(event, dict) else None
    if isinstance(data, str):  # as in CloudEvents' schema
        data = json.loads(data)
    code = data.get("validationCode") if isinstance(data, dict) else None
    if not isinstance(code, str):
        raise ValueError("no validation code")  # noqa: TRY004 - it is the sender's input
    return code


async def _deliver(text: str, function: str, app: Invoker) -> web.Response:
    """Invoke the function once for each event, all at once; one failure fails the delivery."""
    errors = await asyncio.gather(*(_invoke(app, function, event) for event in _events(text)))
    if any(error is not None for error in errors):
        return web.Response(status=500, text=f"Exception while executing function: Functions.{function}")
    return web.Response(status=202)


def _events(text: str) -> list[str]:
    """Return the events as they are written in the body, numbers and all."""
    document = _verbatim(msgspec.json.decode(_mend_surrogates(text), type=msgspec.Raw))
    if document.startswith("{"):
        return [document]
    return [_verbatim(event) for event in msgspec.json.decode(document, type=list[msgspec.Raw])]


def _mend_surrogates(text: str) -> str:
    """Replace the escapes of halves of characters, as the Functions host's JSON reader does."""
    return _ESCAPES.sub(lambda escape: r"\ufffd" if escape["half"] else escape[0], text)


def _verbatim(json_value: msgspec.Raw) -> str:
    return bytes(json_value).decode().strip()


def _invoke(app: Invoker, function: str, event: str) -> Awaitable[str | None]:
    """Start an invocation at once: an await since the app was asked for could see it replaced."""
    return app.invoke(function, event) if event.startswith("{") else _refuse()


async def _refuse() -> str:
    return "an event is a JSON object"
