"""Adds messages to storage queues, and creates queues, by requests of the REST API.

azure-storage-queue takes more than twice the CPU time for a message (docs/performance.md). It still reads
connection strings and signs. https://learn.microsoft.com/rest/api/storageservices/queue-service-rest-api
"""

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from typing import Any, override
from uuid import uuid4

from azure.core import AsyncPipelineClient
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError, map_error
from azure.core.pipeline import policies
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest

from shared.identity import Identity
from shared.settings import IdentityStorage, Storage

API_VERSION = "2021-12-02"
"""Old enough for the Azurite that a developer may have."""

SCOPE = "https://storage.azure.com/.default"

LONGEST_PAUSE = 10
"""Seconds that storage may ask to wait. If it asks for more, the delivery fails and Event Grid repeats it."""


class QueueWriter:
    """Adds messages to the queues of one account. Raises azure-core's errors and TokenError."""

    def __init__(self, storage: Storage, identity: Identity | None, transport: AioHttpTransport) -> None:
        """Connect. Raises ValueError for a connection string that cannot be used."""
        self._endpoint, self._signature = _endpoint(storage)
        self._signature()  # so that a key that is not Base64 raises here
        tokens = [policies.AsyncBearerTokenCredentialPolicy(identity, SCOPE)] if identity else []
        tracing = policies.DistributedTracingPolicy()  # which redacts the signature
        self._client = AsyncPipelineClient[HttpRequest, AsyncHttpResponse](
            self._endpoint,
            policies=[policies.UserAgentPolicy(), _Retries(retry_total=3), *tokens, tracing],
            transport=transport,
        )

    async def put(self, queue: str, document: bytes, time_to_live: int) -> None:
        """Add a message. A repeated request may add it twice, if the first one's answer was lost."""
        message = b"<QueueMessage><MessageText>%b</MessageText></QueueMessage>" % b64encode(document)
        await self._send("POST", f"{queue}/messages?messagettl={time_to_live}", message)

    async def create(self, queue: str) -> None:
        """Create a queue. Raises ResourceExistsError if it exists, or is being deleted."""
        await self._send("PUT", f"{queue}?timeout=10")

    async def _send(self, method: str, path: str, content: bytes = b"") -> None:
        headers = {
            "Content-Type": "application/xml",
            "x-ms-client-request-id": str(uuid4()),
            "x-ms-date": formatdate(usegmt=True),
            "x-ms-version": API_VERSION,
        }
        url = f"{self._endpoint}/{path}{self._signature()}"
        request = HttpRequest(method, url, headers=headers, content=content)
        response = await self._client.send_request(request, retry_on_methods=[method])
        if response.status_code not in (201, 204):
            map_error(response.status_code, response, _ERRORS)
            raise HttpResponseError(response=response)


_ERRORS: Mapping[int, type[HttpResponseError]] = {404: ResourceNotFoundError, 409: ResourceExistsError}


class _Retries(policies.AsyncRetryPolicy[HttpRequest, AsyncHttpResponse]):
    @override
    def is_retry(self, settings: Any, response: Any) -> bool:
        retries = super().is_retry(settings, response)
        return retries and (self.get_retry_after(response) or 0) <= LONGEST_PAUSE


def _endpoint(storage: Storage) -> tuple[str, Callable[[], str]]:
    """Return the queue endpoint, and what returns the signature for a URL."""
    if isinstance(storage, IdentityStorage):
        return storage.queue_service_uri, str
    from azure.storage.queue import QueueServiceClient, generate_account_sas

    service = QueueServiceClient.from_connection_string(storage.connection_string)
    endpoint, _, given = service.url.partition("?")
    if given:
        return endpoint.rstrip("/"), lambda: f"&{given}"

    @lru_cache(maxsize=1)
    def signature(hour: int) -> str:
        # Valid an hour longer at both ends than it is used, for clocks that differ.
        begin, end = (datetime.fromtimestamp(3600 * (hour + more), UTC) for more in (-1, 2))
        name, key = str(service.account_name), service.credential.account_key
        return "&" + generate_account_sas(
            name, key, resource_types="co", permission="ac", start=begin, expiry=end
        )

    return endpoint.rstrip("/"), lambda: signature(int(time.time() // 3600))
