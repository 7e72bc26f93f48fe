"""Base classes of the typed payloads."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from msgspec import Meta, Struct

type Scope = Literal["user", "thread"]
"""ACS publishes a chat event for each recipient (`user`), and one for the change itself (`thread`)."""

NonEmpty = Annotated[str, Meta(min_length=1)]
"""Text that identifies a change. If it could be empty, different changes would look the same."""


class Formerly(Struct, frozen=True):
    """Marks a field with the name that it had in the 2020 preview."""

    name: str


def former_name(hint: Any) -> str | None:
    """Return the name that a field of this type had, or None if it has had no other."""
    return next((mark.name for mark in get_args(hint) if isinstance(mark, Formerly)), None)


class OutcomeAttribute(Struct, frozen=True):
    """A CloudEvents extension attribute of an outcome, as its schema and the documentation show it."""

    description: str
    values: Mapping[str, str]
    """The meaning of each value."""


class GaObject(Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """An object of the generally available (GA) shape: camelCase on the wire."""

    text_field: ClassVar[str | None] = None
    """The field that a bare string in the object's place stands for."""

    unreadable: dict[str, Any] | None = None
    """What arrived in this object and could not be used, under its own keys: values of another type than the
    field's, and values that another spelling of the field overrides."""

    @classmethod
    def complete(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return an object in the GA shape with what follows from its fields, and without what to drop."""
        return values


class Payload(GaObject, frozen=True, kw_only=True):
    """The `data` of one kind of event, and what its outcome says about order and identity."""

    family: ClassVar[str]
    event_types: ClassVar[Mapping[str, Scope | None]]
    """Every event type under which this change arrives, with its scope."""
    outcome_type: ClassVar[str]
    schema_version: ClassVar[int] = 1
    """The version of the outcome type's schema. Raise it when a change may break consumers."""
    outcome_attributes: ClassVar[Mapping[str, OutcomeAttribute]] = {}
    """The extension attributes that the shipped handler adds to its outcomes."""

    @property
    def partition_key(self) -> str:
        """The key within which order matters."""
        raise NotImplementedError

    @property
    def change_key(self) -> str | None:
        """The key of the change, equal in every copy of its event and under its former name."""
        return None

    @property
    def sequence(self) -> int | None:
        """The position of the change among those of the same partition key."""
        return None
