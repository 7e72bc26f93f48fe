"""Clients for the storage account that `OutcomesStorage` names, by connection string or by identity."""

import os
from functools import cache
from typing import TYPE_CHECKING

from azure.data.tables import TableClient, TableServiceClient
from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient, QueueServiceClient

if TYPE_CHECKING:
    from azure.identity import DefaultAzureCredential

SETTING = "OutcomesStorage"


@cache
def oversize() -> ContainerClient:
    """Return the container of the outcomes that are too large for a queue message."""
    name = os.environ.get("OVERSIZE_CONTAINER", "acs-outcomes")
    return _service(BlobServiceClient, "blob").get_container_client(name)


@cache
def queue(name: str) -> QueueClient:
    """Return a queue. Its messages are sent and received as they are, without encoding."""
    return _service(QueueServiceClient, "queue").get_queue_client(name)


@cache
def table(name: str) -> TableClient:
    """Return a table, created if it is missing."""
    return _service(TableServiceClient, "table").create_table_if_not_exists(name)


def _service[Client: (BlobServiceClient, QueueServiceClient, TableServiceClient)](
    client_type: type[Client], service: str
) -> Client:
    if connection_string := os.environ.get(SETTING):
        return client_type.from_connection_string(connection_string)
    return client_type(os.environ[f"{SETTING}__{service}ServiceUri"], credential=_identity())


@cache
def _identity() -> "DefaultAzureCredential":
    """Return the app's managed identity in Azure, and on a laptop whoever ran `az login`."""
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=os.environ.get(f"{SETTING}__clientId"))
