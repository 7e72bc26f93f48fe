"""Chat threads: created, deleted, properties updated."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from msgspec import field

from shared.identifiers import CommunicationIdentifier
from shared.model import Formerly
from shared.payloads.chat import ChatParticipant, RetentionPolicy, ThreadChange


class ChatThreadCreated(ThreadChange, frozen=True, kw_only=True):
    """A thread was created."""

    family: ClassVar[str] = "chat_thread"
    event_types = {
        "Microsoft.Communication.ChatThreadCreatedWithUser": "user",
        "Microsoft.Communication.ChatThreadCreated": "thread",
    }
    outcome_type = "acs.chat-thread.created"

    created_by: Annotated[CommunicationIdentifier | None, Formerly("createdBy")] = field(
        name="createdByCommunicationIdentifier", default=None
    )
    properties: dict[str, Any] | None = None
    """An open object. `topic` is its only documented key."""
    participants: Annotated[list[ChatParticipant], Formerly("members")]
    """Up to 250 participants."""
    metadata: dict[str, Any] | None = None
    retention_policy: RetentionPolicy | None = None


class ChatThreadDeleted(ThreadChange, frozen=True, kw_only=True):
    """A thread was deleted."""

    family: ClassVar[str] = "chat_thread"
    event_types = {
        "Microsoft.Communication.ChatThreadWithUserDeleted": "user",
        "Microsoft.Communication.ChatThreadDeleted": "thread",
    }
    outcome_type = "acs.chat-thread.deleted"

    deleted_by: Annotated[CommunicationIdentifier | None, Formerly("deletedBy")] = field(
        name="deletedByCommunicationIdentifier", default=None
    )
    delete_time: datetime | None = None
    reason: str | None = None
    """`deletedByUser`, or `deletedByPolicy` if no user deleted it. Only in events of the scope `thread`."""


class ChatThreadPropertiesUpdated(ThreadChange, frozen=True, kw_only=True):
    """The properties of a thread changed. `properties` holds only those that changed."""

    family: ClassVar[str] = "chat_thread"
    event_types = {
        "Microsoft.Communication.ChatThreadPropertiesUpdatedPerUser": "user",
        "Microsoft.Communication.ChatThreadPropertiesUpdated": "thread",
    }
    outcome_type = "acs.chat-thread.properties-updated"

    edited_by: Annotated[CommunicationIdentifier | None, Formerly("editedBy")] = field(
        name="editedByCommunicationIdentifier", default=None
    )
    edit_time: datetime | None = None
    properties: dict[str, Any]
    metadata: dict[str, Any] | None = None
    retention_policy: RetentionPolicy | None = None
