"""Sample events, their golden outcomes, and typed events for unit tests of handlers."""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from shared.decoding import Event, decode
from shared.envelope import parse_envelope
from shared.handling import EventFamily
from shared.model import Payload
from shared.outcomes import Outcome
from shared.payloads import FAMILIES as NAMES
from shared.payloads import PAYLOAD_TYPES

PROJECT = Path(__file__).parent.parent
SAMPLES = sorted(path.stem for path in (PROJECT / "samples").rglob("*.json"))
"""Names of the samples. Those with a dot, `NAME.SHAPE`, show another shape of an event."""
FAMILIES: dict[str, EventFamily] = {name: import_module(f"functions.{name}").family for name in NAMES}
"""The families of the app."""


def event_from[P: Payload](event: Mapping[str, Any], payload_type: type[P], **changes: Any) -> Event[P]:
    """Return the typed event that a handler receives.

    `changes` replace fields of the event's data, whatever their casing there. None removes a field.
    """
    replaced = {name.lower() for name in changes}
    data = {key: value for key, value in event["data"].items() if key.lower() not in replaced}
    return decode(parse_envelope({**event, "data": data | changes}), payload_type)


def passing_on(name: str) -> EventFamily:
    """Return a family of the app with handlers that pass every event on, whatever its own handlers do."""
    family = EventFamily(name)

    async def pass_on(event: Event[Any]) -> Outcome:
        return Outcome.of(event)

    for payload_type in PAYLOAD_TYPES:
        if payload_type.family == name:
            family.on(payload_type)(pass_on)
    return family


PASSING_ON = {name: passing_on(name) for name in NAMES}


def sample(name: str) -> dict[str, Any]:
    """Return a sample event, in the Event Grid schema."""
    folder = PROJECT / "samples" / ("shapes" if "." in name else "")
    event: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return event


def golden(name: str) -> dict[str, Any]:
    """Return the outcome that a sample is known to give."""
    outcome: dict[str, Any] = json.loads((PROJECT / "tests" / "golden" / f"{name}.json").read_text())
    return outcome


def as_cloud_event(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event as Event Grid delivers it to a subscription with the CloudEvents schema."""
    if "type" in event:
        return event
    return {
        "id": event["id"],
        **({"source": event["topic"]} if "topic" in event else {}),
        "subject": event["subject"],
        "data": event["data"],
        "type": event["eventType"],
        "time": event["eventTime"],
        "specversion": "1.0",
    }
