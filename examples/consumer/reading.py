"""Reads outcomes, including those too large for a queue message. Copy this file into a consumer."""

import re
from typing import TYPE_CHECKING, Any

from azure.core.messaging import CloudEvent

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient


def read_outcome(document: str | bytes, oversize: "ContainerClient") -> CloudEvent[Any]:
    """Return the outcome in a queue message's decoded text. If it has a `dataref`, read it from that blob.

    `oversize` is the container that the setting OVERSIZE_CONTAINER names. Raises ValueError if the text is
    not a CloudEvent or the `dataref` names another place, and azure-core's ResourceNotFoundError if the blob
    is missing. The errors contain nothing of the text.
    """
    outcome = _cloud_event(document)
    reference = (outcome.extensions or {}).get("dataref")
    if reference is None:
        return outcome
    blob = blob_name(str(reference), oversize.container_name)
    return _cloud_event(oversize.download_blob(blob).readall())


def blob_name(reference: str, container_name: str) -> str:
    """Return the name of the blob that a `dataref` names.

    Raises ValueError if that is not a document in this container. The host is not compared: the same account
    may be reached under several names.
    """
    name = re.fullmatch(rf".+/{container_name}/((?!\.)[\w.-]+/[0-9a-f]{{64}}\.json)", reference)
    if name is None:
        raise ValueError(f"The outcome is not in the container {container_name}.")
    return name[1]


def _cloud_event(document: str | bytes) -> CloudEvent[Any]:
    try:
        event: CloudEvent[Any] = CloudEvent.from_json(document)
    except (AttributeError, IndexError, TypeError, ValueError):  # azure-core raises all of these
        raise ValueError("The message is not a CloudEvent in JSON.") from None
    attributes: tuple[object, ...] = (event.id, event.source, event.type)
    if not all(isinstance(value, str) and value for value in attributes):
        raise ValueError("The message is not a CloudEvent: id, source and type must be strings.")
    return event
