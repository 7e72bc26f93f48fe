"""Hypothesis strategies: documented events, damaged events, and texts that are not events."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from shared.handling import EventFamily
from shared.payloads import PAYLOADS
from tests.events import PASSING_ON, SAMPLES, as_cloud_event, sample

type Json = Any
type Draw = Callable[[st.SearchStrategy[Any]], Any]

OPEN_OBJECTS = ("properties", "metadata")
"""Fields whose keys the sender chooses. They are kept as they arrive, in any casing."""
UNKNOWN = "x-"
"""Prefix of the keys that `with_unknown_keys` adds."""

_CHARACTERS = st.characters() | st.sampled_from(["\ud800", "\udfff", "\0", "\u2028", "\ufeff", "\u212a", "İ"])
_NUMBERS = st.integers() | st.sampled_from(
    [2**53 + 1, 2**63, -(2**63) - 1, 10**30, 10**400, 0.1, -0.0, 1e300, 5e-324, 1772445735306.0]
)
_TEXT = st.text(_CHARACTERS, max_size=12)
_ODD_STRINGS = st.sampled_from(
    [
        "",
        " ",
        "{}",
        "null",
        "1772445735306",
        "1e400",
        "\ud800",
        "\0" * 1024,
        "\0" * 1025,
        "8:acs:" + "x" * 60_000,
    ]
)
_TIMES = st.sampled_from(
    [
        "0001-01-01T00:00:00+00:00",
        "0001-01-01T00:00:00+23:59",
        "2026-03-02T09:15:33.123456789-08:00",
        "2026-03-02T09:15:33",
        "2026-03-02T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "9999-12-31T23:59:59.9999999Z",
    ]
)
_RAW_IDS = st.sampled_from(["8:acs:a_b", "8:orgid:", "8:teamsvisitor:x", "4:", "28:dod:x", "unknown", ""])
_KEYS = _TEXT | st.sampled_from(
    ["id", "data", "eventType", "type", "source", "time", "kind", "rawId", "phoneNumber", "participants"]
)

JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.floats() | _TEXT | _ODD_STRINGS | _TIMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=8,
)
"""Any value that Python's json writes, including NaN and lone surrogates."""


_IDENTIFIERS = _RAW_IDS | st.fixed_dictionaries(
    {},
    optional={
        "kind": JSON,
        "rawId": _RAW_IDS | JSON,
        "communicationUser": JSON | st.fixed_dictionaries({"id": _RAW_IDS | JSON}),
        "phoneNumber": JSON | st.fixed_dictionaries({"value": _TEXT | JSON}),
        "microsoftTeamsUser": JSON | st.fixed_dictionaries({"userId": _TEXT | JSON}),
    },
)


@st.composite
def good_events(draw: Draw) -> dict[str, Json]:
    """Draw a sample event in either schema."""
    event: dict[str, Json] = sample(draw(st.sampled_from(SAMPLES)))
    return as_cloud_event(event) if draw(st.booleans()) else event


@st.composite
def mutated_events(draw: Draw) -> dict[str, Json]:
    """Draw a sample event with up to four changes, in its data or anywhere."""
    event: dict[str, Json] = deepcopy(draw(good_events()))
    place = draw(st.sampled_from([event["data"], event["data"], event]))
    for _ in range(draw(st.integers(0, 4))):
        draw(st.sampled_from(_MUTATIONS))(draw, place)
    return event


@st.composite
def texts(draw: Draw) -> str:
    """Draw a text for a function: mostly events, some of them damaged or not JSON."""
    kind = draw(st.sampled_from(["event"] * 5 + ["damaged", "json", "text"]))
    if kind == "text":
        return str(draw(st.text(_CHARACTERS, max_size=40)))
    value = draw(JSON) if kind == "json" else draw(mutated_events())
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    return _damaged(draw, text) if kind == "damaged" else text


def family_of(event: Json) -> EventFamily:
    """Return the family that takes an event, or the family `sms` if none does."""
    names = (event.get("eventType"), event.get("type")) if isinstance(event, dict) else ()
    types = [PAYLOADS[name] for name in names if isinstance(name, str) and name in PAYLOADS]
    return PASSING_ON[types[0].family if types else "sms"]


@st.composite
def deliveries(draw: Draw) -> tuple[EventFamily, str]:
    """Draw a family and a text for it. Mostly it is the family of the event's type."""
    text = draw(texts())
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(list(PASSING_ON.values()))), text
    try:
        return family_of(json.loads(text)), text
    except ValueError:
        return family_of(None), text


@st.composite
def shuffled(draw: Draw, value: Json) -> Json:
    """Draw the same JSON value with the keys of its objects in another order."""
    if isinstance(value, list):
        return [draw(shuffled(item)) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: draw(shuffled(value[key])) for key in draw(st.permutations(list(value)))}


@st.composite
def recased(draw: Draw, value: Json) -> Json:
    """Draw the same event data with its known keys in other casings."""
    if isinstance(value, list):
        return [draw(recased(item)) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        _recase(draw, key): item if key in OPEN_OBJECTS else draw(recased(item))
        for key, item in value.items()
    }


