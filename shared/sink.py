"""Writes outcomes to Azure Storage queues; those too large for a message go to a blob first (claim check)."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies
from uuid import uuid4

import msgspec
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from shared.identity import Identity, TokenError
from shared.outcomes import Outcome
from shared.refusals import advice
from shared.settings import ConnectionStringStorage, IdentityStorage, Settings, SettingsError, get_settings
from shared.telemetry import traceparent

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient

MESSAGE_LIMIT = 49_152
"""Bytes that a message of 64 KiB holds once they are Base64."""

WRITE_TIMEOUT = 18.0
"""Seconds that all writes of one delivery may take, with retries. Event Grid waits 30 s, then sends again."""


class SinkError(Exception):
    """Storage did not take an outcome. Names the setting to look at; says nothing of the outcome."""


class QueueSink:
    """The process's connection to storage; belongs to the event loop that it was made on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # The worker passes on every record; azure-core writes one for each request.
        for name in ("azure.core", "azure.identity", "azure.storage"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._options: dict[str, Any] = {
            # The SDK gives its timeouts only to a transport that it makes itself.
            "transport": AioHttpTransport(
                connection_timeout=3,
                read_timeout=6,
                # Proxies and netrc are looked up for each request, so only where there is a proxy.
                use_env_settings="https" in getproxies(),
            ),
            "retry_total": 3,
            "initial_backoff": 0,
            "increment_base": 2,
            "random_jitter_range": 1,
        }
        self._identity = Identity.of(settings.storage)
        self._service = self._connect()
        self._queues: dict[str, QueueClient] = {}

    async def write(self, queue: str, outcomes: list[Outcome]) -> list[int]:
        """Write outcomes, creating a missing queue; return their sizes in bytes. Raises SinkError."""
        deadline = asyncio.get_running_loop().time() + WRITE_TIMEOUT
        trace = traceparent() or msgspec.UNSET
        # Before the first is written: with one that cannot be encoded the others would be, at each retry.
        messages = [msgspec.structs.replace(outcome, traceparent=trace) for outcome in outcomes]
        documents = [message.encode() for message in messages]
        for outcome, message, document in zip(outcomes, messages, documents, strict=True):
            if len(document) > MESSAGE_LIMIT:
                # The blob holds it without the traceparent, so that a redelivery's is the same.
                reference = await self._store(outcome, deadline)
                document = msgspec.structs.replace(message, dataref=reference, data=msgspec.UNSET).encode()
            await self._send(queue, document.decode(), deadline)
        return [len(document) for document in documents]

    async def close(self) -> None:
        """Close all connections."""
        await self._service.close()
        if self._identity is not None:
            await self._identity.close()

    async def _send(self, queue: str, message: str, deadline: float) -> None:
        client = self._queue(queue)
        expires = queue != self._settings.dead_letter_queue
        send = partial(
            client.send_message,
            message,
            time_to_live=self._settings.outcome_ttl_seconds if expires else -1,
            client_request_id=str(uuid4()),  # the SDK's own is a uuid1, which asks the system each time
        )
        async with self._writing(f"queue {queue} ({self._settings.setting_of(queue)})", deadline):
            await _creating(send, client.create_queue)

    def _queue(self, name: str) -> QueueClient:
        if name not in self._queues:
            self._queues[name] = self._service.get_queue_client(
                name, message_encode_policy=TextBase64EncodePolicy()
            )
        return self._queues[name]

    def _connect(self) -> QueueServiceClient:
        match self._settings.storage:
            case ConnectionStringStorage(connection_string):
                try:
                    return QueueServiceClient.from_connection_string(connection_string, **self._options)
                except ValueError:
                    raise SettingsError("OutcomesStorage names no queue endpoint that can be used.") from None
            case IdentityStorage(queue_service_uri=uri):
                return QueueServiceClient(uri, credential=self._identity, **self._options)

    async def _store(self, outcome: Outcome, deadline: float) -> str:
        """Put a document into the oversize container; return its URL. A redelivery overwrites it."""
        from azure.storage.blob import ContentSettings

        document = outcome.encode()
        container = self._container
        name = f"{outcome.type}/{hashlib.sha256(document).hexdigest()}.json"
        upload = partial(
            container.upload_blob,
            name,
            document,
            overwrite=True,
            content_settings=ContentSettings(content_type="application/cloudevents+json"),
        )
        async with self._writing(f"container {container.container_name} (OVERSIZE_CONTAINER)", deadline):
            await _creating(upload, container.create_container)
        url, _, _ = str(container.url).partition("?")  # after which it may have a signature
        return f"{url}/{name}"

    @asynccontextmanager
    async def _writing(self, place: str, deadline: float) -> AsyncIterator[None]:
        """Turn what keeps storage from taking an outcome in time into a SinkError."""
        try:
            async with asyncio.timeout_at(deadline):
                yield
        except (AzureError, TimeoutError, TokenError) as error:
            fault = _fault(error, self._settings.storage)
            raise SinkError(f"{fault} Not written: an outcome for the {place}.") from None

    @cached_property
    def _container(self) -> "ContainerClient":
        """Has the transport of the queues, and closes with it."""
        # Imported only when used: few outcomes are this large, and every cold start would pay.
        from azure.storage.blob.aio import BlobServiceClient

        match self._settings.storage:
            case ConnectionStringStorage(connection_string):
                try:
                    service = BlobServiceClient.from_connection_string(connection_string, **self._options)
                except ValueError:
                    raise SettingsError(
                        "OutcomesStorage should have a BlobEndpoint beside its signature."
                    ) from None
            case IdentityStorage() as storage:
                uri = storage.require_blob_service_uri()
                service = BlobServiceClient(uri, credential=self._identity, **self._options)
        return service.get_container_client(self._settings.oversize_container)


async def _creating(write: Callable[[], Awaitable[object]], create: Callable[[], Awaitable[object]]) -> None:
    """Write to a place, which is created if it is missing."""
    try:
        await write()
    except ResourceNotFoundError:
        with suppress(ResourceExistsError):
            await create()
        await write()


def _fault(
    error: AzureError | TimeoutError | TokenError, storage: ConnectionStringStorage | IdentityStorage
) -> str:
    """Say what is wrong with storage, and what to do about it."""
    code = getattr(error, "error_code", None) or ""
    code = getattr(code, "value", code)
    match error:
        case TokenError():
            return str(error)
        case HttpResponseError() if code == "AuthorizationPermissionMismatch":
            if isinstance(storage, ConnectionStringStorage):
                return (
                    "The signature in OutcomesStorage lacks the permission to add messages or to write blobs."
                )
            return (
                "The identity lacks Storage Queue Data Message Sender or Storage Blob Data Contributor, "
                "or what it should write to is not there."
            )
        case ClientAuthenticationError():
            return f"Storage refused the credential of OutcomesStorage{code and f' ({code})'}{advice(code)}."
        case HttpResponseError(status_code=status):
            return f"Storage answered {status} {code}".rstrip() + f"{advice(code)}."
        case TimeoutError():
            return f"Storage did not answer within {WRITE_TIMEOUT:.0f} s: is OutcomesStorage right?"
        case _:
            return "Storage could not be reached: is OutcomesStorage right?"


@cache
def get_sink() -> QueueSink:
    """Return the sink of this process, whose worker has one event loop. Raises SettingsError."""
    return QueueSink(get_settings())
