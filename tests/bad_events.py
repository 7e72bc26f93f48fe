"""Texts that the function `sms` dead-letters, each with the reason and the detail."""

import json
from typing import Any

from tests.events import sample


def sms(**changes: Any) -> dict[str, Any]:
    """Return an SMS event with some keys of its envelope changed."""
    return sample("sms-received") | changes


def sms_data(**changes: Any) -> str:
    """Return the text of an SMS event with some of its data changed."""
    event = sample("sms-received")
    return json.dumps(event | {"data": event["data"] | changes})


BAD = {
    "no JSON": ("{", "invalid_json", "The event is not valid JSON."),
    "a byte order mark": ("\ufeff{}", "invalid_json", "The event is not valid JSON."),
    "deep nesting": ("[" * 40_000, "invalid_json", "The event is nested too deeply."),
    "an array": ("[]", "invalid_envelope", "Expected `object`, got `array` - at `$`."),
    "no envelope": (
        '{"a": 1}',
        "invalid_envelope",
        "Expected a string of 1 to 1024 characters - at `$.eventType` or `$.type`.",
    ),
    "no id": (
        '{"eventType": "T"}',
        "invalid_envelope",
        "Expected a string of 1 to 1024 characters - at `$.id`.",
    ),
    "an empty id": (
        json.dumps(sms(id="")),
        "invalid_envelope",
        "Expected a string of 1 to 1024 characters - at `$.id`.",
    ),
    "an unknown type": (
        json.dumps(sms(eventType="Microsoft.Communication.Nothing")),
        "unsupported_event_type",
        "No handler takes this event type.",
    ),
    "another family's type": (
        json.dumps(sample("chat-message-received")),
        "misrouted_event_type",
        "This event type belongs to the function chat_message.",
    ),
    "a missing field": (
        sms_data(From=None),
        "invalid_data",
        "A required field is missing - at `$.data.from`.",
    ),
    "a field of the wrong type": (
        sms_data(Message=5),
        "invalid_data",
        "Expected `str`, got `int` - at `$.data.message`.",
    ),
    "data null": (json.dumps(sms(data=None)), "invalid_data", "Expected `object`, got `null` - at `$.data`."),
    "data a string": (
        json.dumps(sms(data="{}")),
        "invalid_data",
        "Expected `object`, got `str` - at `$.data`.",
    ),
}
