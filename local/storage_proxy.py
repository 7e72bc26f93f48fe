"""A reverse proxy before Azurite, for the app alone: sees what storage takes, and fails on purpose.

Requests pass unchanged: a storage signature does not cover the host that a request goes to.
"""

import base64
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiohttp
from aiohttp import web
from yarl import URL

from local import web_server
from local.azurite import SERVICES
from local.journal import Fault, Journal
from local.ports import HOST

HANG_SECONDS = 30.0
"""More than the app waits."""

_MESSAGE = re.compile(rb"<MessageText>(.*)</MessageText>", re.DOTALL)
_OF_ONE_CONNECTION = ("connection", "keep-alive", "transfer-encoding")


@asynccontextmanager
async def serving(port: int, storage_port: int, journal: Journal) -> AsyncIterator[None]:
    """Serve on successive ports, until the context ends, the services of an Azurite on others."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None))
        )
        for offset in range(len(SERVICES)):
            application = _application(http, f"http://{HOST}:{storage_port + offset}", journal)
            await stack.enter_async_context(web_server.serving(application, port + offset))
        yield


def _application(http: aiohttp.ClientSession, storage: str, journal: Journal) -> web.Application:
    async def forward(request: web.Request) -> web.Response:
        body = await request.read()
        place, document = _document(request, body)
        delivery = journal.writing(document) if document else None
        if delivery is not None:
            await _fail(request, delivery.attempts[-1].fault, journal)
        url = URL(storage + request.raw_path, encoded=True)
        try:
            async with http.request(
                request.method,
                url,
                headers=request.headers,
                data=body or None,
                skip_auto_headers=["Content-Type"],  # a signature covers it
                allow_redirects=False,
            ) as answer:
                content = await answer.read()
        except aiohttp.ClientError:  # nothing answers, as the app should see
            raise _gone(request) from None
        if delivery is not None and answer.status < 300:
            journal.wrote(delivery, place, document)
        headers = answer.headers.copy()
        for name in _OF_ONE_CONNECTION:
            headers.popall(name, None)
        return web.Response(status=answer.status, headers=headers, body=content)

    application = web.Application(client_max_size=0)
    application.add_routes([web.route("*", "/{path:.*}", forward)])
    return application


def _document(request: web.Request, body: bytes) -> tuple[str, str]:
    """Return where a request writes a document, and the document; empty texts where it writes none."""
    _, _, place = request.path.removeprefix("/").partition("/")
    if request.method == "POST" and place.endswith("/messages") and (match := _MESSAGE.search(body)):
        return place.removesuffix("/messages"), base64.b64decode(match[1]).decode(errors="replace")
    if request.method == "PUT" and "x-ms-blob-type" in request.headers:
        return place, body.decode(errors="replace")
    return "", ""


async def _fail(request: web.Request, fault: Fault | None, journal: Journal) -> None:
    """Raise what broken storage answers, if it is to be broken."""
    match fault:
        case "storage-503":
            raise web.HTTPServiceUnavailable(headers={"x-ms-error-code": "ServerBusy"})
        case "storage-hangs":
            await journal.mended(HANG_SECONDS)
            raise _gone(request)
        case "storage-away":
            raise _gone(request)


def _gone(request: web.Request) -> web.HTTPException:
    """Close the connection, so that the answer goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.HTTPBadGateway()
