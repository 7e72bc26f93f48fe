"""The command `check`: whether storage and the app are there, and what waits in the queues."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError

from ops import terminal
from ops.blob_letters import BlobLetters
from ops.endpoint import Endpoint, app_url
from ops.storage import OpsError, Storage, fault
from shared.settings import ConnectionStringStorage, SettingsError

type Finding = dict[str, Any]

_FAILED = "failed"


def run(storage: Storage, options: Namespace) -> int:
    """Check storage, permissions, queues and the app's endpoint.

    Each failure comes with its cure. Nothing is changed. The exit code is 1 if a check failed.
    """
    rows = [*_storage(storage), *_blobs(storage, options.blobs), *_app(storage, options)]
    terminal.show(rows, as_json=options.json)
    return int(any(row["result"] == _FAILED for row in rows))


def _storage(storage: Storage) -> Iterator[Finding]:
    settings = storage.settings
    reached = _checked("storage", partial(_reach, storage))
    yield reached
    if reached["result"] == _FAILED:
        return  # so would all that follows, each after its time
    for name in settings.queues.values():
        yield _checked(f"queue {name}", partial(_queue, storage, name))
    yield _checked(
        f"dead letters in {settings.dead_letter_queue}", partial(_queue, storage, settings.dead_letter_queue)
    )
    yield _checked(f"container {settings.oversize_container}", partial(_container, storage))
    yield _checked("permissions", partial(_permissions, storage))


def _blobs(storage: Storage, container: str | None) -> Iterator[Finding]:
    if container is not None:
        yield _checked(f"dead letters in {container}", partial(_events, storage, container))


def _app(storage: Storage, options: Namespace) -> Iterator[Finding]:
    try:
        url = app_url(storage, options.to)
    except OpsError as error:
        yield _finding("app", result="skipped", detail=str(error))
        return
    with Endpoint(url, options.key) as app:
        for function in storage.settings.queues:
            yield _checked(f"function {function}", partial(app.check, function))


def _checked(check: str, find: Callable[[], Finding | None]) -> Finding:
    try:
        return _finding(check, **(find() or {}))
    except (OpsError, SettingsError) as error:
        return _finding(check, result=_FAILED, detail=str(error))
    except AzureError as error:
        return _finding(check, result=_FAILED, detail=fault(error))


def _finding(check: str, **found: Any) -> Finding:
    return {"check": check, "result": "ok", "waiting": None, "oldest": None, "detail": None} | found


def _reach(storage: Storage) -> None:
    with suppress(ResourceNotFoundError):
        storage.dead_letters().get_queue_properties()


def _queue(storage: Storage, name: str) -> Finding:
    queue = storage.queue(name)
    try:
        count = queue.get_queue_properties().approximate_message_count or 0
        oldest = [message.inserted_on for message in queue.peek_messages()]
    except ResourceNotFoundError:
        return _missing(storage, f"az storage queue create --name {name}")
    return {"waiting": count, "oldest": oldest[0] if oldest else None}


def _container(storage: Storage) -> Finding | None:
    container = storage.oversize()
    try:
        container.get_container_properties()
    except ResourceNotFoundError:
        return _missing(storage, f"az storage container create --name {container.container_name}")
    return None


def _missing(storage: Storage, command: str) -> Finding:
    if isinstance(storage.settings.storage, ConnectionStringStorage):
        return {"detail": "missing: the app creates it when it is needed"}
    raise OpsError(f"missing, and the app may not create it: deploy the templates again, or `{command}`")


def _permissions(storage: Storage) -> Finding:
    """Ask for what is not there: storage says first what is not permitted."""
    queue, blobs, nobody = storage.dead_letters(), storage.oversize(), str(UUID(int=0))
    probes: list[Callable[[], object]] = [
        partial(queue.update_message, nobody, "AAAAAA==", visibility_timeout=0),
        partial(queue.delete_message, nobody, "AAAAAA=="),
        partial(blobs.delete_blob, "check"),
    ]
    is_shared = isinstance(storage.settings.storage, ConnectionStringStorage)
    if is_shared:
        unchanged = MatchConditions.IfNotModified
        probes += [
            partial(storage.queue(f"check-{uuid4()}").send_message, "check"),
            partial(blobs.upload_blob, "check", b"", overwrite=True, etag='"0x0"', match_condition=unchanged),
        ]
    for probe in probes:
        try:
            probe()
        except HttpResponseError as error:
            if error.status_code not in (400, 404, 412):
                raise
    return {
        "detail": "for this tool and the app" if is_shared else "for this tool: the app has its own identity"
    }


def _events(storage: Storage, container: str) -> Finding:
    since = [letter.since for letter in BlobLetters(storage.container(container))]
    return {"waiting": len(since), "oldest": min(since, default=None)}
