"""Envelope to Event: whatever shape arrived becomes the GA shape, as JSON and as a typed payload."""

import functools
import operator
from collections.abc import Callable
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import FieldInfo, fields

from shared.envelope import LONGEST_ATTRIBUTE, DecodeError, Envelope, convert, invalid, utc_time
from shared.model import Formerly, GaObject, Payload, Scope

type _Path = str | tuple[_Path, str | int]
"""A JSON path that becomes text only if it is needed: what it leads from, and a key or an index."""

type Reader = Callable[[Any, _Path], tuple[Any, Any]]
"""Takes a JSON value and its JSON path. Returns the value in the GA shape, and typed. Raises DecodeError."""

UNREADABLE = "unreadable"
"""The key, in each object of the GA shape, under which values that could not be used are kept."""


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
    partition_key: str
    change_key: str | None
    data: P
    ga_data: dict[str, Any]
    """`data` as JSON in the GA shape, with the fields that this version does not know as they came."""


def decode[P: Payload](envelope: Envelope, payload_type: type[P]) -> Event[P]:
    """Decode an event's data. Raises DecodeError (`invalid_data`) if a required field cannot be read.

    Keys match in any casing, and null means absent. If a field arrives under several keys, the first readable
    one counts: the present name before the former one, the GA spelling before others. What is not used is
    kept under `unreadable` in the object that it came from, unless it only repeats what is used.
    """
    ga_data, data = _reader(payload_type)(envelope.data, ("$", "data"))
    partition_key, change_key = data.partition_key, data.change_key
    if len(partition_key) > LONGEST_ATTRIBUTE or len(change_key or "") > LONGEST_ATTRIBUTE:
        raise invalid("The identifiers are too long for a queue message", "$.data")
    return Event(
        id=envelope.id,
        source=envelope.source,
        type=envelope.type,
        subject=envelope.subject,
        time=envelope.time,
        scope=payload_type.event_types[envelope.type],
        partition_key=partition_key,
        change_key=change_key,
        data=data,
        ga_data=ga_data,
    )


type _Candidate = tuple[str, Any]
"""A key that may hold a field, as it arrived, and its value."""


class _Field(msgspec.Struct, frozen=True):
    name: str
    wire_name: str
    former_name: str | None
    read: Reader
    required: bool
    is_object: bool

    def preference(self, candidate: _Candidate) -> tuple[bool, bool, bool]:
        """Return the sort key of a candidate: the least is the best."""
        key, value = candidate
        return value in ({}, []), key.lower() != self.wire_name.lower(), key != self.wire_name


class _ObjectReader:
    """Reads objects of one class."""

    def __init__(self, struct: type[GaObject]) -> None:
        self._struct = struct
        self._fields = [_field(struct, info) for info in fields(struct) if info.name != UNREADABLE]
        self._required = [field for field in self._fields if field.required]
        self._by_key = {
            name.lower(): field
            for field in self._fields
            for name in (field.former_name, field.wire_name)
            if name
        }
        self._text = self._by_key[struct.text_field.lower()] if struct.text_field else None

    def __call__(self, value: Any, path: _Path) -> tuple[dict[str, Any], GaObject]:
        if isinstance(value, str) and self._text is not None:
            completed = self._struct.complete({self._text.name: value})
            if all(field.name in completed for field in self._required):
                typed = self._struct(**completed)
                return msgspec.to_builtins(typed), typed
            value = {self._text.wire_name: value}
        if not isinstance(value, dict):
            convert(value, dict, _text(path))
        candidates, rest = self._candidates(value)
        unreadable = {UNREADABLE: rest.pop(UNREADABLE)} if UNREADABLE in rest else {}
        ga: dict[str, Any] = {}
        values: dict[str, Any] = {}
        errors: dict[str, DecodeError] = {}
        spare: list[tuple[_Field, _Candidate]] = []
        for field in self._fields:
            found = candidates.get(field.name, ())
            if len(found) > 1:
                found = sorted(found, key=field.preference)
            for key, item in found:
                if field.name in values:
                    spare.append((field, (key, item)))
                    continue
                try:
                    ga[field.wire_name], values[field.name] = field.read(item, (path, field.wire_name))
                except DecodeError as error:
                    if not field.is_object or _scalars(item):  # else it is a placeholder, and means absent
                        errors.setdefault(field.name, error)
                        unreadable[key] = item
        completed = self._struct.complete(values)
        if completed is not values:
            if dropped := values.keys() - completed.keys():
                gone = [field for field in self._fields if field.name in dropped]
                spare += [(field, candidate) for field in gone for candidate in candidates[field.name]]
            ga = self._completed(ga, values, completed)
        for field in self._required:
            if field.name not in completed:
                raise errors.get(field.name) or _invalid(
                    "A required field is missing", (path, field.wire_name)
                )
        if spare:
            unreadable |= _unused(spare, ga)
        if unreadable:
            rest[UNREADABLE] = dict(sorted(unreadable.items()))
        if rest:
            ga |= sorted(rest.items())
        return ga, self._struct(**completed, unreadable=unreadable or None)

    def _candidates(self, value: dict[str, Any]) -> tuple[dict[str, list[_Candidate]], dict[str, Any]]:
        """Return what arrived for each field, and the keys that belong to no field."""
        found: dict[str, list[_Candidate]] = {}
        rest: dict[str, Any] = {}
        for key, item in value.items():
            field = self._by_key.get(key.lower())
            if field is None:
                rest[key] = item
            elif item is None:
                continue
            elif field.name in found:
                found[field.name].append((key, item))
            else:
                found[field.name] = [(key, item)]
        return found, rest

    def _completed(
        self, ga: dict[str, Any], values: dict[str, Any], completed: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            field.wire_name: ga[field.wire_name]
            if completed[field.name] is values.get(field.name)
            else msgspec.to_builtins(completed[field.name])
            for field in self._fields
            if field.name in completed
        }


