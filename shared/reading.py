"""Reads outcomes back, for consumers in Python: the other half of the sink's claim check."""

import re
from typing import TYPE_CHECKING, Any

from azure.core.messaging import CloudEvent

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient


def blob_name(reference: str, container_name: str) -> str:
    """Return the name of the blob that a `dataref` refers to.

    Raises ValueError where that is no document of this container, which may go by several hosts' names.
    """
    name = re.fullmatch(rf".+/{container_name}/((?!\.)[\w.-]+/[0-9a-f]{{64}}\.json)", reference)
    if name is None:
        raise ValueError(f"The outcome is not in the container {container_name}.")
    return name[1]


def read_outcome(document: str, oversize: "ContainerClient") -> CloudEvent[Any]:
    """Return the whole outcome of a queue message's decoded text, from its blob where it is over 48 KiB.

    `oversize` is the container that OVERSIZE_CONTAINER names. Raises ValueError where the message refers to
    any other place, and azure-core's ResourceNotFoundError where the blob is gone.
    """
    event: CloudEvent[Any] = CloudEvent.from_json(document)
    reference = (event.extensions or {}).get("dataref")
    if reference is None:
        return event
    return CloudEvent.from_json(
        oversize.download_blob(blob_name(str(reference), oversize.container_name)).readall()
    )
