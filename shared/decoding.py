"""Envelope to Event: whatever shape arrived becomes the GA shape, then a typed payload."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import fields

from shared.envelope import DecodeError, Envelope, Reason, json_type, utc_time
from shared.payloads import CommunicationIdentifier, Formerly, NonEmpty, Payload, Scope

type Converter = Callable[[Any, str], Any]
"""Takes a JSON value and its JSON path. Returns the GA shape, None for nobody. Raises DecodeError."""


class Event[P: Payload](msgspec.Struct, frozen=True, kw_only=True):
    """What a handler receives."""

    id: str
    source: str
    """The ACS resource id as it arrived."""
    type: str
    subject: str | None
    time: str | None
    """RFC 3339 in UTC; None where the event has no readable time."""
    scope: Scope | None
    """Whose view of a chat change this is; None for SMS."""
    data: P
    ga_data: dict[str, Any]
    """`data` as JSON in the GA shape, with the fields that this version does not know as they came."""


def decode[P: Payload](envelope: Envelope, payload_type: type[P]) -> Event[P]:
    """Decode an event's data. Raises DecodeError (`invalid_data`).

    Keys match in any casing; of one key in several casings the GA spelling wins, else the first. Where an old
    and a new field are both there the new one wins. Null is absent. An optional time or number that cannot be
    read is left out, and so is an optional identifier that names nobody; any other field of the wrong type
    refuses the event.
    """
    ga_data = _object(payload_type)(envelope.data, "$.data")
    return Event(
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        subject=envelope.subject,
        time=envelope.time,
        scope=payload_type.event_types[envelope.type],
        data=msgspec.convert(ga_data, payload_type),
        ga_data=ga_data,
    )


class _Field(msgspec.Struct, frozen=True):
    wire_name: str
    names: tuple[str, ...]
    """Lower-case names to look for, the best first."""
    convert: Converter
    required: bool
    lenient: bool
    """Whether what cannot be read is left out."""


@cache
def _object(struct: type[msgspec.Struct]) -> Converter:
    if struct is CommunicationIdentifier:
        return _identifier
    known = _fields_of(struct)
    spelling = {item.names[0]: item.wire_name for item in known}
    names = {name for item in known for name in item.names}

    def convert(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong_type("an object", value, path)
        found: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        for key, item in value.items():
            name = key.lower()
            if name not in names:
                rest[key] = item
            elif item is not None and (name not in found or key == spelling.get(name)):
                found[name] = item
        result = {}
        for known_field in known:
            converted = _convert_field(known_field, found, path)
            if converted is not None:
                result[known_field.wire_name] = converted
        return result | dict(sorted(rest.items())) if rest else result

    return convert


def _convert_field(known: _Field, found: Mapping[str, Any], path: str) -> Any:
    """Return the first value that is there and says something, those that are empty last; None for none."""
    path = f"{path}.{known.wire_name}"
    values = [found[name] for name in known.names if name in found]
    if len(values) > 1:
        values.sort(key=_is_empty)
    for value in values:
        try:
            converted = known.convert(value, path)
        except DecodeError:
            if known.lenient:
                continue
            raise
        if converted is not None:
            return converted
    if known.required:
        raise DecodeError(Reason.INVALID_DATA, f"A required field is missing - at `{path}`.")
    return None


def _is_empty(value: Any) -> bool:
    return value in ({}, [])


def _fields_of(struct: type[msgspec.Struct]) -> list[_Field]:
    hints = get_type_hints(struct, include_extras=True)
    result = []
    for info in fields(struct):
        hint, formerly = _without_former_name(hints[info.name])
        optional = isinstance(hint, UnionType)
        if optional:
            (hint,) = set(get_args(hint)) - {NoneType}
        names = (info.encode_name, formerly) if formerly else (info.encode_name,)
        result.append(
            _Field(
                wire_name=info.encode_name,
                names=tuple(name.lower() for name in names),
                convert=_converter(hint),
                required=info.required,
                lenient=optional and hint in (int, datetime),
            )
        )
    return result


def _without_former_name(hint: Any) -> tuple[Any, str | None]:
    if get_origin(hint) is not Annotated:
        return hint, None
    inner, *marks = get_args(hint)
    former = next((mark.name for mark in marks if isinstance(mark, Formerly)), None)
    return (inner if former else hint), former


def _converter(hint: Any) -> Converter:
    if hint in _SCALARS:
        return _SCALARS[hint]
    if get_origin(hint) is list:
        return _list_of(_converter(get_args(hint)[0]))
    if get_origin(hint) is dict:
        return _open_object
    return _object(hint)


def _list_of(convert: Converter) -> Converter:
    def convert_list(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise _wrong_type("an array", value, path)
        return [convert(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return convert_list


def _open_object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong_type("an object", value, path)
    return value


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong_type("a string", value, path)
    return value


def _non_empty(value: Any, path: str) -> str:
    if value == "":
        raise DecodeError(Reason.INVALID_DATA, f"Expected a non-empty string - at `{path}`.")
    return _string(value, path)


def _boolean(value: Any, path: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong_type("a boolean", value, path)
    return value


_INTEGER = re.compile(r"-?[0-9]{1,19}")


def _integer(value: Any, path: str) -> int:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**63) <= value < 2**63:
        raise DecodeError(
            Reason.INVALID_DATA, f"Expected a 64-bit integer, got {json_type(value)} - at `{path}`."
        )
    return value


def _time(value: Any, path: str) -> str:
    text = utc_time(value)
    if text is None:
        raise DecodeError(
            Reason.INVALID_DATA, f"Expected an RFC 3339 time, got {json_type(value)} - at `{path}`."
        )
    return text


_SCALARS: Mapping[Any, Converter] = {
    str: _string,
    NonEmpty: _non_empty,
    bool: _boolean,
    int: _integer,
    datetime: _time,
}


def _wrong_type(expected: str, value: Any, path: str) -> DecodeError:
    return DecodeError(Reason.INVALID_DATA, f"Expected {expected}, got {json_type(value)} - at `{path}`.")


_IDENTIFIER_KEYS = (
    "kind",
    "rawId",
    "communicationUser",
    "phoneNumber",
    "microsoftTeamsUser",
    "microsoftTeamsApp",
)
_IDENTIFIER_SPELLING = {key.lower(): key for key in _IDENTIFIER_KEYS}
_MEMBERS = _IDENTIFIER_KEYS[2:]


def _identifier(value: Any, path: str) -> dict[str, Any] | None:
    """Return a CommunicationIdentifier, from an object or from a bare raw id; None where it names nobody."""
    if isinstance(value, str):
        value = {"rawId": value}
    if not isinstance(value, dict):
        raise _wrong_type("an object or a string", value, path)
    found: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, item in value.items():
        name = _IDENTIFIER_SPELLING.get(key.lower())
        if name is None:
            rest[key] = item
        elif item is not None and (name not in found or key == name):
            found[name] = item
    kind = _string(found.get("kind", ""), f"{path}.kind")
    members = [key for key in _MEMBERS if not _is_placeholder(found.get(key))]
    member = kind if kind in members else next(iter(members), None)
    content = _MEMBER_CONVERTERS[member](found[member], f"{path}.{member}") if member else None
    raw_id = _string(found.get("rawId") or _raw_id_of(member, content), f"{path}.rawId")
    if not raw_id:
        return None
    if member is None:
        member, content = _member_of(raw_id)
    result = {"kind": kind or member, "rawId": raw_id}
    if content is not None:
        result[member] = content
    return result | dict(sorted(rest.items()))


def _is_placeholder(member: Any) -> bool:
    """Tell whether a member is absent in all but name: the specification requires one that others lack."""
    return not member or (
        isinstance(member, dict) and all(item is None or item == "" for item in member.values())
    )


def _raw_id_of(member: str | None, content: Any) -> str:
    """Return the raw id that an identifier's member implies, or an empty string."""
    match member, content:
        case "communicationUser", {"id": user}:
            return str(user)
        case "phoneNumber", {"value": number}:
            return f"4:{number}" if number else ""
        case "microsoftTeamsUser", {"userId": user, "isAnonymous": True}:
            return f"8:teamsvisitor:{user}" if user else ""
        case "microsoftTeamsUser", {"userId": name}:
            prefix = "8"
        case "microsoftTeamsApp", {"appId": name}:
            prefix = "28"
        case _:
            return ""
    cloud = _TEAMS_PREFIXES.get(content.get("cloud", "public"))
    return f"{prefix}:{cloud}:{name}" if cloud and name else ""


