"""The events that are measured: one of each kind, and SMS of several sizes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bench.processes import PROJECT_DIR
from shared.payloads import PAYLOADS

SIZES: Mapping[str, int] = {"0.6 KB": 600, "1.3 KB": 1_300, "3 KB": 3_000, "28 KB": 28_000}
"""Bytes; all of them fit into a queue message."""

OVERSIZE = "1 MB"
"""An event that goes to a blob, which only this app does: the alternatives fail."""


@dataclass(frozen=True)
class Event:
    """An event's text, and the function that takes it."""

    function: str
    text: str


def sms(size: int) -> Event:
    """Return an SMS whose text makes the event this large."""
    event = json.loads((PROJECT_DIR / "samples" / "sms-received.json").read_text())
    missing = size - len(_compact(event))
    event["data"]["Message"] += "x" * missing
    return Event("sms", _compact(event))


def kinds() -> dict[str, Event]:
    """Return the sample of each event type by its name."""
    return {
        file.stem: Event(PAYLOADS[event["eventType"]].family, _compact(event))
        for file in sorted((PROJECT_DIR / "samples").glob("*.json"))
        for event in [json.loads(file.read_text())]
    }


def _compact(event: object) -> str:
    return json.dumps(event, separators=(",", ":"))
