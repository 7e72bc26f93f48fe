"""Sends events: to the local Event Grid as a publisher, or to a function as Event Grid would."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import aiohttp
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.eventgrid.aio import EventGridPublisherClient

from local.errors import LocalError
from local.event_schemas import Event, is_cloudevent, to_cloudevent
from local.stack import PROJECT_DIR, endpoint, event_grid_endpoint
from shared.payloads import PAYLOADS

SAMPLES_DIR = PROJECT_DIR / "samples"

RESPONSE_SECONDS = 60.0


@dataclass(frozen=True)
class Delivery:
    """A request to make of a function."""

    label: str
    function: str
    body: bytes
    content_type: str = "application/json"


def sample_names() -> list[str]:
    return sorted(file.stem for file in SAMPLES_DIR.glob("*.json"))


def events(name: str, *, cloudevents: bool) -> list[Event]:
    """Return the events of a sample or a file, each of which has a function. Raises LocalError."""
    found = _events(*_read(name))
    for event in found:
        _function_for(event)
    return [to_cloudevent(event) if cloudevents else event for event in found]


def deliveries(name: str, *, cloudevents: bool, function: str | None) -> list[Delivery]:
    """Return the deliveries of a sample or a file, one per event; untouched where a function is named."""
    file, body = _read(name)
    if function is not None:
        return [Delivery(name, function, body)]
    return [_delivery(name, event, cloudevents=cloudevents) for event in _events(file, body)]


def publisher(port: int) -> EventGridPublisherClient:
    """Return Microsoft's client for the local Event Grid, which takes any key."""
    return EventGridPublisherClient(
        event_grid_endpoint(port),
        AzureKeyCredential("local"),
        retry_total=0,
        connection_timeout=5,
        read_timeout=RESPONSE_SECONDS,
    )


async def publish(client: EventGridPublisherClient, event: Event, port: int) -> tuple[int, str]:
    """Publish an event, and return the HTTP status and text of the answer. Raises LocalError."""
    try:
        await client.send(dict(event))
    except AzureError as error:
        # The client's error for a 404, which no Event Grid answers, has no status.
        if isinstance(error, HttpResponseError) and error.status_code:
            return error.status_code, error.message
        raise LocalError(
            f"no Event Grid on port {port}: start it with `python -m local up`, choose with "
            "--event-grid-port, or send to the function itself with --direct"
        ) from None
    return 200, ""


async def post(session: aiohttp.ClientSession, delivery: Delivery, port: int) -> tuple[int, str]:
    """Deliver, and return the HTTP status and text of the answer. Raises LocalError."""
    try:
        async with session.post(
            endpoint(port),
            params={"functionName": delivery.function},
            headers={"aeg-event-type": "Notification", "Content-Type": delivery.content_type},
            data=BytesIO(delivery.body),
        ) as response:
            return response.status, await response.text()
    except aiohttp.ClientConnectionError:
        raise LocalError(
            f"nothing answers on port {port}: start it with `python -m local up`, or choose with --port"
        ) from None
    except TimeoutError:
        raise LocalError(f"no answer within {RESPONSE_SECONDS:.0f} seconds on port {port}") from None


def session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=RESPONSE_SECONDS))


def _read(name: str) -> tuple[Path, bytes]:
    file = _find(name)
    try:
        return file, file.read_bytes()
    except OSError as error:
        raise LocalError(f"cannot read {file}: {error.strerror}") from None


def _find(name: str) -> Path:
    sample = SAMPLES_DIR / f"{name}.json"
    if sample.is_file():
        return sample
    if Path(name).is_file():
        return Path(name)
    raise LocalError(
        f"no sample or file named {name!r}; the samples are: {', '.join(sample_names()) or 'none'}"
    )


def _events(file: Path, body: bytes) -> list[Event]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise LocalError(f"{file} is not JSON ({error}); --function NAME sends it as it is") from None
    found = content if isinstance(content, list) else [content]
    if not found or not all(isinstance(event, dict) for event in found):
        what = "something that is no JSON object" if found else "no event"
        raise LocalError(f"{file} holds {what}; --function NAME sends it as it is")
    return found


def _delivery(label: str, event: Event, *, cloudevents: bool) -> Delivery:
    function = _function_for(event)
    if cloudevents or is_cloudevent(event):
        return Delivery(label, function, _encode(to_cloudevent(event)), "application/cloudevents+json")
    return Delivery(label, function, _encode([event]))


def _encode(content: object) -> bytes:
    return json.dumps(content).encode()


def _function_for(event: Event) -> str:
    event_type = event.get("eventType", event.get("type"))
    payload = PAYLOADS.get(event_type) if isinstance(event_type, str) else None
    if payload is None:
        raise LocalError(
            f"no function takes events of type {event_type!r}; say which should get it with --function NAME"
        )
    return payload.family


def all_samples() -> Sequence[Delivery]:
    return [
        delivery for name in sample_names() for delivery in deliveries(name, cloudevents=False, function=None)
    ]
