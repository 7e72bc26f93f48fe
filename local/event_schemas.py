"""The two schemas in which Event Grid takes and delivers events: its own, and that of CloudEvents 1.0."""

import json
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta, Struct

type Event = dict[str, Any]
type Schema = Literal["CloudEventSchemaV1_0", "EventGridSchema"]
SCHEMAS: tuple[str, ...] = get_args(Schema.__value__)

LOCAL_TOPIC = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/local"
    "/providers/Microsoft.Communication/communicationServices/local"
)
"""The topic of events that are published without one: Event Grid delivers none without."""

_Text = Annotated[str, Meta(min_length=1)]
_Header = Annotated[str, Meta(pattern=r"^[ -~]*\Z")]


class EventGridEvent(Struct, rename="camel"):
    """What Event Grid requires of an event in its own schema."""

    id: _Text
    subject: str
    event_type: _Text
    event_time: _Text
    data_version: _Header = ""


class CloudEvent(Struct, rename="camel"):
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


def decoded(text: bytes) -> Any:
    """Return the value of a JSON text. Raises ValueError, which says where the text is wrong."""
    try:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            json.loads(text)  # whose error has the line and the column
            raise
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this is not JSON: {error}") from None


def read_published(content: Any, content_type: str) -> list[Event]:
    """Return the events of a publisher's request, with a topic. Raises ValueError for what is none."""
    form: Any = CloudEvent if content_type.startswith("application/cloudevents") else EventGridEvent
    if content_type == "application/cloudevents+json":
        content = [content]
    try:
        msgspec.convert(content, Annotated[list[form], Meta(min_length=1)])
    except msgspec.ValidationError as error:
        raise ValueError(f"not an array of {form.__name__} objects: {error}") from None
    if form is EventGridEvent:
        return [{"topic": LOCAL_TOPIC} | event for event in content]
    if not all(map(is_cloudevent, content)):
        raise ValueError("a CloudEvent has no `eventType`")
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
