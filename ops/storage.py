"""Connects to the app's storage account, as the app's settings say."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, QueueServiceClient

from ops.blob_letters import BlobLetters
from ops.errors import OpsError
from ops.queue_letters import QueueLetters
from shared.settings import ConnectionStringStorage, IdentityStorage, Settings

if TYPE_CHECKING:
    from azure.identity import DefaultAzureCredential

_OPTIONS: dict[str, Any] = {
    "retry_total": 2,
    "initial_backoff": 0,
    "increment_base": 2,
    "random_jitter_range": 1,
    "connection_timeout": 5,
    "read_timeout": 20,
}


@dataclass(frozen=True)
class Storage:
    """The storage account."""

    settings: Settings
    queues: QueueServiceClient
    blobs: BlobServiceClient

    @property
    def url(self) -> str:
        return str(self.queues.url)

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


@contextmanager
def connected(settings: Settings) -> Iterator[Storage]:
    """Connect with a connection string, or with the operator's own identity."""
    logging.getLogger("azure").setLevel(logging.CRITICAL)  # what is logged is raised as well
    with ExitStack() as stack:
        match settings.storage:
            case ConnectionStringStorage(text):
                try:
                    queues = QueueServiceClient.from_connection_string(text, **_OPTIONS)
                    blobs = BlobServiceClient.from_connection_string(text, **_OPTIONS)
                except ValueError as error:
                    raise OpsError(f"the storage connection string is wrong: {error}") from None
            case IdentityStorage(queue_service_uri=uri, client_id=client_id) as storage:
                credential = stack.enter_context(_credential(client_id))
                queues = QueueServiceClient(uri, credential=credential, **_OPTIONS)
                blob_uri = storage.require_blob_service_uri()
                blobs = BlobServiceClient(blob_uri, credential=credential, **_OPTIONS)
        yield Storage(settings, stack.enter_context(queues), stack.enter_context(blobs))


def _credential(client_id: str | None) -> "DefaultAzureCredential":
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=client_id)
