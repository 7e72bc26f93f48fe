"""Looks into the outcome queues, without taking anything out."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueServiceClient

from local.azurite import connection_string
from local.errors import LocalError

PEEK_LIMIT = 32
"""The most messages that a queue shows, its oldest."""


@dataclass(frozen=True)
class Message:
    """A message in a queue."""

    queue: str
    id: str
    document: str
    """The text that the app wrote."""


@dataclass(frozen=True)
class Peek:
    """What a queue shows."""

    queue: str
    messages: Sequence[Message]
    more: int
    """About how many messages it does not show."""


def peek(storage_port: int, names: Sequence[str]) -> list[Peek]:
    """Show the oldest messages of queues; a missing one is empty. Raises LocalError."""
    try:
        with QueueServiceClient.from_connection_string(
            connection_string(storage_port), retry_total=0, connection_timeout=2, read_timeout=5
        ) as service:
            return [_peek(service.get_queue_client(name)) for name in names]
    except AzureError as error:
        reason = str(error).splitlines()[0]
        raise LocalError(
            f"no storage on port {storage_port + 1}: start it with `python -m local up`, "
            f"or say where it is with --storage-port ({reason})"
        ) from None


def _peek(queue: QueueClient) -> Peek:
    try:
        found = queue.peek_messages(max_messages=PEEK_LIMIT)
        total = queue.get_queue_properties().approximate_message_count or 0
    except ResourceNotFoundError:
        return Peek(queue.queue_name, (), 0)
    messages = [Message(queue.queue_name, message.id, _decode(message.content)) for message in found]
    return Peek(queue.queue_name, messages, max(0, total - len(messages)))


def row(message: Message) -> tuple[str, str, str]:
    """Return the queue, the outcome's type, for a dead letter with its reason, and the event's id."""
    outcome = _parse(message.document)
    outcome_type = str(outcome.get("type", "not an outcome"))
    event_id = str(outcome.get("id", message.id)).removesuffix(f":{outcome_type}")
    data = outcome.get("data")
    reason = f" ({data['reason']})" if isinstance(data, dict) and "reason" in data else ""
    return message.queue, outcome_type + reason, event_id


def _decode(text: str) -> str:
    """Return what the app wrote, or the text itself if something else wrote it."""
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return text


def _parse(document: str) -> dict[str, Any]:
    try:
        outcome = json.loads(document)
    except ValueError:
        return {}
    return outcome if isinstance(outcome, dict) else {}
