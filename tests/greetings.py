"""An event family for tests of the engine, so that they do not depend on the families of the app."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, ClassVar, override

import pytest
from msgspec import field

from shared.handling import EventFamily
from shared.identifiers import CommunicationIdentifier
from shared.model import Formerly, GaObject, NonEmpty, Payload, Scope
from shared.payloads import PAYLOADS
from shared.settings import QUEUE_SETTINGS, get_settings

SOURCE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Communication/communicationServices/contoso"


class Gift(GaObject, frozen=True, kw_only=True):
    """An object with one required field."""

    label: str
    price: int | None = None
    bought: datetime | None = None


class Greeted(Payload, frozen=True, kw_only=True):
    """A person greeted another."""

    family: ClassVar[str] = "greeting"
    event_types: ClassVar[Mapping[str, Scope | None]] = {
        "Test.Greeted": "user",
        "Test.GreetedInThread": "thread",
    }
    outcome_type = "acs.greeting.greeted"

    message_id: NonEmpty
    message: str
    sender: Annotated[CommunicationIdentifier, Formerly("senderId")]
    at: datetime
    version: int
    recipient: Annotated[CommunicationIdentifier | None, Formerly("recipientId")] = None
    note: str | None = None
    count: int | None = None
    seen: datetime | None = None
    public: bool | None = None
    gift: Gift | None = None
    gifts: Annotated[list[Gift], Formerly("presents")] = field(default_factory=list)
    labels: dict[str, Any] | None = None

    @property
    @override
    def partition_key(self) -> str:
        return self.sender.raw_id

    @property
    @override
    def change_key(self) -> str:
        return f"{self.message_id}:{self.version}"

    @property
    @override
    def sequence(self) -> int:
        return self.version


def greeting(**data: Any) -> dict[str, Any]:
    """Return an event of the family, with changes to its data."""
    return {
        "id": "0f8a6c1e-5b0d-4a7e-9d36-7e2f81c0b954",
        "topic": SOURCE,
        "subject": "greeting/1",
        "eventType": "Test.Greeted",
        "eventTime": "2026-03-02T09:15:33Z",
        "data": {
            "messageId": "m1",
            "message": "hello secret",
            "sender": {"rawId": "4:+14255550127"},
            "at": "2026-03-02T09:15:32Z",
            "version": 1,
            **data,
        },
    }


@contextmanager
def registered() -> Iterator[None]:
    """Add the family to those of the app."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for event_type in Greeted.event_types:
            monkeypatch.setitem(PAYLOADS, event_type, Greeted)
        monkeypatch.setitem(QUEUE_SETTINGS, "greeting", ("GREETING_QUEUE", "acs-greeting"))
        get_settings.cache_clear()
        yield
    get_settings.cache_clear()


def family_of(handler: Any) -> EventFamily:
    """Return the family with this handler."""
    family = EventFamily("greeting")
    family.on(Greeted)(handler)
    return family
