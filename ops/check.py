"""The command `check`: whether storage and the app are there, and what waits in the queues."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueClient

from ops import terminal
from ops.connections import IF_UNCHANGED, Endpoint, OpsError, Storage
from ops.letters import in_blobs


def run(storage: Storage, options: Namespace) -> int:
    """Check storage, permissions, queues and the app. Nothing is changed. A failure comes with its cure."""
    app = {f"function {name}": partial(_function, storage, options, name) for name in storage.settings.queues}
    rows = [*_rows(storage, _storage(storage, options.blobs)), *_rows(storage, app)]
    terminal.show(rows, as_json=options.json)
    return int(any(row["result"] == "failed" for row in rows))


def _rows(storage: Storage, probes: Mapping[str, Callable[[], object]]) -> Iterator[dict[str, Any]]:
    """Try one probe after the other, until a failure repeats: the others would only take its time again."""
    last = None
    for name, probe in probes.items():
        row: dict[str, Any] = {"check": name, "result": "ok", "waiting": None, "oldest": None, "detail": None}
        try:
            found = probe()
            row |= found if isinstance(found, dict) else {}
        except ResourceNotFoundError:
            row["detail"] = "missing: the app creates it when it is needed"
            if not storage.has_key:
                row |= {"result": "failed", "detail": f"{name} is missing: deploy the templates again"}
        except (AzureError, OpsError) as error:
            row |= {"result": "failed", "detail": storage.fault(error)}
        if row["result"] == "failed" and row["detail"] == last:
            return
        last = row["detail"]
        yield row


def _storage(storage: Storage, blobs: str | None) -> dict[str, Callable[[], object]]:
    queue, oversize, nobody = storage.dead_letters, storage.oversize, str(UUID(int=0))
    probes: dict[str, Callable[[], object]] = {"storage": oversize.exists}
    for name in storage.settings.queues.values():
        probes[f"queue {name}"] = partial(_queue, storage.queues.get_queue_client(name))
    probes[f"dead letters in {queue.queue_name}"] = partial(_queue, queue)
    if blobs:
        probes[f"dead letters in {blobs}"] = partial(_blobs, storage, blobs)
    probes |= {
        f"container {oversize.container_name}": oversize.get_container_properties,
        "permission to update messages": partial(_permitted, queue.update_message, nobody, "AAAAAA=="),
        "permission to delete messages": partial(_permitted, queue.delete_message, nobody, "AAAAAA=="),
        "permission to delete blobs": partial(_permitted, oversize.delete_blob, "check"),
    }
    if storage.has_key:  # the app's own key, so its permissions can be checked too
        nowhere = storage.queues.get_queue_client(f"check-{uuid4()}")
        never = {"overwrite": True, "etag": '"0x0"', **IF_UNCHANGED}
        probes |= {
            "permission to add messages": partial(_permitted, nowhere.send_message, "check"),
            "permission to write blobs": partial(_permitted, oversize.upload_blob, "check", b"", **never),
        }
    return probes


def _queue(queue: QueueClient) -> dict[str, object]:
    count = queue.get_queue_properties().approximate_message_count
    return {"waiting": count, "oldest": next((each.inserted_on for each in queue.peek_messages()), None)}


def _blobs(storage: Storage, container: str) -> dict[str, object]:
    since = [letter.since for letter in in_blobs(storage, container)]
    return {"waiting": len(since), "oldest": min(since, default=None)}


def _permitted(call: Callable[..., object], *arguments: Any, **options: Any) -> None:
    """Ask for what is not there: storage says first what is not permitted."""
    try:
        call(*arguments, **options)
    except HttpResponseError as error:
        if error.status_code not in (400, 404, 412):
            raise


def _function(storage: Storage, options: Namespace, name: str) -> None:
    """Validate a function as a new event subscription does: it is not run."""
    with closing(Endpoint(storage, options.to)) as app:
        app.post("SubscriptionValidation", name, '[{"data": {"validationCode": "check"}}]', 200)