_TEAMS_CLOUDS = {"orgid": "public", "dod": "dod", "gcch": "gcch"}
_TEAMS_PREFIXES = {cloud: prefix for prefix, cloud in _TEAMS_CLOUDS.items()}


def _member_of(raw_id: str) -> tuple[str, dict[str, Any] | None]:
    """Return the kind and the member that a raw id's prefix implies, as Microsoft's SDKs do."""
    match raw_id.split(":", 2):
        case ["8", "acs" | "spool" | "dod-acs" | "gcch-acs", _]:
            return "communicationUser", {"id": raw_id}
        case ["8", "teamsvisitor", user]:
            return "microsoftTeamsUser", {"userId": user, "isAnonymous": True, "cloud": "public"}
        case ["8", "orgid" | "dod" | "gcch" as cloud, user]:
            return "microsoftTeamsUser", {"userId": user, "isAnonymous": False, "cloud": _TEAMS_CLOUDS[cloud]}
        case ["28", "orgid" | "dod" | "gcch" as cloud, app]:
            return "microsoftTeamsApp", {"appId": app, "cloud": _TEAMS_CLOUDS[cloud]}
        case ["4", *number]:
            return "phoneNumber", {"value": ":".join(number)}
        case _:
            return "unknown", None


_MEMBER_CONVERTERS: Mapping[str, Converter] = {
    item.wire_name: item.convert for item in _fields_of(CommunicationIdentifier) if item.wire_name in _MEMBERS
}
