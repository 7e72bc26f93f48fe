"""The app's own dead letters: messages of its queue, and the blobs that the large ones refer to."""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient, QueueMessage

from examples.consumer.reading import blob_name
from ops.endpoint import POST_SECONDS
from ops.letters import UNDECODABLE, Letter, known_function
from shared.envelope import text_at
from shared.outcomes import DEAD_LETTER_TYPE

LEASE_SECONDS = 120
"""How long a message that was received is hidden from others: longer than a post may take."""

_PAGE = 32


class QueueLetters:
    """The messages of the dead-letter queue. Those that are left stay hidden until `close`."""

    def __init__(self, queue: QueueClient, oversize: ContainerClient) -> None:
        self.place = f"the queue {queue.queue_name}"
        self.total = 0
        self.began = datetime.max.replace(tzinfo=UTC)
        """When the first messages were received, by the clock of storage, in whole seconds."""
        self.notes: list[str] = []
        self._queue = queue
        self._oversize = oversize
        self._seen: set[str] = set()
        self._receipts: dict[str, str] = {}
        """Of the messages received and not removed, by their ids."""
        self._blobs: dict[str, tuple[str, str]] = {}
        """Name and etag of the blob that such a message refers to, by the message's id."""
        self._unneeded: dict[str, str] = {}
        """Name and etag of the blobs that removed messages referred to."""
        self._letters = self._receive_all()
        self._are_all_seen = False

    def __iter__(self) -> Iterator[Letter]:
        """Receive the messages that are there at the beginning, a page at a time."""
        return self._letters

    def remove(self, letter: Letter) -> bool:
        """Delete the message. Returns False where another reader had it since it was received."""
        try:
            self._queue.delete_message(letter.id, self._receipts.pop(letter.id))
        except HttpResponseError as error:
            if error.status_code == 404 or getattr(error, "error_code", "") == "PopReceiptMismatch":
                return False
            raise
        if letter.id in self._blobs:
            name, etag = self._blobs.pop(letter.id)
            self._unneeded[name] = etag
        return True

    def close(self) -> None:
        """Make what is left visible, and delete the blobs that no message refers to any more."""
        try:
            for _ in self._letters if self._unneeded else ():  # may refer to the same blobs
                pass
            for message_id in list(self._receipts):
                self._give_back(message_id)
            if self._are_all_seen:
                self._delete_blobs()
        except AzureError:
            self.notes.append(f"storage is away: what was received stays hidden for {LEASE_SECONDS} s")
        if self._unneeded:
            self.notes.append(f"{len(self._unneeded)} blobs of removed dead letters are left")

    def _receive_all(self) -> Iterator[Letter]:
        with suppress(ResourceNotFoundError):  # a queue that is missing has no messages
            self.total = self._queue.get_queue_properties().approximate_message_count or 0
            yield from self._receive_pages()
        hidden = max(0, self.total - len(self._seen))
        self._are_all_seen = not hidden
        if hidden:
            self.notes.append(f"about {hidden} more are hidden, by another command or by one that was killed")

    def _receive_pages(self) -> Iterator[Letter]:
        repeated = 0
        while page := self._receive():
            until = time.monotonic() + LEASE_SECONDS - POST_SECONDS
            received = (page[0].next_visible_on or self.began) - timedelta(seconds=LEASE_SECONDS)
            self.began = min(self.began, received)
            new = [message for message in page if message.id not in self._seen]
            self._seen |= {message.id for message in new}
            self._receipts |= {message.id: str(message.pop_receipt) for message in page}
            # What was left comes again when its lease ends. Once all of it has, there is nothing else.
            repeated = 0 if new else repeated + len(page)
            if repeated > len(self._receipts):
                return
            for message in new:
                if time.monotonic() > until:  # the lease is too short for another post
                    self._seen.remove(message.id)
                    self._give_back(message.id)
                elif (message.inserted_on or self.began) <= self.began:
                    yield self._letter(message)

    def _receive(self) -> list[QueueMessage]:
        messages = self._queue.receive_messages(
            messages_per_page=_PAGE, max_messages=_PAGE, visibility_timeout=LEASE_SECONDS
        )
        return list(messages)

    def _give_back(self, message_id: str) -> None:
        with suppress(HttpResponseError):  # another reader's by now, or visible soon
            self._queue.update_message(message_id, self._receipts.pop(message_id), visibility_timeout=0)

    def _delete_blobs(self) -> None:
        """Delete blobs, unless a message that is left refers to one or it was written again since."""
        for name in self._unneeded.keys() - {name for name, _ in self._blobs.values()}:
            with suppress(ResourceNotFoundError, ResourceModifiedError):
                self._oversize.delete_blob(
                    name, etag=self._unneeded[name], match_condition=MatchConditions.IfNotModified
                )
        self._unneeded.clear()

    def _letter(self, message: QueueMessage) -> Letter:
        reason, text = "unreadable", str(message.content).encode()
        since = message.inserted_on or datetime.now(UTC)
        try:
            text = base64.b64decode(text, validate=True)
            document = json.loads(text)
            if reference := text_at(document, "dataref"):
                reason = "blob_not_found"
                blob = self._oversize.download_blob(blob_name(reference, self._oversize.container_name))
                self._blobs[message.id] = blob.name, str(blob.properties.etag)
                reason, text = "unreadable", blob.readall()
                document = json.loads(text)
            data = document["data"]
            original = data["original"]
            event = original if isinstance(original, str) else json.dumps(original)
            if document["type"] == DEAD_LETTER_TYPE and text_at(data, "reason"):
                return Letter(
                    id=message.id,
                    since=since,
                    document=text,
                    reason=data["reason"],
                    function=known_function(data["function"]),
                    event_id=text_at(data, "eventId"),
                    event_type=text_at(data, "eventType"),
                    event=event.encode(errors="backslashreplace").decode(),
                )
        except (*UNDECODABLE, ResourceNotFoundError):
            pass
        return Letter(id=message.id, since=since, document=text, reason=reason)
