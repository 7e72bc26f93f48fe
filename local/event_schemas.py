"""The two schemas in which Event Grid takes and delivers events: its own, and that of CloudEvents 1.0."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

type Event = dict[str, Any]
type Schema = Literal["CloudEventSchemaV1_0", "EventGridSchema"]

LOCAL_TOPIC = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.Communication/communicationServices/local"
)
"""The topic of events that are published without one: Event Grid delivers none without."""

_Text = Annotated[str, Meta(min_length=1)]
_Header = Annotated[str, Meta(pattern=r"^[ -~]*\Z")]


class _EventGridEvent(Struct, rename="camel"):
    """What Event Grid requires of an event in its own schema."""

    id: _Text
    subject: str
    event_type: _Text
    event_time: _Text
    data_version: _Header = ""


class _CloudEvent(Struct, rename="camel"):
    """What Event Grid requires of an event in the schema of CloudEvents."""

    id: _Text
    source: _Text
    type: _Text
    specversion: Literal["1.0"]
    data_version: _Header = ""


_SAME = {
    "id": "id",
    "topic": "source",
    "subject": "subject",
    "eventType": "type",
    "eventTime": "time",
    "data": "data",
}
"""Members of an event in Event Grid's schema, and the attributes of CloudEvents that hold the same."""


def read_published(body: bytes, content_type: str) -> list[Event]:
    """Return the events of a publisher's request, with a topic. Raises ValueError for what is none."""
    form: Any = _CloudEvent if content_type.startswith("application/cloudevents") else _EventGridEvent
    try:
        content = msgspec.json.decode(body)
        if content_type == "application/cloudevents+json":
            content = [content]
        msgspec.convert(content, Annotated[list[form], Meta(min_length=1)])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"The body is not an array of events in this schema: {error}") from None
    if form is _EventGridEvent:
        return [{"topic": LOCAL_TOPIC} | event for event in content]
    if not all(map(is_cloudevent, content)):
        raise ValueError("A CloudEvent has no `eventType`.")
    return list(content)


def is_cloudevent(event: Event) -> bool:
    """Tell the schemas apart; ACS has sent events of Event Grid's that have a `specversion` as well."""
    return "eventType" not in event


def type_of(event: Event) -> str:
    return str(event["type"] if is_cloudevent(event) else event["eventType"])


def converted(event: Event, schema: Schema) -> Event:
    """Return an event as Event Grid delivers it to a subscription with this schema."""
    if is_cloudevent(event):
        if schema == "CloudEventSchemaV1_0":
            return event
        found = {name: event[attribute] for name, attribute in _SAME.items() if attribute in event}
        event = {"subject": ""} | found
    if schema == "EventGridSchema":
        return {"dataVersion": "", "metadataVersion": "1"} | event
    found = {attribute: event[name] for name, attribute in _SAME.items() if event.get(name) is not None}
    return found | {"specversion": "1.0", "datacontenttype": "application/json"}
