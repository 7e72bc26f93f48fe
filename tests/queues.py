"""Reads the app's queues as a consumer does, with Microsoft's own clients."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.core.messaging import CloudEvent
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient, QueueMessage, TextBase64DecodePolicy

from examples.consumer.reading import read_outcome
from shared.settings import Settings

AZURITE_ACCOUNT = "devstoreaccount1"


class Queues:
    """The outcome queues, the dead-letter queue and the container of large documents in one account."""

    def __init__(self, connection_string: str, settings: Settings) -> None:
        self._connection_string = connection_string
        self._names = settings.queues
        self._dead_letter_queue = settings.dead_letter_queue
        self._oversize_container = settings.oversize_container

    def outcomes(self, family: str) -> list[dict[str, Any]]:
        """Return the outcomes of a family."""
        return [json.loads(message.content) for message in self.messages(self._names[family])]

    def dead_letters(self) -> list[dict[str, Any]]:
        """Return the dead letters."""
        return [json.loads(message.content) for message in self.messages(self._dead_letter_queue)]

    def cloud_events(self, family: str) -> list[CloudEvent[Any]]:
        """Return the outcomes of a family as azure-core reads them."""
        return [CloudEvent.from_json(message.content) for message in self.messages(self._names[family])]

    def everything(self) -> list[dict[str, Any]]:
        """Return the outcomes and dead letters of all queues."""
        return [
            *(outcome for family in self._names for outcome in self.outcomes(family)),
            *self.dead_letters(),
        ]

    def referenced(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Return the id, source and data of a message that refers to a blob, as a consumer reads it."""
        container = message["dataref"].split(f"/{AZURITE_ACCOUNT}/")[1].partition("/")[0]
        with ContainerClient.from_connection_string(self._connection_string, container) as oversize:
            outcome = read_outcome(json.dumps(message), oversize)
        return {"id": outcome.id, "source": outcome.source, "data": outcome.data}

    def messages(self, queue: str) -> list[QueueMessage]:
        """Return a queue's first 32 messages, or none if there is no such queue."""
        with self._client(queue) as client:
            try:
                return list(client.peek_messages(max_messages=32))
            except ResourceNotFoundError:
                return []

    def depth(self, queue: str) -> int:
        """Return how many messages a queue has, hidden ones too."""
        with self._client(queue) as client:
            return client.get_queue_properties().approximate_message_count or 0

    def oversize(self, outcome_type: str) -> list[str]:
        """Return the names of the large documents of a type."""
        with ContainerClient.from_connection_string(
            self._connection_string, self._oversize_container
        ) as oversize:
            return list(oversize.list_blob_names(name_starts_with=f"{outcome_type}/"))

    def clear(self) -> None:
        """Empty all queues and the container. Raises ValueError if the account is not Azurite's."""
        account = self._client(self._dead_letter_queue).account_name
        if account != AZURITE_ACCOUNT:
            raise ValueError(f"the tests delete messages of Azurite only, not of the account {account!r}")
        for queue in (*self._names.values(), self._dead_letter_queue):
            with self._client(queue) as client, suppress(ResourceNotFoundError):
                client.clear_messages()
        with (
            ContainerClient.from_connection_string(
                self._connection_string, self._oversize_container
            ) as oversize,
            suppress(ResourceNotFoundError),
        ):
            for blob in list(oversize.list_blob_names()):
                oversize.delete_blob(blob)

    def _client(self, queue: str) -> QueueClient:
        return QueueClient.from_connection_string(
            self._connection_string, queue, message_decode_policy=TextBase64DecodePolicy()
        )
