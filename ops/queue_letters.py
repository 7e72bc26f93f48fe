"""The app's own dead letters: messages of its queue, and the blobs that the large ones refer to."""

import base64
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

import msgspec
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
from ops.letters import BLOB_NOT_FOUND, CONNECTIONS, TAKEN, UNDECODABLE, UNREADABLE, Letter
from shared.outcomes import DEAD_LETTER_TYPE
from shared.sink import WRITE_TIMEOUT

LEASE_SECONDS = 120
"""How long a message that was collected is hidden from others: longer than a post may take."""

SETTLED_SECONDS = WRITE_TIMEOUT + 2
"""The age of a blob at which whoever wrote it has also written its message, or given up."""

_PAGE = 32


class _Data(msgspec.Struct, rename="camel"):
    reason: str
    function: str
    event_id: str | None
    event_type: str | None
    original: msgspec.Raw


class _Document(msgspec.Struct, tag_field="type", tag=DEAD_LETTER_TYPE):
    id: str
    data: _Data


class _Reference(msgspec.Struct):
    dataref: str | None = None


@dataclass(frozen=True)
class _Claim:
    """The blob that a message refers to."""

    name: str
    etag: str
    is_settled: bool


class QueueLetters:
    """The messages of the dead-letter queue: hidden from others between `collect` and `release`."""

    def __init__(self, queue: QueueClient, oversize: ContainerClient) -> None:
        self.place = f"the queue {queue.queue_name}"
        self.hidden = 0
        self._queue = queue
        self._oversize = oversize
        self._receipts: dict[str, str] = {}
        self._claims: dict[str, _Claim] = {}
        self._lock = Lock()
        self._held_until = 0.0

    def collect(self, report: Callable[[int], None]) -> list[Letter]:
        """Receive all messages; a queue that is missing has none."""
        letters: list[Letter] = []
        self._held_until = time.monotonic() + LEASE_SECONDS - POST_SECONDS
        messages = self._queue.receive_messages(messages_per_page=_PAGE, visibility_timeout=LEASE_SECONDS)
        pages = messages.by_page()
        with suppress(ResourceNotFoundError), ThreadPoolExecutor(CONNECTIONS) as threads:
            # In a thread, where Ctrl-C does not come between receiving a page and taking note of it.
            while new := threads.submit(self._receive, pages).result():
                letters += threads.map(self._letter, new)
                report(len(letters))
            count = self._queue.get_queue_properties().approximate_message_count or 0
            self.hidden = max(0, count - len(letters))
        return letters

    def why_left(self, letter: Letter) -> str | None:
        """Return why this dead letter has to be left for now: another message may be about to need its blob.

        The blob has to stay for that message. If none comes, nothing would lead to the personal data in it.
        """
        claim = self._claims.get(letter.id)
        if claim is not None and not claim.is_settled:
            return f"left: its blob is too recent, try again in {SETTLED_SECONDS:.0f} s"
        return None

    def hold(self, letter: Letter) -> str | None:
        """Hide it for another while, if its turn comes long after it was collected."""
        if time.monotonic() < self._held_until:
            return None
        try:
            renewed = self._queue.update_message(
                letter.id, self._receipts[letter.id], visibility_timeout=LEASE_SECONDS
            )
        except HttpResponseError as error:
            self._forget(letter, error)
            return TAKEN
        self._receipts[letter.id] = str(renewed.pop_receipt)
        return None

    def remove(self, letter: Letter) -> bool:
        """Delete the message, then its blob: the other way round, Ctrl-C could leave a message without."""
        try:
            self._queue.delete_message(letter.id, self._receipts[letter.id])
        except HttpResponseError as error:
            self._forget(letter, error)
            return False
        del self._receipts[letter.id]
        self._delete_blob(letter)
        return True

    def release(self) -> None:
        """Make what is left visible, unless storage is away: it will be soon."""
        with suppress(AzureError), ThreadPoolExecutor(CONNECTIONS) as threads:
            list(threads.map(self._show, list(self._receipts)))

    def _receive(self, pages: Iterator[Iterator[QueueMessage]]) -> list[QueueMessage]:
        """Return the next messages; none once the first ones are visible again, hence all have been seen."""
        messages = list(next(pages, ()))
        new = [message for message in messages if message.id not in self._receipts]
        self._receipts |= {message.id: str(message.pop_receipt) for message in messages}
        return new

    def _show(self, message_id: str) -> None:
        with suppress(HttpResponseError):  # somebody else's by now, or visible soon
            self._queue.update_message(message_id, self._receipts.pop(message_id), visibility_timeout=0)

    def _forget(self, letter: Letter, error: HttpResponseError) -> None:
        """Forget a message that another reader received since. Raises the error if it is another."""
        if error.status_code != 404 and getattr(error, "error_code", "") != "PopReceiptMismatch":
            raise error
        del self._receipts[letter.id]

    def _delete_blob(self, letter: Letter) -> None:
        """Delete a blob, unless another message of the same document refers to it."""
        with self._lock:
            claim = self._claims.pop(letter.id, None)
            others = {other.name for other in self._claims.values()}
        if claim is None or claim.name in others:
            return
        with suppress(ResourceNotFoundError, ResourceModifiedError):
            self._oversize.delete_blob(
                claim.name, etag=claim.etag, match_condition=MatchConditions.IfNotModified
            )

    def _letter(self, message: QueueMessage) -> Letter:
        reason, text = UNREADABLE, str(message.content).encode()
        since = message.inserted_on or datetime.now(UTC)
        try:
            text = base64.b64decode(text, validate=True)
            if url := msgspec.json.decode(text, type=_Reference).dataref:
                reason = BLOB_NOT_FOUND
                text = self._referenced(message.id, url)
                reason = UNREADABLE
            document = msgspec.json.decode(text, type=_Document)
            original = _event(document.data.original)
        except (*UNDECODABLE, ResourceNotFoundError):
            return Letter(message.id, reason, None, None, None, since, text, None, message.id)
        return Letter(
            id=message.id,
            reason=document.data.reason,
            function=document.data.function,
            event_id=document.data.event_id,
            event_type=document.data.event_type,
            since=since,
            document=text,
            original=original,
            key=document.id,
        )

    def _referenced(self, message_id: str, url: str) -> bytes:
        """Read the document of a message. Raises ValueError for one that the app does not refer to."""
        name = blob_name(url, self._oversize.container_name)
        blob = self._oversize.download_blob(name)
        modified = blob.properties.last_modified
        is_settled = datetime.now(UTC) - modified >= timedelta(seconds=SETTLED_SECONDS)
        self._claims[message_id] = _Claim(name, str(blob.properties.etag), is_settled)
        return blob.readall()


def _event(original: msgspec.Raw) -> bytes:
    """Return the event's bytes; those of a text, where the dead letter holds one because it was no JSON."""
    raw = bytes(original)
    return msgspec.json.decode(raw, type=str).encode() if raw.startswith(b'"') else raw
