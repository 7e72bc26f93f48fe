"""Servers of a test's own: an endpoint or storage that answers as the test wants."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from yarl import URL


@asynccontextmanager
async def answering(
    answer: Callable[[web.Request], web.Response | Awaitable[web.Response]],
) -> AsyncIterator[str]:
    """Run a server that answers every request this way, and yield its URL."""

    async def answered(request: web.Request) -> web.Response:
        response = answer(request)
        return response if isinstance(response, web.Response) else await response

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answered)
    async with TestServer(application) as server:
        yield str(server.make_url(""))


@asynccontextmanager
async def before(port: int, answer: Callable[[web.Request], web.Response | None]) -> AsyncIterator[int]:
    """Stand before a server of this machine, and yield the port. What is not answered is passed on."""

    async def passed_on(request: web.Request) -> web.Response:
        url = URL(f"http://127.0.0.1:{port}{request.raw_path}", encoded=True)
        body = await request.read()
        async with client.request(request.method, url, headers=request.headers, data=body) as found:
            body, headers = await found.read(), found.headers.copy()
            headers.popall("Transfer-Encoding", None)
            return web.Response(status=found.status, headers=headers, body=body)

    async with (
        ClientSession(skip_auto_headers=["Content-Type"]) as client,
        answering(lambda request: answer(request) or passed_on(request)) as url,
    ):
        yield URL(url).port or 0


def gone(request: web.Request) -> web.Response:
    """Close the connection, so that nothing is answered."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()
