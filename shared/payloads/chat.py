"""What the events of chat threads have in common."""

from datetime import datetime
from typing import Annotated, Any

from msgspec import field

from shared.identifiers import CommunicationIdentifier
from shared.model import Formerly, GaObject, NonEmpty, Payload


class ChatParticipant(GaObject, frozen=True, kw_only=True):
    """A participant of a chat thread."""

    identifier: Annotated[CommunicationIdentifier, Formerly("memberId")] = field(
        name="participantCommunicationIdentifier"
    )
    display_name: str | None = None
    metadata: dict[str, Any] | None = None


class RetentionPolicy(GaObject, frozen=True, kw_only=True):
    """The rule by which ACS deletes a thread. ACS has sent it since 2026."""

    kind: str | None = None
    """`none`, `threadCreationDate`, or newer."""
    delete_thread_after_days: int | None = None


class Chat(Payload, frozen=True, kw_only=True):
    thread_id: NonEmpty
    transaction_id: str | None = None
    """Shared by the events that one request to ACS caused."""
    recipient: Annotated[CommunicationIdentifier | None, Formerly("recipientId")] = field(
        name="recipientCommunicationIdentifier", default=None
    )
    """The participant who gets this copy of the event. Of the scope `thread` only bot commands have one."""

    @property
    def partition_key(self) -> str:
        """The thread."""
        return self.thread_id


class ThreadChange(Chat, frozen=True, kw_only=True):
    create_time: datetime | None = None
    """The time at which the thread was created."""
    version: int | None = None
    """The time of this change in milliseconds since the epoch."""

    @property
    def sequence(self) -> int | None:
        """The version of the change."""
        return self.version

    @property
    def change_key(self) -> str | None:
        """This version of this thread. None if the event has no version."""
        if self.version is None:
            return None
        return f"{self.outcome_type}:{self.thread_id}:{self.version}"
