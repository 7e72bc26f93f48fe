"""The two schemas in which Event Grid takes and delivers events: its own, and that of CloudEvents 1.0."""

from typing import Any, Literal

import msgspec

type Event = dict[str, Any]
type Schema = Literal["CloudEventSchemaV1_0", "EventGridSchema"]

LOCAL_TOPIC = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.Communication/communicationServices/local"
)
"""The topic of events that are published without one: Event Grid delivers none without."""

_REQUIRED = {
    "EventGridSchema": ("id", "eventType", "subject", "eventTime"),
    "CloudEventSchemaV1_0": ("id", "source", "type", "specversion"),
}


def read_published(body: bytes, content_type: str) -> list[Event]:
    """Return the events of a publisher's request, as they are. Raises ValueError for what is none."""
    try:
        content = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"The body is not JSON: {error}") from None
    is_cloud_events = content_type.startswith("application/cloudevents")
    if content_type == "application/cloudevents+json":
        content = [content]
    if not isinstance(content, list) or not content:
        raise ValueError("The body should be an array of events.")
    for event in content:
        _require_valid(event, "CloudEventSchemaV1_0" if is_cloud_events else "EventGridSchema")
    return content


def type_of(event: Event) -> str:
    return str(event["type"] if is_cloudevent(event) else event["eventType"])


def is_cloudevent(event: Event) -> bool:
    """Tell the schemas apart; ACS has sent events of Event Grid's that have a `specversion` as well."""
    return "eventType" not in event


def converted(event: Event, schema: Schema) -> Event:
    """Return an event as Event Grid delivers it to a subscription with this schema."""
    return to_cloudevent(event) if schema == "CloudEventSchemaV1_0" else to_event_grid(event)


def to_cloudevent(event: Event) -> Event:
    """Return an event of Event Grid's own schema as Event Grid delivers it in CloudEvents' schema."""
    if is_cloudevent(event):
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


def to_event_grid(event: Event) -> Event:
    """Return an event in either schema as Event Grid delivers it in its own."""
    if not is_cloudevent(event):
        return {"dataVersion": "", "metadataVersion": "1"} | event
    return {
        "id": event["id"],
        "topic": event["source"],
        "subject": event.get("subject", ""),
        "eventType": event["type"],
        "eventTime": event.get("time"),
        "data": event.get("data"),
        "dataVersion": "",
        "metadataVersion": "1",
    }


def with_topic(event: Event) -> Event:
    """Return the event with the topic that Event Grid knows it by."""
    return event if is_cloudevent(event) else {"topic": LOCAL_TOPIC} | event


def _require_valid(event: object, schema: Schema) -> None:
    if not isinstance(event, dict):
        raise ValueError("An event should be an object.")  # noqa: TRY004 - it is the publisher's input
    for name in _REQUIRED[schema]:
        if not isinstance(event.get(name), str) or not (event[name] or name == "subject"):
            raise ValueError(f"An event in {schema} should have a string in {name!r}.")
    _require_version(event.get("dataVersion", ""))
    if schema == "CloudEventSchemaV1_0" and (event["specversion"] != "1.0" or not is_cloudevent(event)):
        raise ValueError("A CloudEvent's 'specversion' should be '1.0', and it has no 'eventType'.")


def _require_version(version: object) -> None:
    """See that the version of the data can be delivered as a header."""
    if not isinstance(version, str) or not version.isprintable() or not version.isascii():
        raise ValueError("An event's 'dataVersion' should be a short text.")
