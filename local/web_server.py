"""Serves HTTP on this machine, to its own programs alone."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from local.ports import HOST
from ops.terminal import printable

type Report = Callable[[str], None]
"""Prints a line for the developer."""

_HOST_NAMES = (HOST, "localhost", "[::1]")


def application(
    routes: Iterable[web.RouteDef], report: Report, *, use: str, body_limit: int
) -> web.Application:
    """Return an application that reports what it refuses; `use` says which requests it takes."""

    @web.middleware
    async def refuse(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        status, reason = 403, _foreign(request)
        if reason is None:
            try:
                return await handler(request)
            except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
                status, reason = 404, use
        report(printable(f"{status} {request.method} {request.path}: {reason}"))
        return web.Response(status=status, text=reason if status == 403 else None)

    served = web.Application(client_max_size=body_limit, middlewares=[refuse])
    served.add_routes(routes)
    return served


def check(what: str, given: Iterable[str], valid: Sequence[str]) -> None:
    """Raise HTTPBadRequest, which names what is valid, if something that is given is not."""
    for value in given:
        if value not in valid:
            raise web.HTTPBadRequest(text=f"unknown {what} {value!r}: use one of {', '.join(valid)}")


@asynccontextmanager
async def serving(
    served: web.Application, port: int, *, ports: int = 1, shutdown_seconds: float = 5.0
) -> AsyncIterator[int]:
    """Serve an application on successive ports until the context ends, and yield the first.

    0 takes any free port. Requests that are not answered by the end have so many seconds left.
    """
    # A request that is hung up goes on, as in the cloud: aiohttp's default, without handler_cancellation.
    runner = web.AppRunner(served, access_log=None, shutdown_timeout=shutdown_seconds, auto_decompress=False)
    await runner.setup()
    try:
        for offset in range(ports):
            await web.TCPSite(runner, HOST, port + offset).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def _foreign(request: web.Request) -> str | None:
    """Return why a request may be a web page's from elsewhere, or None.

    OPTIONS is let through: it changes nothing, and Event Grid validates endpoints with it.
    """
    if request.host.rpartition(":")[0] not in _HOST_NAMES and request.host not in _HOST_NAMES:
        return f"the host {request.host!r} is not this machine: use {HOST} or localhost"
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    is_own = site in ("same-origin", "none") if site else origin in (None, f"http://{request.host}")
    if not is_own and request.method != "OPTIONS":
        return f"a web page from {origin or 'another site'} may not send requests to this port"
    return None
