"""Event Grid's dead letters: blobs of JSON arrays, with the events that it could not deliver to the app."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import msgspec
from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from ops.letters import UNDECODABLE, Letter
from ops.storage import OpsError
from shared.envelope import text_at
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


class BlobLetters:
    """The events in the blobs of a container. A removed event is taken out of its blob, the last with it."""

    total = 0
    began = datetime.max.replace(tzinfo=UTC)

    def __init__(self, container: ContainerClient) -> None:
        self.place = f"the container {container.container_name}"
        self.notes: list[str] = []
        self._container = container
        self._blob, self._etag = "", ""
        self._rest: dict[str, bytes] = {}
        """The events of this blob that have not been removed, by their letters' ids."""

    def __iter__(self) -> Iterator[Letter]:
        """Read one blob after the other. Raises OpsError when there is no such container."""
        try:
            for name in filter(_NAME.fullmatch, self._container.list_blob_names()):
                yield from self._read(name)
        except ResourceNotFoundError:
            raise OpsError(
                f"there is no blob container {self._container.container_name}: Event Grid drops the events "
                "that it cannot deliver if their subscription names it"
            ) from None

    def remove(self, letter: Letter) -> bool:
        """Remove an event of the blob last read. Returns False where the blob was changed since."""
        rest = {key: event for key, event in self._rest.items() if key != letter.id}
        unchanged: dict[str, Any] = {"etag": self._etag, "match_condition": MatchConditions.IfNotModified}
        client = self._container.get_blob_client(self._blob)
        try:
            if rest:
                content = b"[" + b",".join(rest.values()) + b"]"
                self._etag = str(client.upload_blob(content, overwrite=True, **unchanged)["etag"])
            else:
                client.delete_blob(**unchanged)
        except (ResourceModifiedError, ResourceNotFoundError):
            return False
        self._rest = rest
        return True

    def close(self) -> None:
        """Do nothing: blobs are not hidden."""

    def _read(self, name: str) -> list[Letter]:
        try:
            download = self._container.download_blob(name)
            content = download.readall()
        except ResourceNotFoundError:  # removed by another reader since it was listed
            return []
        try:
            events = [bytes(event) for event in msgspec.json.decode(content, type=list[msgspec.Raw])]
        except UNDECODABLE:
            events = [content]
        self._blob, self._etag = name, str(download.properties.etag)
        self._rest = {f"{PurePosixPath(name).stem}-{number}": event for number, event in enumerate(events)}
        since = download.properties.last_modified
        return [_letter(letter_id, event, since) for letter_id, event in self._rest.items()]


def _letter(letter_id: str, content: bytes, since: datetime) -> Letter:
    try:
        event = json.loads(content)
        original = json.dumps({key: value for key, value in event.items() if key.lower() not in _ADDED})
    except UNDECODABLE:
        event = None
    event_type = text_at(event, "eventType", "type")
    payload = PAYLOADS.get(event_type or "")
    if reason := text_at(event, "deadLetterReason", "deadletterreason"):
        return Letter(
            id=letter_id,
            since=since,
            document=content,
            reason=reason,
            function=payload.family if payload else None,
            event_id=text_at(event, "id"),
            event_type=event_type,
            event=original,
        )
    return Letter(id=letter_id, since=since, document=content, reason="unreadable")
