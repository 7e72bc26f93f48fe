"""Connects to the app's storage account and to its endpoint, and says what is wrong with them."""

import os
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from shared.refusals import describe
from shared.settings import ConnectionStringStorage, IdentityStorage, Settings

POST_SECONDS = 60  # that the app may take to answer: a delivery's 25, and those of its start
IF_UNCHANGED: dict[str, Any] = {"match_condition": MatchConditions.IfNotModified}

_WAITS: dict[str, Any] = {"retry_total": 2, "initial_backoff": 1, "connection_timeout": 5, "read_timeout": 20}
_ROLES = "Storage Queue Data Contributor and Storage Blob Data Contributor"


class OpsError(Exception):
    """Something that the operator can put right; its text says what and how, in one line."""


class Storage(AbstractContextManager["Storage"]):
    """The storage account, with the operator's own login where settings name no key."""

    def __init__(self, settings: Settings) -> None:
        """Connect when it is needed. Raises OpsError."""
        self.settings = settings
        try:
            match settings.storage:
                case ConnectionStringStorage(text):
                    self.queues = QueueServiceClient.from_connection_string(text, **_WAITS)
                    self.blobs = BlobServiceClient.from_connection_string(text, **_WAITS)
                case IdentityStorage() as identity:
                    from azure.identity import DefaultAzureCredential

                    login = DefaultAzureCredential(managed_identity_client_id=identity.client_id)
                    self.queues = QueueServiceClient(identity.queue_service_uri, login, **_WAITS)
                    self.blobs = BlobServiceClient(identity.require_blob_service_uri(), login, **_WAITS)
        except ValueError as error:
            raise OpsError(f"OutcomesStorage is wrong: {error}") from None
        self.is_local = urlsplit(self.queues.url).hostname in ("127.0.0.1", "localhost", "::1")
        self.has_key = isinstance(settings.storage, ConnectionStringStorage)
        self.dead_letters = self.queues.get_queue_client(settings.dead_letter_queue)
        self.oversize = self.blobs.get_container_client(settings.oversize_container)

    def __exit__(self, _: object, error: BaseException | None, traceback: object) -> None:
        """Close the connections. Raises OpsError in place of an error of storage."""
        self.queues.close()
        self.blobs.close()
        if isinstance(error, AzureError):
            raise OpsError(self.fault(error)) from None

    def count(self) -> tuple[int, datetime]:
        """Return about how many dead letters the queue has, hidden ones too, and the time by its clock."""
        count, dates = 0, list[str]()
        hook: Any = {"raw_response_hook": lambda found: dates.append(found.http_response.headers["Date"])}
        with suppress(ResourceNotFoundError):
            count = self.dead_letters.get_queue_properties(**hook).approximate_message_count or 0
        return count, parsedate_to_datetime(dates[-1])

    def fault(self, error: AzureError | OpsError) -> str:
        """Say what is wrong, and what to do about it."""
        if isinstance(error, OpsError):
            return str(error)
        if getattr(error, "error_code", "") == "AuthorizationPermissionMismatch":
            return f"Your login lacks the roles {_ROLES}, or the signature lacks a permission."
        if isinstance(error, HttpResponseError) and error.response is None:
            return "Cannot sign in to storage: is OutcomesStorage right, or is `az login` needed?"
        if self.is_local and not isinstance(error, HttpResponseError):
            return "Storage could not be reached: start the local stack with `make run`."
        return describe(error, self.settings.storage)


class Endpoint:
    """The app's Event Grid endpoint. Redirects are not followed, so that key and events go nowhere else."""

    def __init__(self, storage: Storage, url: str | None) -> None:
        """Take the app on this machine if no URL is given and storage is there too. Raises OpsError."""
        if url is None and not storage.is_local:
            raise OpsError("storage is not on this machine: say with --to where the app is")
        key = os.environ.get("EVENTGRID_KEY", "").strip()
        if not (key.isascii() and key.isprintable()):
            raise OpsError("EVENTGRID_KEY should be printable ASCII")
        self.url = (url or "http://127.0.0.1:7071").rstrip("/")
        self._headers = {"Content-Type": "application/json"} | ({"x-functions-key": key} if key else {})
        self._transport = RequestsTransport(connection_timeout=10, read_timeout=POST_SECONDS)
        self.close = self._transport.close

    def post(self, kind: str, function: str, body: str, *expected: int) -> int:
        """Post to a function as Event Grid does, and return the status. Raises OpsError for any other."""
        url = f"{self.url}/runtime/webhooks/EventGrid?{urlencode({'functionName': function})}"
        headers = {"aeg-event-type": kind, **self._headers}
        request = HttpRequest("POST", url, headers=headers, content=body.encode())
        try:
            status = int(self._transport.send(request).status_code)
        except AzureError as error:
            _, _, cause = str(error).rpartition(": ")  # what is before it names the host again
            raise OpsError(f"cannot reach {self.url}: {cause}") from None
        if status not in expected:
            cures = dict.fromkeys((401, 403), "EVENTGRID_KEY should be the system key eventgrid_extension")
            cures[404] = f"there is no function {function}. Is the app deployed, and does it start?"
            cure = cures.get(status, f"it should be {expected[0]}. Is the app running?")
            raise OpsError(f"{self.url} answered {status}: {cure}")
        return status