def _unused(spare: list[tuple[_Field, _Candidate]], ga: dict[str, Any]) -> dict[str, Any]:
    """Return the spare candidates that say more than what their field, or the whole object, says now."""
    said: dict[str, set[str]] = {}
    unused = {}
    for field, (key, item) in spare:
        if field.name not in said:
            said[field.name] = _scalars(ga.get(field.wire_name, ga))
        if not _scalars(item) <= said[field.name]:
            unused[key] = item
    return unused


def _scalars(value: Any) -> set[str]:
    """Return the scalars in a JSON value as text, without nulls and empty strings."""
    found, rest = set(), [value]
    while rest:
        match item := rest.pop():
            case dict():
                rest += item.values()
            case list():
                rest += item
            case None | "":
                pass
            case _:
                found.add(str(item))
    return found


def _field(struct: type[GaObject], info: FieldInfo) -> _Field:
    hint, former_name = _without_former_name(get_type_hints(struct, include_extras=True)[info.name])
    if isinstance(hint, UnionType) and NoneType in get_args(hint):
        hint = functools.reduce(operator.or_, (arg for arg in get_args(hint) if arg is not NoneType))
    return _Field(
        name=info.name,
        wire_name=info.encode_name,
        former_name=former_name,
        read=_reader(hint),
        required=info.required,
        is_object=isinstance(hint, type) and issubclass(hint, GaObject),
    )


def _without_former_name(hint: Any) -> tuple[Any, str | None]:
    if get_origin(hint) is not Annotated:
        return hint, None
    inner, *marks = get_args(hint)
    former_name = next((mark.name for mark in marks if isinstance(mark, Formerly)), None)
    return (inner if former_name else hint), former_name


@cache
def _reader(hint: Any) -> Reader:
    if isinstance(hint, type) and issubclass(hint, GaObject):
        return _ObjectReader(hint)
    if get_origin(hint) is list:
        return _list_reader(_reader(get_args(hint)[0]))
    if hint is datetime:
        return _time
    return _integer if hint is int else _value_reader(hint)


def _list_reader(read: Reader) -> Reader:
    def read_list(value: Any, path: _Path) -> tuple[list[Any], list[Any]]:
        if not isinstance(value, list):
            convert(value, list, _text(path))
        pairs = [read(item, (path, index)) for index, item in enumerate(value)]
        return [ga for ga, _ in pairs], [typed for _, typed in pairs]

    return read_list


def _value_reader(hint: Any) -> Reader:
    def read_value(value: Any, path: _Path) -> tuple[Any, Any]:
        try:
            return value, msgspec.convert(value, hint)
        except msgspec.ValidationError:
            return value, convert(value, hint, _text(path))

    return read_value


def _integer(value: Any, path: _Path) -> tuple[int, int]:
    """Read a number of 64 bits. ACS sends some as strings."""
    try:
        number = msgspec.convert(value, _INT64, strict=False)
    except msgspec.ValidationError:
        number = convert(value, _INT64, _text(path), strict=False)
    return number, number


_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


def _time(value: Any, path: _Path) -> tuple[str, datetime]:
    text = utc_time(value)
    if text is None:
        raise _invalid("Expected an RFC 3339 time", path)
    return text, msgspec.convert(text, datetime)


def _text(path: _Path) -> str:
    if isinstance(path, str):
        return path
    parent, step = path
    return f"{_text(parent)}[{step}]" if isinstance(step, int) else f"{_text(parent)}.{step}"


def _invalid(fault: str, path: _Path) -> DecodeError:
    return invalid(fault, _text(path))
