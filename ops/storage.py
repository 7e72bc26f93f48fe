"""Connects to the app's storage account, as the app's settings say."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from azure.core.credentials import TokenCredential
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient

from ops import endpoint
from ops.blob_letters import BlobLetters
from ops.errors import OpsError
from ops.queue_letters import QueueLetters
from shared.settings import ConnectionStringStorage, IdentityStorage, Settings

_OPTIONS: dict[str, Any] = {
    "retry_total": 2,
    "initial_backoff": 0,
    "increment_base": 2,
    "random_jitter_range": 1,
    "connection_timeout": 5,
    "read_timeout": 20,
}

_NO_PROXY: dict[str, Any] = {"proxies": {"no_proxy": "*"}}


@dataclass(frozen=True)
class Storage:
    """The storage account, to which each client is connected when it is first needed."""

    settings: Settings
    credential: TokenCredential | None
    stack: ExitStack

    @property
    def url(self) -> str:
        return str(self.queues.url)

    @cached_property
    def queues(self) -> QueueServiceClient:
        return self._client(QueueServiceClient, lambda identity: identity.queue_service_uri)

    @cached_property
    def blobs(self) -> BlobServiceClient:
        return self._client(BlobServiceClient, IdentityStorage.require_blob_service_uri)

    def queue(self, name: str) -> QueueClient:
        return self.queues.get_queue_client(name)

    def queue_letters(self) -> QueueLetters:
        """Return the app's own dead letters."""
        return QueueLetters(
            self.queue(self.settings.dead_letter_queue),
            self.blobs.get_container_client(self.settings.oversize_container),
        )

    def blob_letters(self, container: str) -> BlobLetters:
        """Return Event Grid's dead letters."""
        return BlobLetters(self.blobs.get_container_client(container))

    def _client[C: (QueueServiceClient, BlobServiceClient)](
        self, kind: type[C], uri: Callable[[IdentityStorage], str]
    ) -> C:
        match self.settings.storage:
            case ConnectionStringStorage(text):
                connect = partial(kind.from_connection_string, text, **_OPTIONS)
            case IdentityStorage() as identity:
                connect = partial(kind, uri(identity), credential=self.credential, **_OPTIONS)
        try:
            client = connect()
            if endpoint.is_local(str(client.url)):
                client = connect(**_NO_PROXY)
        except ValueError as error:
            raise OpsError(f"OutcomesStorage is wrong: {error}") from None
        return self.stack.enter_context(client)


@contextmanager
def connected(settings: Settings) -> Iterator[Storage]:
    """Connect with a connection string, or with the operator's own identity."""
    logging.getLogger("azure").setLevel(logging.CRITICAL)  # what is logged is raised as well
    with ExitStack() as stack:
        credential: TokenCredential | None = None
        if isinstance(settings.storage, IdentityStorage):
            from azure.identity import DefaultAzureCredential

            client_id = settings.storage.client_id
            credential = stack.enter_context(DefaultAzureCredential(managed_identity_client_id=client_id))
        yield Storage(settings, credential, stack)
