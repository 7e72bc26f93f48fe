"""The command `check`: whether storage and the app are there, and what waits in the queues."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueClient

from ops import terminal
from ops.connections import Endpoint, OpsError, Storage
from ops.letters import in_blobs
from shared.settings import ConnectionStringStorage

type Probes = dict[str, Callable[[], object]]
"""What is checked, and functions that raise what is wrong. They may return what is to be shown."""


def run(storage: Storage, options: Namespace) -> int:
    """Check storage, permissions, queues and the app's endpoint.

    Each failure comes with its cure. Nothing is changed. The exit code is 1 if a check failed.
    """
    rows = [*_rows(storage, _storage(storage, options.blobs))]
    try:
        with closing(Endpoint(storage, options.to)) as app:
            functions = storage.settings.queues
            rows += _rows(storage, {f"function {name}": partial(app.check, name) for name in functions})
    except OpsError as error:
        rows.append(_row("app", result="skipped", detail=str(error)))
    terminal.show(rows, as_json=options.json)
    return int(any(row["result"] == "failed" for row in rows))


def _rows(storage: Storage, probes: Probes) -> Iterator[terminal.Row]:
    """Try one probe after the other, until a fault repeats: the others would only take its time again."""
    last = None
    for name, probe in probes.items():
        row = _row(name, **_found(storage, name, probe))
        if row["result"] == "failed" and row["detail"] == last:
            return
        last = row["detail"]
        yield row


def _row(check: str, **found: Any) -> terminal.Row:
    return {"check": check, "result": "ok", "waiting": None, "oldest": None, "detail": None} | found


def _found(storage: Storage, name: str, probe: Callable[[], object]) -> dict[str, Any]:
    try:
        found = probe()
    except ResourceNotFoundError:
        if isinstance(storage.settings.storage, ConnectionStringStorage):
            return {"detail": "missing: the app creates it when it is needed"}
        cure = "the app may not create it: deploy the templates again"
        return {"result": "failed", "detail": f"{name} is missing, and {cure}"}
    except AzureError as error:
        return {"result": "failed", "detail": storage.fault(error)}
    except OpsError as error:
        return {"result": "failed", "detail": str(error)}
    return found if isinstance(found, dict) else {}


def _storage(storage: Storage, blobs: str | None) -> Probes:
    settings = storage.settings
    probes: Probes = {"storage": storage.oversize.exists}
    for name in settings.queues.values():
        probes[f"queue {name}"] = partial(_queue, storage.queues.get_queue_client(name))
    probes[f"dead letters in {settings.dead_letter_queue}"] = partial(_queue, storage.dead_letters)
    if blobs:
        probes[f"dead letters in {blobs}"] = partial(_events, storage, blobs)
    probes[f"container {settings.oversize_container}"] = storage.oversize.get_container_properties
    probes["permissions"] = partial(_permissions, storage)
    return probes


def _queue(queue: QueueClient) -> dict[str, object]:
    count = queue.get_queue_properties().approximate_message_count
    return {"waiting": count, "oldest": next((each.inserted_on for each in queue.peek_messages()), None)}


def _events(storage: Storage, container: str) -> dict[str, object]:
    since = [letter.since for letter in in_blobs(storage, container)]
    return {"waiting": len(since), "oldest": min(since, default=None)}


def _permissions(storage: Storage) -> dict[str, object]:
    """Ask for what is not there: storage says first what is not permitted."""
    queue, blobs, nobody = storage.dead_letters, storage.oversize, str(UUID(int=0))
    never: dict[str, Any] = {"etag": '"0x0"', "match_condition": MatchConditions.IfNotModified}
    probes: list[Callable[[], object]] = [
        partial(queue.update_message, nobody, "AAAAAA==", visibility_timeout=0),
        partial(queue.delete_message, nobody, "AAAAAA=="),
        partial(blobs.delete_blob, "check"),
    ]
    whose = "for this tool: the app has its own identity"
    if isinstance(storage.settings.storage, ConnectionStringStorage):
        whose = "for this tool and the app"
        probes += [
            partial(storage.queues.get_queue_client(f"check-{uuid4()}").send_message, "check"),
            partial(blobs.upload_blob, "check", b"", overwrite=True, **never),
        ]
    for probe in probes:
        try:
            probe()
        except HttpResponseError as error:
            if error.status_code not in (400, 404, 412):
                raise
    return {"detail": whose}
