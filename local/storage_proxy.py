"""A reverse proxy before Azurite, for the app alone: sees what storage takes, and fails on purpose.

Requests pass unchanged: a storage signature does not cover the host that a request goes to.
"""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from local import web_server
from local.azurite import SERVICES
from local.journal import Journal

_MESSAGE = re.compile(rb"<MessageText>(.*)</MessageText>", re.DOTALL)
_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding"}


@asynccontextmanager
async def serving(port: int, storage_port: int, journal: Journal) -> AsyncIterator[None]:
    """Serve on successive ports, until the context ends, the services of an Azurite on others."""
    async with aiohttp.ClientSession(auto_decompress=False) as http:

        async def forward(request: web.Request) -> web.Response:
            body = await request.read()
            place, document = _document(request, body)
            delivery = journal.writing(document)
            fault = delivery and delivery.attempts[-1].fault
            if fault == "storage-503":
                return web.Response(status=503, headers={"x-ms-error-code": "ServerBusy"})
            if fault == "storage-hangs":
                await asyncio.sleep(30)  # more than the app waits
            is_away = fault in ("storage-hangs", "storage-away")
            # Nothing listens on port 1.
            target = 1 if is_away else (request.url.port or 0) - port + storage_port
            try:
                async with http.request(
                    request.method,
                    request.url.with_port(target),
                    headers=request.headers,
                    data=body or None,
                    skip_auto_headers=["Content-Type"],  # a signature covers it
                    allow_redirects=False,
                ) as answer:
                    content = await answer.read()
            except aiohttp.ClientError:
                request.protocol.force_close()  # the app gets no answer either
                return web.Response()
            if delivery is not None and answer.ok:
                journal.wrote(delivery, place, document)
            headers = [each for each in answer.headers.items() if each[0].lower() not in _OF_ONE_CONNECTION]
            return web.Response(status=answer.status, headers=headers, body=content)

        routes = [web.route("*", "/{path:.*}", forward)]
        application = web_server.application(routes, journal.report, use="", body_limit=0)
        async with web_server.serving(application, port, ports=len(SERVICES), shutdown_seconds=0.1):
            yield


def _document(request: web.Request, body: bytes) -> tuple[str, str]:
    """Return where a request writes, a queue or a blob, and the text that it writes."""
    _, _, place = request.path.removeprefix("/").partition("/")
    if request.method == "POST" and (match := _MESSAGE.search(body)):
        return place.removesuffix("/messages"), base64.b64decode(match[1]).decode(errors="replace")
    return place, body.decode(errors="replace")
