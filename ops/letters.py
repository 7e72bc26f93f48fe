"""Dead letters, wherever they are: messages of the app's queue, or events in Event Grid's blobs."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Generator
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any

import msgspec
from azure.core.exceptions import AzureError, HttpResponseError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobClient, ContainerClient
from azure.storage.queue import QueueClient

from examples.consumer.reading import blob_name
from ops.connections import IF_UNCHANGED, POST_SECONDS, OpsError, Storage
from ops.terminal import note
from shared.envelope import Reason, text_at
from shared.outcomes import DEAD_LETTER_TYPE
from shared.payloads import PAYLOADS
from shared.settings import QUEUE_SETTINGS

LEASE_SECONDS = 2 * POST_SECONDS  # for which a message that was received is hidden from others

_UNREADABLE = (ValueError, RecursionError, TypeError, LookupError, AttributeError)
"""What reading raises for a text that is not JSON, is nested too deeply or is no dead letter."""

_ADDED = ("deadletter", "deliveryattempts", "lastdelivery", "lasthttpstatuscode", "publishtime")
"""How the names begin of what Event Grid adds to an event, in lower case."""

_EVENT_GRID_NAME = re.compile(r"[^/]+/[0-9]{4}(/[0-9]{1,2}){3}/[\w-]+\.json")
"""What Event Grid calls its blobs: SUBSCRIPTION/YEAR/MONTH/DAY/HOUR/GUID.json. Others are none of its."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One dead letter."""

    id: str
    since: datetime
    document: bytes
    """All that is known of it, as JSON where it is any."""
    remove: Callable[[], bool]
    """Removes it for ever. Returns False where another reader had it meanwhile."""
    blob: tuple[str, str] | None = None
    """Name and etag of the blob that its message refers to."""
    event: str | None = None
    target: str | None = None
    """The function that takes this type of event, or else the one that refused it."""
    reason: str = "unreadable"
    detail: str | None = None
    function: str = "unknown"
    """The function that refused the event, or that Event Grid could not deliver it to."""
    event_id: str | None = None
    event_type: str | None = None


def in_queue(storage: Storage, page_size: int = 32) -> Generator[Letter]:
    """Receive the queue's messages by the page. However it ends, what was not removed is visible again."""
    queue, repeated = storage.dead_letters, 0
    receipts: dict[str, str] = {}
    pages = queue.receive_messages(messages_per_page=page_size, visibility_timeout=LEASE_SECONDS).by_page()
    try:
        for messages in map(list[Any], pages):
            new = [message for message in messages if message.id not in receipts]
            receipts |= {message.id: message.pop_receipt for message in messages}
            # What was left comes again when its lease ends. Once all of it has, there is nothing else.
            repeated = 0 if new else repeated + len(messages)
            if repeated > len(receipts):
                break
            for message in new:
                document = message.content.encode()
                with suppress(ValueError):
                    document = base64.b64decode(document, validate=True)
                yield Letter(
                    id=message.id,
                    since=message.inserted_on,
                    remove=partial(_delete, queue, message.id, receipts),
                    **_read(document, storage.oversize),
                )
    except ResourceNotFoundError:
        return  # a queue that is missing has no messages
    finally:
        try:
            for message_id, receipt in receipts.items():
                with suppress(HttpResponseError):  # another reader's by now, or visible soon
                    queue.update_message(message_id, receipt, visibility_timeout=0)
        except AzureError:
            note(f"storage is away: what was received stays hidden for {LEASE_SECONDS} s")


def _delete(queue: QueueClient, message_id: str, receipts: dict[str, str]) -> bool:
    try:
        queue.delete_message(message_id, receipts[message_id])
    except HttpResponseError as error:
        if error.status_code not in (400, 404):  # its receipt is another reader's by now, or it is gone
            raise
        return False
    del receipts[message_id]
    return True


def in_blobs(storage: Storage, container: str) -> Generator[Letter]:
    """Read the events in Event Grid's blobs. To remove one is to write its blob anew, or to delete it."""
    client = storage.blobs.get_container_client(container)
    if not client.exists():
        raise OpsError(f"there is no blob container {container}: Event Grid drops what it should store there")
    for name in filter(_EVENT_GRID_NAME.fullmatch, client.list_blob_names()):
        with suppress(ResourceNotFoundError):  # removed by another reader since it was listed
            yield from _in_blob(client.get_blob_client(name))


def _in_blob(blob: BlobClient) -> Generator[Letter]:
    download = blob.download_blob()
    content = download.readall()
    try:
        events = [bytes(event) for event in msgspec.json.decode(content, type=list[msgspec.Raw])]
    except _UNREADABLE:
        events = [content]
    etag, since = download.properties.etag, download.properties.last_modified

    def remove(event: bytes) -> bool:
        nonlocal etag, events
        rest = events.copy()
        rest.remove(event)
        document = b"[" + b",".join(rest) + b"]"
        try:
            if rest:
                etag = blob.upload_blob(document, overwrite=True, etag=etag, **IF_UNCHANGED)["etag"]
            else:
                blob.delete_blob(etag=etag, **IF_UNCHANGED)
        except (ResourceModifiedError, ResourceNotFoundError):
            return False
        events = rest
        return True

    for event in events:
        digest = hashlib.sha256(event).hexdigest()[:32]
        yield Letter(id=digest, since=since, remove=partial(remove, event), **_read(event))


def _read(document: bytes, oversize: ContainerClient | None = None) -> dict[str, Any]:
    """Return what a dead letter of the app or of Event Grid says, as fields of a Letter."""
    fields: dict[str, Any] = {"document": document}
    try:
        letter = json.loads(document)
        if oversize and (reference := text_at(letter, "dataref")):
            fields["reason"] = "blob_not_found"
            found = oversize.download_blob(blob_name(reference, oversize.container_name))
            return {"blob": (found.name, str(found.properties.etag)), **_read(found.readall())}
        if letter.get("type") == DEAD_LETTER_TYPE:
            event = letter["data"]["original"]
            reason, function = letter["data"]["reason"], letter["data"]["function"]
            if str(reason) in {*Reason} - {Reason.REJECTED}:  # whose words may quote the event
                fields["detail"] = letter["data"].get("detail")
        else:
            event = {key: value for key, value in letter.items() if not key.lower().startswith(_ADDED)}
            reason, function = letter.get("deadLetterReason") or letter["deadletterreason"], None
        text = event if isinstance(event, str) else json.dumps(event)
    except (*_UNREADABLE, ResourceNotFoundError):
        return fields
    event_type = text_at(event, "eventType", "type")
    family = getattr(PAYLOADS.get(event_type or ""), "family", None)
    known = function if str(function) in QUEUE_SETTINGS else None
    return fields | {
        "event": text.encode(errors="backslashreplace").decode(),
        "target": family or known,
        "reason": reason if re.fullmatch(r"[A-Za-z_]{1,60}", str(reason)) else "unusual",
        "function": known or family or "unknown",
        "event_id": text_at(event, "id"),
        "event_type": event_type,
    }
