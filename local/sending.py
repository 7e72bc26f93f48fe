"""Sends events to the local endpoint, as Event Grid would."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp

from local.errors import LocalError
from local.stack import PROJECT_DIR, endpoint
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


def sample_names(samples_dir: Path = SAMPLES_DIR) -> list[str]:
    return sorted(file.stem for file in samples_dir.glob("*.json"))


def deliveries(name: str, *, cloudevents: bool, function: str | None) -> list[Delivery]:
    """Return the deliveries of a sample or a file, one per event; untouched where a function is named."""
    file = _find(name)
    try:
        body = file.read_bytes()
    except OSError as error:
        raise LocalError(f"cannot read {file}: {error.strerror}") from None
    if function is not None:
        return [Delivery(name, function, body)]
    return [_delivery(name, event, cloudevents=cloudevents) for event in _events(file, body)]


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


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=RESPONSE_SECONDS)) as client:
        yield client


def to_cloudevent(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event of Event Grid's own schema as Event Grid delivers it in CloudEvents' schema."""
    if "specversion" in event:
        return event
    attributes = {
        "id": event.get("id"),
        "source": event.get("topic"),
        "type": event.get("eventType"),
        "subject": event.get("subject"),
        "time": event.get("eventTime"),
        "specversion": "1.0",
        "datacontenttype": "application/json",
        "data": event.get("data"),
    }
    return {name: value for name, value in attributes.items() if value is not None}


def _find(name: str) -> Path:
    sample = SAMPLES_DIR / f"{name}.json"
    if sample.is_file():
        return sample
    if Path(name).is_file():
        return Path(name)
    raise LocalError(
        f"no sample or file named {name!r}; the samples are: {', '.join(sample_names()) or 'none'}"
    )


def _events(file: Path, body: bytes) -> Iterator[dict[str, Any]]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise LocalError(f"{file} is not JSON ({error}); --function NAME sends it as it is") from None
    for event in content if isinstance(content, list) else [content]:
        if not isinstance(event, dict):
            raise LocalError(
                f"{file} holds something that is no JSON object; --function NAME sends it as it is"
            )
        yield event


def _delivery(label: str, event: dict[str, Any], *, cloudevents: bool) -> Delivery:
    function = _function_for(event)
    if cloudevents or "specversion" in event:
        return Delivery(label, function, _encode(to_cloudevent(event)), "application/cloudevents+json")
    return Delivery(label, function, _encode([event]))


def _encode(content: object) -> bytes:
    return json.dumps(content).encode()


def _function_for(event: dict[str, Any]) -> str:
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