@st.composite
def with_unknown_keys(draw: Draw, value: Json) -> Json:
    """Draw the same JSON value with unknown keys in its objects."""
    if isinstance(value, list):
        return [draw(with_unknown_keys(item)) for item in value]
    if not isinstance(value, dict):
        return value
    names = draw(st.lists(st.text("abcXYZ0", max_size=3), max_size=2, unique=True))
    added = {f"{UNKNOWN}{name}": draw(_PLAIN) for name in names}
    return {key: draw(with_unknown_keys(item)) for key, item in value.items()} | added


@st.composite
def marked_events(draw: Draw) -> tuple[dict[str, Json], list[str]]:
    """Draw an event that contains marks, which occur nowhere else, and the marks."""
    event = draw(mutated_events())
    marks = [f"Q{draw(st.text("QXZ+@7\n'", min_size=6, max_size=10))}Z", str(draw(_PHONE_NUMBERS))]
    for _ in range(draw(st.integers(1, 5))):
        draw(st.sampled_from([_mark_value, _mark_key, _mark_number]))(draw, event, marks)
    return event, marks


_PHONE_NUMBERS = st.integers(7 * 10**12, 7 * 10**12 + 10**9)
_PLAIN: st.SearchStrategy[Json] = st.integers(-9, 9) | st.text("ab", max_size=3) | st.just([{"a": None}])


def _objects(value: Json) -> Iterator[dict[str, Json]]:
    if isinstance(value, dict):
        yield value
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        yield from _objects(item)


def _spot(draw: Draw, event: Json) -> tuple[dict[str, Json], str] | None:
    """Draw an object of the event that has a key, and the key."""
    objects = [item for item in _objects(event) if item]
    if not objects:
        return None
    found = draw(st.sampled_from(objects))
    return found, draw(st.sampled_from(list(found)))


def _drop(draw: Draw, event: Json) -> None:
    if spot := _spot(draw, event):
        del spot[0][spot[1]]


def _rename(draw: Draw, event: Json) -> None:
    if spot := _spot(draw, event):
        spot[0][draw(_KEYS)] = spot[0].pop(spot[1])


def _recase_one(draw: Draw, event: Json) -> None:
    if spot := _spot(draw, event):
        spot[0][_recase(draw, spot[1])] = spot[0].pop(spot[1])


def _twin(draw: Draw, event: Json) -> None:
    if spot := _spot(draw, event):
        spot[0][_recase(draw, spot[1])] = draw(JSON)


def _replace(draw: Draw, event: Json) -> None:
    if spot := _spot(draw, event):
        spot[0][spot[1]] = draw(JSON)


def _replace_alike(draw: Draw, event: Json) -> None:
    if spot := _spot(draw, event):
        spot[0][spot[1]] = draw(_odd(spot[0][spot[1]]))


def _odd(value: Json) -> st.SearchStrategy[Json]:
    """Return odd values of the kind of a value."""
    match value:
        case str() if value.endswith("Z"):
            return _TIMES
        case str() if value.startswith("8:"):
            return _IDENTIFIERS
        case str() if value in PAYLOADS:
            return st.sampled_from(list(PAYLOADS))
        case str():
            return _TEXT | _ODD_STRINGS
        case int() | float():
            return _NUMBERS
        case {"rawId": _}:
            return _IDENTIFIERS
        case _:
            return JSON


def _add(draw: Draw, event: Json) -> None:
    draw(st.sampled_from(list(_objects(event))))[draw(_KEYS)] = draw(JSON)


def _wrap(draw: Draw, event: Json) -> None:
    if spot := _spot(draw, event):
        value = spot[0][spot[1]]
        spot[0][spot[1]] = draw(st.sampled_from([[value], {spot[1]: value}, json.dumps(value)]))


_MUTATIONS = (_drop, _rename, _recase_one, _twin, _replace, _replace_alike, _replace_alike, _add, _wrap)


def _recase(draw: Draw, key: str) -> str:
    return str(draw(st.sampled_from([key, key.upper(), key.lower(), key[:1].upper() + key[1:]])))


def _damaged(draw: Draw, text: str) -> str:
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 8)))
    return f"{text[:start]}{draw(_TEXT)}{text[end:]}"


def _mark_value(draw: Draw, event: Json, marks: list[str]) -> None:
    if spot := _spot(draw, event):
        spot[0][spot[1]] = draw(
            st.sampled_from([marks[0], f"4:{marks[0]}", [marks[0]], {"rawId": [marks[0]]}])
        )


def _mark_key(draw: Draw, event: Json, marks: list[str]) -> None:
    draw(st.sampled_from(list(_objects(event))))[marks[0]] = draw(JSON)


def _mark_number(draw: Draw, event: Json, marks: list[str]) -> None:
    if spot := _spot(draw, event):
        spot[0][spot[1]] = draw(st.sampled_from([int(marks[1]), marks[1], f"+{marks[1]}", float(marks[1])]))
