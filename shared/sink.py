"""Writes outcomes to Azure Storage queues. One that is too large goes to a blob first (claim check)."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

import msgspec
from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport

from shared.identity import Identity, TokenError
from shared.outcomes import Outcome
from shared.queue_writer import QueueWriter
from shared.refusals import describe
from shared.settings import ConnectionStringStorage, IdentityStorage, Settings, SettingsError, get_settings
from shared.telemetry import traceparent

if TYPE_CHECKING:
    from azure.storage.blob.aio import ContainerClient

MESSAGE_LIMIT = 49_152
"""The largest document in bytes. In Base64 it fills a message of 64 KiB."""

WRITE_TIMEOUT = 18.0
"""Seconds that all writes of one delivery may take, with retries. Event Grid waits 30 s, then sends again."""


class SinkError(Exception):
    """Raised if storage does not accept an outcome. Names the setting to look at, nothing of the outcome."""


class QueueSink:
    """The connection of this process to storage. It belongs to the event loop on which it was made."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # The worker passes on every record; azure-core writes one for each request.
        for name in ("azure.core", "azure.identity", "azure.storage"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._transport = AioHttpTransport(
            connection_timeout=3,
            read_timeout=6,
            # Proxies and netrc are looked up for each request, so only where there is a proxy.
            use_env_settings="https" in getproxies(),
        )
        self._identity = Identity.of(settings.storage)
        try:
            self._writer = QueueWriter(settings.storage, self._identity, self._transport)
        except ValueError:
            raise SettingsError("OutcomesStorage names no queue endpoint or key that can be used.") from None

    async def write(self, queue: str, outcomes: list[Outcome]) -> list[int]:
        """Write outcomes, and create a missing queue. Returns their sizes in bytes. Raises SinkError."""
        deadline = asyncio.get_running_loop().time() + WRITE_TIMEOUT
        trace = traceparent()
        # All before the first is written: otherwise one bad outcome would make each retry repeat the others.
        messages = [msgspec.structs.replace(outcome, traceparent=trace) for outcome in outcomes]
        documents = [message.encode() for message in messages]
        for outcome, message, document in zip(outcomes, messages, documents, strict=True):
            if len(document) > MESSAGE_LIMIT:
                # Without the traceparent, so that a redelivery writes the same blob.
                reference = await self._store(outcome, deadline)
                document = msgspec.structs.replace(message, dataref=reference, data=None).encode()
            await self._send(queue, document, deadline)
        return [len(document) for document in documents]

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()
        if self._identity is not None:
            await self._identity.close()

    async def _send(self, queue: str, document: bytes, deadline: float) -> None:
        # Dead letters never expire.
        seconds = -1 if queue == self._settings.dead_letter_queue else self._settings.outcome_ttl_seconds
        put = partial(self._writer.put, queue, document, seconds)
        async with self._writing(f"queue {queue} ({self._settings.setting_of(queue)})", deadline):
            await _creating(put, partial(self._writer.create, queue))

    async def _store(self, outcome: Outcome, deadline: float) -> str:
        """Write a document to the oversize container, and return its URL. A redelivery overwrites it."""
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
        """Raise SinkError for an error of storage, a missing token, or the end of the time."""
        try:
            async with asyncio.timeout_at(deadline):
                yield
        except (AzureError, TimeoutError, TokenError) as error:
            fault = describe(error, self._settings.storage)
            raise SinkError(f"{fault} Not written: an outcome for the {place}.") from None

    @cached_property
    def _container(self) -> "ContainerClient":
        # Imported only when used: few outcomes are this large.
        from azure.storage.blob.aio import ContainerClient

        name = self._settings.oversize_container
        options: dict[str, Any] = {
            "transport": self._transport,
            "retry_total": 3,
            "initial_backoff": 0,
            "increment_base": 2,
            "random_jitter_range": 1,
        }
        try:
            match self._settings.storage:
                case ConnectionStringStorage(text):
                    return ContainerClient.from_connection_string(text, name, **options)
                case IdentityStorage() as storage:
                    uri = storage.require_blob_service_uri()
                    return ContainerClient(uri, name, credential=self._identity, **options)
        except ValueError:
            raise SettingsError("OutcomesStorage should have a BlobEndpoint beside its signature.") from None


async def _creating(write: Callable[[], Awaitable[object]], create: Callable[[], Awaitable[object]]) -> None:
    """Write to a queue or a container, and create it if it is missing."""
    try:
        await write()
    except ResourceNotFoundError:
        with suppress(ResourceExistsError):
            await create()
        await write()


@cache
def get_sink() -> QueueSink:
    """Return the sink of this process, whose worker has one event loop. Raises SettingsError."""
    return QueueSink(get_settings())
