"""The app's own dead letters: messages of its queue, and the blobs that the large ones refer to."""

import base64
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient, QueueMessage

from ops.endpoint import POST_SECONDS
from ops.letters import CONNECTIONS, UNREADABLE, Letter
from shared.outcomes import DEAD_LETTER_TYPE
from shared.reading import blob_name
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


class _Document(msgspec.Struct):
    id: str
    type: str
    data: _Data | None = None
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
        pages = self._queue.receive_messages(messages_per_page=_PAGE, visibility_timeout=LEASE_SECONDS)
        with suppress(ResourceNotFoundError), ThreadPoolExecutor(CONNECTIONS) as threads:
            for page in pages.by_page():
                messages = list(page)
                new = [message for message in messages if message.id not in self._receipts]
                self._receipts |= {message.id: str(message.pop_receipt) for message in messages}
                if not new:  # the first ones are visible again, hence all have been seen
                    break
                letters += threads.map(self._letter, new)
                report(len(letters))
        return letters

    def hold(self, letter: Letter) -> bool:
        """Hide it for another while, if its turn comes long after it was collected."""
        if time.monotonic() < self._held_until:
            return True
        try:
            renewed = self._queue.update_message(
                letter.id, self._receipts[letter.id], visibility_timeout=LEASE_SECONDS
            )
        except HttpResponseError as error:
            return self._lost(letter, error)
        self._receipts[letter.id] = str(renewed.pop_receipt)
        return True

    def remove(self, letter: Letter) -> bool:
        """Delete the message, then its blob: the other way round, Ctrl-C could leave a message without."""
        try:
            self._queue.delete_message(letter.id, self._receipts[letter.id])
        except HttpResponseError as error:
            return self._lost(letter, error)
        del self._receipts[letter.id]
        self._delete_blob(letter)
        return True

    def release(self) -> None:
        """Make what is left visible."""
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            list(threads.map(self._show, list(self._receipts)))

    def _show(self, message_id: str) -> None:
        with suppress(HttpResponseError):  # somebody else's by now, or visible soon
            self._queue.update_message(message_id, self._receipts.pop(message_id), visibility_timeout=0)

    def _lost(self, letter: Letter, error: HttpResponseError) -> bool:
        """Forget a message that somebody else received since. Raises the error if it is another."""
        if error.status_code != 404 and getattr(error, "error_code", "") != "PopReceiptMismatch":
            raise error
        del self._receipts[letter.id]
        return False

    def _delete_blob(self, letter: Letter) -> None:
        """Delete a blob, unless a message of the same document refers to it, or may soon."""
        with self._lock:
            claim = self._claims.pop(letter.id, None)
            others = {other.name for other in self._claims.values()}
        if claim is None or not claim.is_settled or claim.name in others:
            return
        with suppress(ResourceNotFoundError, ResourceModifiedError):
            self._oversize.delete_blob(
                claim.name, etag=claim.etag, match_condition=MatchConditions.IfNotModified
            )

    def _letter(self, message: QueueMessage) -> Letter:
        text = str(message.content).encode()
        try:
            text = base64.b64decode(text, validate=True)
            document = msgspec.json.decode(text, type=_Document)
            if document.dataref:
                text = self._referenced(message.id, document.dataref)
                document = msgspec.json.decode(text, type=_Document)
        except (ValueError, ResourceNotFoundError):
            return _unreadable(message, text)
        if document.type != DEAD_LETTER_TYPE or document.data is None:
            return _unreadable(message, text)
        return Letter(
            id=message.id,
            reason=document.data.reason,
            function=document.data.function,
            event_id=document.data.event_id,
            event_type=document.data.event_type,
            since=_inserted(message),
            document=text,
            original=_event(document.data.original),
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


def _inserted(message: QueueMessage) -> datetime:
    return message.inserted_on or datetime.now(UTC)


def _unreadable(message: QueueMessage, text: bytes) -> Letter:
    return Letter(message.id, UNREADABLE, None, None, None, _inserted(message), text, None, message.id)
