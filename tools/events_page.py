"""The page of events: `python -m tools.events_page [--check]`."""

import re
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import fields

from shared.decoding import UNREADABLE
from shared.model import GaObject, Payload, former_name
from shared.payloads import PAYLOAD_TYPES, PAYLOADS
from shared.settings import QUEUE_SETTINGS
from tools.generated import PROJECT_DIR, Files, command
from tools.notes import field_notes
from tools.schemas import objects_in

PAGE = PROJECT_DIR / "docs" / "events.md"
SAMPLES_DIR = PROJECT_DIR / "samples"
GOLDEN = "tests/golden"

_PREFIX = "Microsoft.Communication."
_OBJECTS = "Objects"

_INTRO = f"""\
# Events and outcomes in full

The fields of each event of Azure Communication Services that the app handles, and samples of all shapes in
which the event is known to arrive, with the outcome of each. [outcomes.md](outcomes.md) says how to read
outcomes. Their JSON Schemas are in [`schemas/`](../schemas).

`make docs` generates this page from [`shared/payloads/`](../shared/payloads), [`samples/`](../samples) and
[`tests/golden/`](../tests/golden). Change those, not this page.

- Event types begin with `{_PREFIX}`, which is left out here.
- **Scope** says which copy of a chat event it is: ACS publishes one for each recipient (`user`), and one for
  the thread (`thread`).
- **Field** is the name in an outcome's `data`, whatever the name on arrival. **In Python** is the attribute
  of `event.data` in a handler. **In 2020** is the name in the preview, if more than the casing differs.
- An event without a readable value for a **required** field is dead-lettered. A field is required only if the
  identity, the order or the meaning of the outcome depends on it.
- An **optional** field never causes a dead letter. Without a readable value it is absent. It is never null.
- Each object of `data` can have a field `unreadable`. It contains what arrived in the object and could not be
  used, unchanged: `{{"unreadable": {{"Tag": 5}}}}`. This is a value of the wrong type, a value of a field
  that also arrived under another name or spelling, which was used instead, or a field that is itself called
  `unreadable`. Empty values and values that only repeat what is used are left out.
- Fields that this version does not know are kept as they arrived.
- `ChatTypingIndicatorReceivedInThread` is not handled, because it contains nothing to keep. Do not subscribe
  to it: the app would dead-letter it.
"""

_TYPES = {str: "string", int: "integer", bool: "boolean", datetime: "time", NoneType: "null"}


class _Example(msgspec.Struct, frozen=True):
    """A sample event."""

    path: Path
    event: dict[str, Any]

    @property
    def event_type(self) -> str:
        return str(self.event.get("eventType") or self.event["type"])

    @property
    def shape(self) -> str:
        """How the sample differs from the others of its type."""
        _, _, shape = self.path.stem.partition(".")
        return shape.replace("-", " ")


def page() -> str:
    """Return the page."""
    examples = [
        _Example(path, msgspec.json.decode(path.read_bytes()))
        for path in (*sorted(SAMPLES_DIR.glob("*.json")), *sorted(SAMPLES_DIR.glob("*/*.json")))
    ]
    sections = [_INTRO, _contents(PAYLOAD_TYPES)]
    sections += [
        _payload_section(payload, [item for item in examples if PAYLOADS[item.event_type] is payload])
        for payload in PAYLOAD_TYPES
    ]
    sections.append(f"## {_OBJECTS}\n\nThe objects in the fields above.\n")
    objects = {name: owner for payload in PAYLOAD_TYPES for name, owner in objects_in(payload).items()}
    sections += [_object_section(owner) for owner in objects.values()]
    return "\n".join(sections)


def files() -> Files:
    """Return what the page should hold."""
    return {PAGE: page()}


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _contents(payloads: Iterable[type[Payload]]) -> str:
    rows = [
        (_link(_code(_short(event_type)), payload.outcome_type), _code(scope), _code(payload.outcome_type))
        for payload in payloads
        for event_type, scope in payload.event_types.items()
    ]
    table = _table(("Event type", "Scope", "Outcome type"), rows)
    return f"## Contents\n\n{table}\nThe objects in their fields are described {_link('below', _OBJECTS)}.\n"


def _payload_section(payload: type[Payload], examples: Sequence[_Example]) -> str:
    return "\n".join(
        (
            f"## {payload.outcome_type}\n\n{payload.__doc__}\n",
            _facts(payload),
            "### Fields of `data`\n",
            _fields_table(payload),
            "### Samples\n",
            _table(("Event type", "Shape", "Event", "Outcome"), map(_sample_row, examples)),
        )
    )


def _facts(payload: type[Payload]) -> str:
    queue_setting, queue = QUEUE_SETTINGS[payload.family]
    event_types = [
        f"`{_short(name)}`" + (f" (scope `{scope}`)" if scope else "")
        for name, scope in payload.event_types.items()
    ]
    attributes = [
        f"- Attribute `{name}`: {attribute.description}\n"
        + "".join(f"  - `{value}`: {meaning}\n" for value, meaning in attribute.values.items())
        for name, attribute in payload.outcome_attributes.items()
    ]
    schema = f"{payload.outcome_type}.json"
    return (
        f"- Event types: {', '.join(event_types)}\n"
        f"- Function: `{payload.family}`\n"
        f"- Queue: `{queue}`, or the value of `{queue_setting}`\n"
        f"- Class: `{payload.__name__}` in `{payload.__module__.replace('.', '/')}.py`\n"
        f"- Schema: [`{schema}`](../schemas/{schema}), version {payload.schema_version}\n"
        + "".join(attributes)
    )


def _object_section(owner: type[GaObject]) -> str:
    return f"### {owner.__name__}\n\n{owner.__doc__}\n\n{_fields_table(owner)}"


def _fields_table(owner: type[GaObject]) -> str:
    hints = get_type_hints(owner, include_extras=True)
    notes = field_notes(owner)
    rows = [
        (
            _code(info.encode_name),
            _type_text(hints[info.name]),
            "required" if info.required else "optional",
            _code(info.name),
            _code(former_name(hints[info.name])),
            notes.get(info.name, ""),
        )
        for info in fields(owner)
        if info.name != UNREADABLE
    ]
    return _table(("Field", "Type", "", "In Python", "In 2020", "Notes"), rows)


def _type_text(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        return _type_text(get_args(hint)[0])
    if get_origin(hint) is list:
        return f"array of {_type_text(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return "object"
    if members := [member for member in get_args(hint) if member is not NoneType]:
        return " or ".join(_type_text(member) for member in members)
    return _TYPES.get(hint) or _link(hint.__name__, hint.__name__)


def _sample_row(example: _Example) -> tuple[str, str, str, str]:
    name, event = example.path.name, example.path.relative_to(PROJECT_DIR).as_posix()
    golden = f"{GOLDEN}/{name}"
    return (
        _code(_short(example.event_type)),
        example.shape,
        f"[{name}](../{event})",
        f"[{name}](../{golden})",
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def _link(text: str, heading: str) -> str:
    return f"[{text}](#{anchor(heading)})"


def _short(event_type: str) -> str:
    return event_type.removeprefix(_PREFIX)


if __name__ == "__main__":
    sys.exit(command("Write the page of events.", files, list))
