"""Calls the app's Event Grid endpoint as Event Grid does."""

import ipaddress
from typing import Self
from urllib.parse import urlencode, urlsplit

from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest

from ops.storage import OpsError, Storage

POST_SECONDS = 60
"""Seconds that the app may take to answer: a delivery's 25, and those of its start."""


def _is_local(url: str) -> bool:
    """Return whether a URL is of this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def app_url(storage: Storage, url: str | None) -> str:
    """Return where the app is: as given, or on this machine if storage is. Raises OpsError."""
    if url is None and not _is_local(storage.dead_letters().url):
        raise OpsError("storage is not on this machine: say with --to where the app is")
    return url or "http://127.0.0.1:7071"


class Endpoint:
    """The endpoint of one app. Redirects are not followed, so that key and events go nowhere else."""

    def __init__(self, url: str, key: str | None) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json"} | ({"x-functions-key": key} if key else {})
        self._transport = RequestsTransport(connection_timeout=10, read_timeout=POST_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def accepts(self, function: str, event: str) -> bool:
        """Deliver an event, and return whether the app accepted it. Raises OpsError if it takes none."""
        return self._ask("Notification", function, event, 202, of_this_event=(400, 413, 500)) == 202

    def check(self, function: str) -> None:
        """Validate a function as a new event subscription does: it is not run. Raises OpsError."""
        self._ask("SubscriptionValidation", function, '[{"data": {"validationCode": "check"}}]', 200)

    def _ask(
        self, kind: str, function: str, body: str, expected: int, of_this_event: tuple[int, ...] = ()
    ) -> int:
        url = f"{self.url}/runtime/webhooks/EventGrid?{urlencode({'functionName': function})}"
        headers = {"aeg-event-type": kind, **self._headers}
        try:
            request = HttpRequest("POST", url, headers=headers, content=body.encode())
            status: int = self._transport.send(request).status_code
        except AzureError as error:
            raise OpsError(f"cannot reach {self.url}: {_cause(error)}") from None
        match status:
            case 401 | 403:
                cure = "--key should be the system key eventgrid_extension"
            case 404:
                cure = f"there is no function {function}. Is the app deployed, and does it start?"
            case _ if status == expected or status in of_this_event:
                return status
            case _:
                cure = f"it should be {expected}. Is the app running?"
        raise OpsError(f"{self.url} answered {status}: {cure}")


def _cause(error: BaseException) -> BaseException:
    """Return the first cause of an error; the errors that it led to repeat it at length."""
    return _cause(error.__context__) if error.__context__ else error
