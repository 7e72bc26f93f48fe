"""Envelope to Event: whatever shape arrived becomes the GA shape, then a typed payload."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import fields

from shared.envelope import DecodeError, Envelope, Reason, json_type, utc_time
from shared.payloads import CommunicationIdentifier, Formerly, Payload, Scope

type Converter = Callable[[Any, str], Any]
"""Takes a JSON value and its JSON path; returns the GA shape or raises DecodeError."""


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
    read is left out; any other field of the wrong type refuses the event.
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
            elif name not in found or key == spelling.get(name):
                found[name] = item
        result = {}
        for known_field in known:
            converted = _convert_field(known_field, found, path)
            if converted is not None:
                result[known_field.wire_name] = converted
        return result | dict(sorted(rest.items())) if rest else result

    return convert


def _convert_field(known: _Field, found: Mapping[str, Any], path: str) -> Any:
    value = _best(known.names, found)
    path = f"{path}.{known.wire_name}"
    if value is None:
        if known.required:
            raise DecodeError(Reason.INVALID_DATA, f"A required field is missing - at `{path}`.")
        return None
    try:
        return known.convert(value, path)
    except DecodeError:
        if known.lenient:
            return None
        raise


def _best(names: Iterable[str], found: Mapping[str, Any]) -> Any:
    """Return the first value that is there and not empty, else the first that is there."""
    empty = None
    for name in names:
        value = found.get(name)
        if value not in (None, {}, []):
            return value
        if empty is None:
            empty = value
    return empty


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
    return inner, next((mark.name for mark in marks if isinstance(mark, Formerly)), None)


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


_SCALARS: Mapping[Any, Converter] = {str: _string, bool: _boolean, int: _integer, datetime: _time}


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


def _identifier(value: Any, path: str) -> dict[str, Any]:
    """Return a CommunicationIdentifier, from an object or from a bare raw id."""
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
    member = next((key for key in _MEMBERS if found.get(key)), None)
    if member is not None:
        found[member] = _MEMBER_CONVERTERS[member](found[member], f"{path}.{member}")
    raw_id = _string(found.get("rawId") or _raw_id_of(found), f"{path}.rawId")
    if not raw_id:
        raise DecodeError(Reason.INVALID_DATA, f"Expected a non-empty string - at `{path}.rawId`.")
    inferred_kind, inferred = _member_of(raw_id)
    if member is None and inferred is not None:
        member, found[inferred_kind] = inferred_kind, inferred
    result = {"kind": _string(found.get("kind") or member or inferred_kind, f"{path}.kind"), "rawId": raw_id}
    if member is not None:
        result[member] = found[member]
    return result | dict(sorted(rest.items()))


def _raw_id_of(found: Mapping[str, Any]) -> str:
    """Return the raw id that an identifier's member implies, or an empty string."""
    match found:
        case {"communicationUser": {"id": str(user)}}:
            return user
        case {"phoneNumber": {"value": str(number)}}:
            return f"4:{number}"
        case _:
            return ""


_TEAMS_CLOUDS = {"orgid": "public", "dod": "dod", "gcch": "gcch"}


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
