"""The sample events, and what they are made into."""

import json
from pathlib import Path
from typing import Any

from functions import chat_message, chat_thread, membership, sms
from shared.handling import EventFamily

PROJECT = Path(__file__).parent.parent
SAMPLES = sorted(path.stem for path in (PROJECT / "samples").rglob("*.json"))
"""One event of each kind in the shape of 2020, and the other shapes, `NAME.SHAPE`."""
FAMILIES: dict[str, EventFamily] = {
    module.family.name: module.family for module in (sms, chat_message, chat_thread, membership)
}


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
