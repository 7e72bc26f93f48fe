"""Runs a queue-triggered app in Microsoft's worker runtime, with a stand-in for the host's queue listener.

The stand-in receives, decodes, retries and moves to `<queue>-poison` as Microsoft's queue extension does:
https://github.com/Azure/azure-sdk-for-net/tree/main/sdk/storage/Microsoft.Azure.WebJobs.Extensions.Storage.Queues.
It ignores `visibilityTimeout`: a failed message is received again at once.

    python -m tests.queue_trigger    in the app's folder; FUNCTION CONNECTION_STRING QUEUE on standard input
"""

import asyncio
import binascii
import json
import logging
import sys
from base64 import b64decode
from contextlib import suppress
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient, QueueMessage

from local.runtime import App


class Listener:
    """One function's queue."""

    def __init__(self, app: App, function: str, connection_string: str, queue: str) -> None:
        self._app = app
        self._function = function
        self._queue = QueueClient.from_connection_string(connection_string, queue)
        self._poison = QueueClient.from_connection_string(connection_string, f"{queue}-poison")
        settings = json.loads(Path("host.json").read_text())["extensions"]["queues"]
        self._max_dequeue_count = int(settings["maxDequeueCount"])

    async def drain(self) -> None:
        """Let the app handle messages until the queue is empty, 16 at the same time as the host does."""
        while batch := list(self._queue.receive_messages(messages_per_page=16, max_messages=16)):
            await asyncio.gather(*map(self._handle, batch))

    async def _handle(self, message: QueueMessage) -> None:
        try:
            body = b64decode(message.content, validate=True).decode(errors="replace")
        except binascii.Error:
            self._give_up(message)
            return
        error = await self._app.invoke(self._function, body, "string", _metadata(message, body))
        if error is None:
            self._queue.delete_message(message)
        elif (message.dequeue_count or 0) >= self._max_dequeue_count:
            self._give_up(message)
        else:
            self._queue.update_message(message, visibility_timeout=0)

    def _give_up(self, message: QueueMessage) -> None:
        with suppress(ResourceExistsError):
            self._poison.create_queue()
        self._poison.send_message(message.content)  # expires after 7 days, as the host's does
        self._queue.delete_message(message)


def _metadata(message: QueueMessage, body: str) -> dict[str, str]:
    """Return the trigger metadata. The host takes the field `id` of a JSON body for the message's own id."""
    try:
        message_id = json.loads(body)["id"]
    except (ValueError, TypeError, LookupError):
        message_id = message.id
    return {"Id": json.dumps(message_id), "DequeueCount": json.dumps(message.dequeue_count)}


async def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    app = App(Path.cwd())
    for line in sys.stdin:
        await Listener(app, *line.split()).drain()
        sys.stdout.write("drained\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
