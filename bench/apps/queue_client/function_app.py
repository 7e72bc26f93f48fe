"""This app, but with azure-storage-queue's own asynchronous client for each write, as it was before."""

from typing import Any

import azure.functions as func
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

import shared.sink
from functions import sms
from shared.settings import ConnectionStringStorage, Storage


class QueueClientWriter:
    """Adds messages by QueueClient, with the options that this app gave it."""

    def __init__(self, storage: Storage, _: object, transport: Any) -> None:
        assert isinstance(storage, ConnectionStringStorage)  # noqa: S101 - the bench has no other
        self._client = QueueClient.from_connection_string(
            storage.connection_string,
            "acs-sms",
            message_encode_policy=TextBase64EncodePolicy(),
            transport=transport,
            retry_total=3,
        )

    async def put(self, _: str, document: bytes, time_to_live: int) -> None:
        await self._client.send_message(document.decode(), time_to_live=time_to_live)

    async def create(self, _: str) -> None:
        await self._client.create_queue()


setattr(shared.sink, "QueueWriter", QueueClientWriter)  # noqa: B010 - mypy knows another type

app = func.FunctionApp()
app.register_blueprint(sms.blueprint)
