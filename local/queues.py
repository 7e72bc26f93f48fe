"""Shows what is in the outcome queues, and leaves it there."""

import base64
import binascii
import json
import sys
from collections.abc import Sequence

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueServiceClient

from local.azurite import connection_string
from local.errors import LocalError
from ops.terminal import printable

PEEK_LIMIT = 32
"""The most messages that a queue shows, its oldest."""


def show(storage_port: int, names: Sequence[str], *, as_json: bool) -> None:
    """Print the oldest messages of queues; a missing queue is empty. Raises LocalError."""
    try:
        with QueueServiceClient.from_connection_string(
            connection_string(storage_port), retry_total=0, connection_timeout=2, read_timeout=5
        ) as service:
            for name in names:
                _show(service.get_queue_client(name), as_json=as_json)
    except AzureError as error:
        reason = str(error).splitlines()[0]
        raise LocalError(
            f"no storage on port {storage_port + 1}: start it with `python -m local up`, "
            f"or say where it is with --storage-port ({reason})"
        ) from None


def _show(queue: QueueClient, *, as_json: bool) -> None:
    try:
        found = queue.peek_messages(max_messages=PEEK_LIMIT)
        more = (queue.get_queue_properties().approximate_message_count or 0) - len(found)
    except ResourceNotFoundError:
        found, more = [], 0
    for message in found:
        document = _decode(message.content)
        print(document if as_json else printable(_row(queue.queue_name, document)), flush=True)
    if not found:
        print(f"nothing in {queue.queue_name}", file=sys.stderr)
    if more > 0:
        print(f"{queue.queue_name}: {more} more not shown", file=sys.stderr)


def _row(queue: str, document: str) -> str:
    """Return the queue, the outcome's type, for a dead letter with its reason, and the event's id."""
    try:
        outcome = json.loads(document)
        outcome_type = outcome["type"]
        event_id, _, _ = outcome["id"].partition(f":{outcome_type}")
    except (ValueError, LookupError, TypeError, AttributeError):
        return f"{queue:<17} not an outcome"
    reason = f" ({outcome['data']['reason']})" if "reason" in outcome.get("data", {}) else ""
    return f"{queue:<17} {outcome_type + reason:<35} {event_id}"


def _decode(text: str) -> str:
    """Return what the app wrote, or the text itself if something else wrote it."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text
