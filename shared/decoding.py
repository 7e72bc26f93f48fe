"""Envelope to Event: whatever shape arrived becomes the GA shape, as JSON and as a typed payload."""

from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import fields

from shared.envelope import LONGEST_ATTRIBUTE, DecodeError, Envelope, JsonPath, convert, invalid, utc_time
from shared.model import Formerly, GaObject, Payload, Scope, former_name

type _Reader = Callable[[Any, JsonPath], Any]
"""Takes a JSON value and its JSON path. Returns the value in the GA shape. Raises DecodeError."""

UNREADABLE = "unreadable"
"""The key, in each object of the GA shape, under which values that could not be used are kept."""


class Event[P: Payload](Envelope, frozen=True, kw_only=True):
    """What a handler receives: an envelope whose data is decoded."""

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
    kept under `unreadable` in the object that it came from, unless it is empty or repeats what is used.
    """
    ga_data = _reader(payload_type)(envelope.data, ("$", "data"))
    data = msgspec.convert(ga_data, payload_type)
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


class _Field(msgspec.Struct, frozen=True):
    name: str
    """The name in the GA shape."""
    former_name: str | None
    required: bool
    as_it_is: type | None
    """The type of values that need not be read."""
    read: _Reader

    def preference(self, candidate: tuple[str, Any]) -> tuple[bool, bool, bool, str]:
        """Return the sort key of a key and value that may be the field's: the least is the best."""
        key, value = candidate
        return value in ({}, []), key.lower() != self.name.lower(), key != self.name, key


class _ObjectReader:
    """Reads objects of one class."""

    def __init__(self, struct: type[GaObject]) -> None:
        self._struct = struct
        self._fields = _fields(struct)
        self._required = [field.name for field in self._fields if field.required]
        self._by_key = {field.former_name.lower(): field for field in self._fields if field.former_name}
        self._by_key |= {field.name.lower(): field for field in self._fields}

    def __call__(self, value: Any, path: JsonPath) -> dict[str, Any]:
        ga: dict[str, Any] = {}
        if isinstance(value, str) and self._struct.text_field:
            ga, value = {self._struct.text_field: value}, {}
        if not isinstance(value, dict):
            convert(value, dict, path)
        arrived: dict[str, list[tuple[str, Any]]] = {}
        rest: dict[str, Any] = {}
        for key, item in value.items():
            field = self._by_key.get(key.lower())
            if field is None:
                rest[key] = item
            elif item is not None:
                arrived.setdefault(field.name, []).append((key, item))
        errors: dict[str, DecodeError] = {}
        unused: list[tuple[str, str, Any]] = []
        for field in self._fields:
            name = field.name
            if name not in arrived:
                continue
            candidates = arrived[name]
            if len(candidates) > 1:
                candidates.sort(key=field.preference)
            for key, item in candidates:
                if name in ga:
                    unused.append((name, key, item))
                    continue
                try:
                    ga[name] = item if type(item) is field.as_it_is else field.read(item, (path, name))
                except DecodeError as error:
                    errors.setdefault(name, error)
                    unused.append((name, key, item))
        completed = self._struct.complete(ga)
        if completed is not ga:
            dropped = [name for name in arrived if completed.get(name) is not ga.get(name)]
            unused += [(name, key, item) for name in sorted(dropped) for key, item in arrived[name]]
        for name in self._required:
            if name not in completed:
                raise errors.get(name) or invalid("A required field is missing", (path, name))
        unreadable = _unused_values(unused, completed) if unused else {}
        if UNREADABLE in rest:
            unreadable[UNREADABLE] = rest[UNREADABLE]
        if unreadable:
            rest[UNREADABLE] = unreadable
        return completed | dict(sorted(rest.items())) if rest else completed


def _unused_values(unused: list[tuple[str, str, Any]], ga: dict[str, Any]) -> dict[str, Any]:
    """Return the unused values that contain more than their field does now, under their own keys."""
    used = {name: _scalars(ga.get(name)) for name in {name for name, _, _ in unused}}
    return {key: item for name, key, item in unused if not _scalars(item) <= used[name]}


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


def _fields(struct: type[GaObject]) -> list[_Field]:
    hints = get_type_hints(struct, include_extras=True)
    return [
        _Field(
            name=info.encode_name,
            former_name=former_name(hints[info.name]),
            required=info.required,
            as_it_is=_AS_THEY_ARE.get(_bare(hints[info.name])),
            read=_reader(hints[info.name]),
        )
        for info in fields(struct)
        if info.name != UNREADABLE
    ]


_AS_THEY_ARE = {str: str, bool: bool, dict[str, Any]: dict}
"""The field types whose values need not be read, with the values' types."""


def _bare(hint: Any) -> Any:
    """Return a field's type without None and without its former name."""
    match get_args(hint):
        case (inner, Formerly()):
            return _bare(inner)
        case members if get_origin(hint) in (Union, UnionType):
            inner, *more = (member for member in members if member is not NoneType)
            return hint if more else inner
    return hint


@cache
def _reader(hint: Any) -> _Reader:
    hint = _bare(hint)
    if get_origin(hint) is list:
        return partial(_list, _reader(get_args(hint)[0]))
    if isinstance(hint, type) and issubclass(hint, GaObject):
        return _ObjectReader(hint)
    if hint is datetime:
        return _time
    return _integer if hint is int else partial(_value, hint)


def _list(read: _Reader, value: Any, path: JsonPath) -> list[Any]:
    if not isinstance(value, list):
        convert(value, list, path)
    return [read(item, (path, index)) for index, item in enumerate(value)]


def _value(hint: Any, value: Any, path: JsonPath) -> Any:
    convert(value, hint, path)
    return value


def _integer(value: Any, path: JsonPath) -> Any:
    """Read a number of 64 bits. ACS sends some as strings."""
    if type(value) is int and value.bit_length() < 64:
        return value
    return convert(value, _INT64, path, strict=False)


_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


def _time(value: Any, path: JsonPath) -> str:
    text = utc_time(value)
    if text is None:
        raise invalid("Expected an RFC 3339 time", path)
    return text
