"""Reads outcomes back, for consumers in Python: the other half of the sink's claim check."""

from typing import TYPE_CHECKING, Any

from azure.core.messaging import CloudEvent

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient
    from azure.storage.blob.aio import ContainerClient as AsyncContainerClient


def container_url(container: "ContainerClient | AsyncContainerClient") -> str:
    """Return a container's URL without the signature that a client may have been given in it."""
    return str(container.url).partition("?")[0]


def read_outcome(document: str, oversize: "ContainerClient") -> CloudEvent[Any]:
    """Return the whole outcome of a queue message's decoded text, from its blob where it is over 48 KiB.

    `oversize` is the container that OVERSIZE_CONTAINER names. Raises ValueError where the message refers to
    any other place, and azure-core's ResourceNotFoundError where the blob is gone.
    """
    event: CloudEvent[Any] = CloudEvent.from_json(document)
    reference = (event.extensions or {}).get("dataref")
    if reference is None:
        return event
    name = str(reference).removeprefix(f"{container_url(oversize)}/")
    if name == reference:
        raise ValueError(f"The outcome is not in the container {oversize.container_name}.")
    return CloudEvent.from_json(oversize.download_blob(name).readall())
