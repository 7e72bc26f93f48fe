"""Posts events to the app's Event Grid endpoint."""

import ipaddress
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from ops.errors import OpsError

POST_SECONDS = 60.0

_OF_THE_EVENT = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Answers that say something of one event; any other would meet all of them."""


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would take the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = build_opener(_NoRedirects)
_LOCAL_OPENER = build_opener(_NoRedirects, ProxyHandler({}))


def is_local(url: str) -> bool:
    """Tell whether a URL is of this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def post(base: str, key: str | None, function: str, event: bytes) -> bool:
    """Deliver an event as Event Grid does, and tell whether it was accepted.

    Raises OpsError when nothing would be.
    """
    url = f"{base.rstrip('/')}/runtime/webhooks/EventGrid?{urlencode({'functionName': function})}"
    headers = {"aeg-event-type": "Notification", "Content-Type": "application/json; charset=utf-8"}
    if key:
        headers["x-functions-key"] = key
    request = Request(url, event, headers, method="POST")  # noqa: S310 - the command line takes only http(s)
    try:
        opener = _LOCAL_OPENER if is_local(base) else _OPENER
        with opener.open(request, timeout=POST_SECONDS) as response:
            status = response.status
    except HTTPError as error:
        status = error.code
        error.close()
    except TimeoutError:
        raise OpsError(f"{base} did not answer within {POST_SECONDS:.0f} seconds") from None
    except (OSError, HTTPException) as error:
        raise OpsError(f"cannot reach {base}: {getattr(error, 'reason', error)}") from None
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise OpsError(f"{base} answered {status}: --key should be the system key eventgrid_extension")
    if status == HTTPStatus.NOT_FOUND:
        raise OpsError(f"{base} answered 404: no function {function} takes Event Grid's events there")
    if status != HTTPStatus.ACCEPTED and status not in _OF_THE_EVENT:
        raise OpsError(f"{base} answered {status} instead of 202: is the app running?")
    return bool(status == HTTPStatus.ACCEPTED)
