"""JSON Schemas of the outcomes: `python -m tools.schemas [--check]`."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
from msgspec.structs import fields

from shared.envelope import Reason
from shared.model import GaObject, Payload
from shared.outcomes import DEAD_LETTER_TYPE, DeadLetter, Outcome, schema_of
from shared.payloads import PAYLOAD_TYPES
from tools.generated import PROJECT_DIR, Files, command
from tools.notes import field_notes

SCHEMAS_DIR = PROJECT_DIR / "schemas"

type Schema = dict[str, Any]

_NULL: Schema = {"type": "null"}
_TIME: Schema = {"format": "date-time"}

_ATTRIBUTES: Mapping[str, Schema] = {
    "specversion": {"description": "The version of CloudEvents.", "const": "1.0"},
    "id": {
        "description": "The event's id, followed by the outcome's type. Unique within `source`.",
        "minLength": 1,
    },
    "source": {"description": "The ACS resource, or `unknown` if the event names none.", "minLength": 1},
    "type": {"description": "The outcome type."},
    "subject": {"description": "The subject of the event.", "minLength": 1},
    "time": {"description": "The time of the event, in UTC.", **_TIME},
    "datacontenttype": {"description": "The media type of `data`.", "const": "application/json"},
    "dataschema": {"description": "The identifier of this schema."},
    "eventtype": {"description": "The event type as it arrived."},
    "scope": {"description": "`user`: one copy for each recipient. `thread`: one event for each change."},
    "changekey": {"description": "The key of the change, equal in all copies of its event."},
    "partitionkey": {"description": "The key within which order matters."},
    "sequence": {
        "description": "The position of the change within its partition key. Text order is numeric order.",
        "pattern": "^[0-9]{19}$",
    },
    "traceparent": {
        "description": "The W3C Trace Context of the invocation. Only if tracing is on.",
        "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
    },
    "dataref": {
        "description": "The URL of the blob that holds the whole document, instead of `data`.",
        "format": "uri",
    },
}
"""What the types do not say about the attributes of an outcome."""

_ALWAYS = frozenset({"specversion", "id", "source", "type", "datacontenttype", "dataschema"})
_EVERYWHERE = _ALWAYS | {"subject", "time", "eventtype", "traceparent", "dataref"}


def schemas() -> dict[str, Schema]:
    """Return the schema of the document of each outcome type, including dead letters."""
    by_type = {payload.outcome_type: _outcome_schema(payload) for payload in PAYLOAD_TYPES}
    return by_type | {DEAD_LETTER_TYPE: _dead_letter_schema()}


def files() -> Files:
    """Return what each file in `schemas/` should hold."""
    return {
        SCHEMAS_DIR / f"{outcome_type}.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for outcome_type, schema in schemas().items()
    }


def objects_in(owner: type[GaObject]) -> dict[str, type[GaObject]]:
    """Return the classes of the objects in a class, at any depth, by name."""
    found: dict[str, type[GaObject]] = {}
    for hint in get_type_hints(owner).values():
        for used in _objects_of(hint):
            found |= {used.__name__: used, **objects_in(used)}
    return found


def _objects_of(hint: Any) -> Iterator[type[GaObject]]:
    if isinstance(hint, type) and issubclass(hint, GaObject):
        yield hint
    for argument in get_args(hint):
        yield from _objects_of(argument)


def strays() -> list[Path]:
    """Return the files in `schemas/` that belong to no outcome type."""
    return sorted(set(SCHEMAS_DIR.glob("*")) - files().keys())


def _outcome_schema(payload: type[Payload]) -> Schema:
    scopes = {scope for scope in payload.event_types.values() if scope is not None}
    known: dict[str, Schema] = {
        "eventtype": {"enum": list(payload.event_types)},
        "scope": {"enum": sorted(scopes)},
    }
    added = {
        name: {"description": attribute.description, "type": "string", "enum": list(attribute.values)}
        for name, attribute in payload.outcome_attributes.items()
    }
    applicable = {*_EVERYWHERE, "partitionkey"}
    required = {*_ALWAYS, "eventtype", "partitionkey"}
    if scopes:
        applicable |= {"scope"}
        required |= {"scope"}
    if payload.change_key is not Payload.change_key:
        applicable |= {"changekey"}
    if payload.sequence is not Payload.sequence:
        applicable |= {"sequence"}
    if _is_never_none(payload.change_key):
        required |= {"changekey"}
    schema = _document(payload.outcome_type, payload, applicable, required, known)
    schema["properties"] |= added
    return schema


def _dead_letter_schema() -> Schema:
    schema = _document(DEAD_LETTER_TYPE, DeadLetter, _EVERYWHERE - {"time"}, _ALWAYS, {})
    return schema | {"description": "An event that was refused, and why."}


def _is_never_none(text_property: Any) -> bool:
    return get_type_hints(text_property.fget)["return"] is str


def _document(
    outcome_type: str,
    data: type[Payload | DeadLetter],
    applicable: Iterable[str],
    required: Iterable[str],
    known: Mapping[str, Schema],
) -> Schema:
    identifier = schema_of(outcome_type, data.schema_version)
    known = {"type": {"const": outcome_type}, "dataschema": {"const": identifier}, **known}
    types = _components(Outcome)["Outcome"]["properties"]
    in_order = [name for name in types if name in applicable]
    attributes = {
        name: _ATTRIBUTES[name] | _never_null(types[name]) | known.get(name, {}) for name in in_order
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": identifier,
        "title": outcome_type,
        "description": data.__doc__,
        "type": "object",
        "properties": attributes | {"data": {"$ref": f"#/$defs/{data.__name__}"}},
        "required": [name for name in in_order if name in required],
        "oneOf": [{"required": ["data"]}, {"required": ["dataref"]}],
        "$defs": _ga_definitions(data) if issubclass(data, Payload) else _dead_letter_definitions(),
    }


def _components(struct: type[msgspec.Struct]) -> dict[str, Schema]:
    _, components = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    return components


def _ga_definitions(payload: type[Payload]) -> dict[str, Schema]:
    definitions = _components(payload)
    classes = {payload.__name__: payload, **objects_in(payload)}
    for name, definition in definitions.items():
        _describe(definition, classes[name])
        definition["properties"] = {
            key: _never_null(value) for key, value in definition["properties"].items()
        }
    return definitions


def _dead_letter_definitions() -> dict[str, Schema]:
    definitions = _components(DeadLetter)
    definition = definitions[DeadLetter.__name__]
    _describe(definition, DeadLetter)
    properties = definition["properties"]
    properties["reason"]["enum"] = [str(reason) for reason in Reason]
    del properties["original"]["anyOf"]  # any JSON value or text is any JSON value
    del properties["appVersion"]["default"]
    definition["required"] = list(properties)  # defaults are written too
    return definitions


def _describe(definition: Schema, struct: type[msgspec.Struct]) -> None:
    """Add what msgspec leaves out: the notes under the fields, and the format of times."""
    hints = get_type_hints(struct)
    notes = field_notes(struct)
    for info in fields(struct):
        schema = definition["properties"][info.encode_name]
        if datetime in (hints[info.name], *get_args(hints[info.name])):
            schema |= _TIME
        if info.name in notes:
            schema["description"] = notes[info.name]


def _never_null(schema: Schema) -> Schema:
    """Return a field's schema without null and default. A field without a value is absent from an outcome."""
    kept = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    options: list[Schema] = schema.get("anyOf", [{}])
    (only,) = [option for option in options if option != _NULL]
    return only | kept


if __name__ == "__main__":
    sys.exit(command("Write the JSON Schemas of the outcomes.", files, strays))
