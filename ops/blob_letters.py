"""Event Grid's dead letters: blobs of JSON arrays, with the events that it could not deliver to the app."""

import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock
from typing import Any

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from ops.errors import OpsError
from ops.letters import CONNECTIONS, UNDECODABLE, UNREADABLE, Letter
from shared.envelope import text_at
from shared.outcomes import DEAD_LETTER_TYPE
from shared.payloads import PAYLOADS

_ADDED = {
    "deadletterproperties",
    "deadletterreason",
    "deliveryattempts",
    "lastdeliveryattempttime",
    "lastdeliveryoutcome",
    "lasthttpstatuscode",
    "publishtime",
}
"""What Event Grid adds to an event, in lower case: as it spells it in the schema of CloudEvents."""


_NAME = re.compile(r"[^/]+/[0-9]{4}(/[0-9]{1,2}){3}/[\w-]+\.json")
"""What Event Grid calls its blobs: SUBSCRIPTION/YEAR/MONTH/DAY/HOUR/GUID.json. Others are none of its."""


@dataclass
class _Blob:
    name: str
    etag: str
    rest: list[bytes]
    """The events that have not been removed."""
    lock: Lock = field(default_factory=Lock)


class BlobLetters:
    """The events in the blobs of a container; those removed are taken out of their blob, the last with it."""

    hidden = 0

    def __init__(self, container: ContainerClient) -> None:
        self.place = f"the container {container.container_name}"
        self._container = container
        self._blobs: dict[str, _Blob] = {}

    def collect(self, report: Callable[[int], None]) -> list[Letter]:
        """Read all blobs. Raises OpsError when there is no such container."""
        letters: list[Letter] = []
        try:
            with ThreadPoolExecutor(CONNECTIONS) as threads:
                names = filter(_NAME.fullmatch, self._container.list_blob_names())
                for read in threads.map(self._read, names):
                    letters += read
                    report(len(letters))
        except ResourceNotFoundError:
            raise OpsError(f"there is no blob container {self._container.container_name}") from None
        return letters

    def why_left(self, letter: Letter) -> None:
        """Return None: no event of a blob has to wait."""

    def hold(self, letter: Letter) -> None:
        """Do nothing: a blob that was changed since is found out when it is removed."""

    def remove(self, letter: Letter) -> bool:
        """Take the event out of its blob, or delete the blob with its last event."""
        blob = self._blobs[letter.id]
        with blob.lock:
            rest = list(blob.rest)
            rest.remove(letter.document)
            try:
                self._write(blob, rest)
            except (ResourceModifiedError, ResourceNotFoundError):
                return False
            blob.rest = rest
        return True

    def release(self) -> None:
        """Do nothing: blobs are not hidden."""

    def _write(self, blob: _Blob, rest: list[bytes]) -> None:
        unchanged: dict[str, Any] = {"etag": blob.etag, "match_condition": MatchConditions.IfNotModified}
        client = self._container.get_blob_client(blob.name)
        if rest:
            written = client.upload_blob(b"[" + b",".join(rest) + b"]", overwrite=True, **unchanged)
            blob.etag = str(written["etag"])
        else:
            client.delete_blob(**unchanged)

    def _read(self, name: str) -> list[Letter]:
        try:
            download = self._container.download_blob(name)
            content = download.readall()
        except ResourceNotFoundError:  # removed by somebody else since it was listed
            return []
        try:
            events = [bytes(event) for event in msgspec.json.decode(content, type=list[msgspec.Raw])]
        except UNDECODABLE:
            events = [content]
        blob = _Blob(name, str(download.properties.etag), events)
        letters = [_letter(name, event, download.properties.last_modified) for event in events]
        self._blobs |= {letter.id: blob for letter in letters}
        return letters


def _letter(name: str, event: bytes, since: datetime) -> Letter:
    letter_id = hashlib.sha256(name.encode() + b"\0" + event).hexdigest()
    try:
        document = msgspec.json.decode(event, type=dict[str, msgspec.Raw])
        values = msgspec.json.decode(event)
    except UNDECODABLE:
        document, values = {}, None
    reason = text_at(values, "deadLetterReason", "deadletterreason")
    if reason is None:
        return Letter(letter_id, UNREADABLE, None, None, None, since, event, None, letter_id)
    original = msgspec.json.encode({key: raw for key, raw in document.items() if key.lower() not in _ADDED})
    event_id = text_at(values, "id")
    event_type = text_at(values, "eventType", "type")
    payload = PAYLOADS.get(event_type or "")
    return Letter(
        id=letter_id,
        reason=reason,
        function=payload.family if payload else None,
        event_id=event_id,
        event_type=event_type,
        since=since,
        document=event,
        original=original,
        key=f"{event_id or hashlib.sha256(original).hexdigest()}:{DEAD_LETTER_TYPE}",
    )
