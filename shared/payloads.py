"""Typed payloads of the ACS events, in the GA shape, with the names they had before it.

Field names and types follow Microsoft's type specification of the Communication events for Event Grid; a
field is optional here where published events leave it out.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct, field

type Family = Literal["sms", "chat_message", "chat_thread", "membership"]
type Scope = Literal["user", "thread"]
"""ACS publishes a chat event for each recipient (`user`), and one for the change (`thread`)."""


NonEmpty = Annotated[str, Meta(min_length=1)]
"""Text that a change is known by: empty, it would make one of all changes."""


class Formerly(Struct, frozen=True):
    """Marks a field with the name that it had in the 2020 preview."""

    name: str


class GaObject(Struct, frozen=True, kw_only=True, rename="camel"):
    """An object of the GA shape: camelCase on the wire."""


class CommunicationUser(GaObject, frozen=True, kw_only=True):
    """A user of the Communication Services resource."""

    id: str


class PhoneNumber(GaObject, frozen=True, kw_only=True):
    """A phone number in E.164 form."""

    value: str


class MicrosoftTeamsUser(GaObject, frozen=True, kw_only=True):
    """A Microsoft Teams user."""

    user_id: str
    is_anonymous: bool | None = None
    cloud: str | None = None


class MicrosoftTeamsApp(GaObject, frozen=True, kw_only=True):
    """A Microsoft Teams app, such as a bot or a call queue."""

    app_id: str
    cloud: str | None = None


class CommunicationIdentifier(GaObject, frozen=True, kw_only=True):
    """Whoever takes part: apart from `kind` and `rawId` at most one member is set."""

    kind: str
    """`communicationUser`, `phoneNumber`, `microsoftTeamsUser`, `microsoftTeamsApp`, `unknown`, or newer."""
    raw_id: str
    """The identifier as one string; compare people by it."""
    communication_user: CommunicationUser | None = None
    phone_number: PhoneNumber | None = None
    microsoft_teams_user: MicrosoftTeamsUser | None = None
    microsoft_teams_app: MicrosoftTeamsApp | None = None


class ChatParticipant(GaObject, frozen=True, kw_only=True):
    """A member of a chat thread."""

    identifier: Annotated[CommunicationIdentifier, Formerly("memberId")] = field(
        name="participantCommunicationIdentifier"
    )
    display_name: str | None = None
    metadata: dict[str, Any] | None = None


class RetentionPolicy(GaObject, frozen=True, kw_only=True):
    """When ACS deletes a thread by itself; since 2026."""

    kind: str | None = None
    """`none`, `threadCreationDate`, or newer."""
    delete_thread_after_days: int | None = None


class Payload(GaObject, frozen=True, kw_only=True):
    """The `data` of one kind of event, and what its outcome says about order and identity."""

    family: ClassVar[Family]
    event_types: ClassVar[Mapping[str, Scope | None]]
    """Every name under which this change arrives, and whose view of it that is."""
    outcome_type: ClassVar[str]

    @property
    def partition_key(self) -> str:
        """What order matters within."""
        raise NotImplementedError

    @property
    def change_key(self) -> str | None:
        """The change itself, equal in every recipient's copy, in the thread's, and under its old name."""
        return None

    @property
    def sequence(self) -> int | None:
        """Where the change stands among those of the same partition key."""
        return None


class _Sms(Payload, frozen=True, kw_only=True):
    family: ClassVar[Family] = "sms"

    message_id: str
    from_: str = field(name="from")
    """Digits with or without `+`, an alphanumeric sender or a short code."""
    to: str
    received_timestamp: datetime

    @property
    def partition_key(self) -> str:
        """The two numbers without `+`, sorted: a conversation's both directions share it."""
        return ":".join(sorted(number.removeprefix("+") for number in (self.from_, self.to)))


class SmsReceived(_Sms, frozen=True, kw_only=True):
    """A phone number of the resource received an SMS."""

    event_types = {"Microsoft.Communication.SMSReceived": None}
    outcome_type = "acs.sms.received"

    message: str
    segment_count: int | None = None
    """How many SMS segments the text took; absent before 2025."""


class SmsDeliveryAttempt(GaObject, frozen=True, kw_only=True):
    """One attempt of the carrier."""

    timestamp: datetime
    segments_succeeded: int
    segments_failed: int


class SmsDeliveryReportReceived(_Sms, frozen=True, kw_only=True):
    """The carrier reported on an SMS that the resource sent."""

    event_types = {"Microsoft.Communication.SMSDeliveryReportReceived": None}
    outcome_type = "acs.sms.delivery-reported"

    delivery_status: str
    """`Delivered` or `Failed` are documented; others arrive, in any case."""
    delivery_status_details: str | None = None
    """The carrier's own text."""
    delivery_attempts: list[SmsDeliveryAttempt] = field(default_factory=list)
    tag: str | None = None
    """What the sender of the SMS attached to it."""


class _Chat(Payload, frozen=True, kw_only=True):
    thread_id: NonEmpty
    transaction_id: str | None = None
    """Correlates what one request to ACS caused."""
    recipient: Annotated[CommunicationIdentifier | None, Formerly("recipientId")] = field(
        name="recipientCommunicationIdentifier", default=None
    )
    """The participant whose copy this is; absent in the thread's own event."""

    @property
    def partition_key(self) -> str:
        """The thread."""
        return self.thread_id


class _ChatMessage(_Chat, frozen=True, kw_only=True):
    family: ClassVar[Family] = "chat_message"

    message_id: NonEmpty
    """Stays the same when the message is edited; `version` changes."""
    sender: Annotated[CommunicationIdentifier, Formerly("senderId")] = field(
        name="senderCommunicationIdentifier"
    )
    sender_display_name: str | None = None
    compose_time: datetime
    type: str
    """`Text`, `Html`, ...: compare without regard to case."""
    version: int
    """Milliseconds since the epoch, of this version of the message."""
    sequence_id: int | None = None
    """The message's place in its thread; since 2026."""

    @property
    def change_key(self) -> str:
        """This version of this message in this thread."""
        return f"{self.outcome_type}:{self.thread_id}:{self.message_id}:{self.version}"

    @property
    def sequence(self) -> int:
        """The message's version."""
        return self.version


class ChatMessageReceived(_ChatMessage, frozen=True, kw_only=True):
    """A member of a thread sent a message."""

    event_types = {
        "Microsoft.Communication.ChatMessageReceived": "user",
        "Microsoft.Communication.ChatMessageReceivedInThread": "thread",
    }
    outcome_type = "acs.chat-message.received"

    message_body: str
    metadata: dict[str, Any] | None = None


class ChatMessageEdited(_ChatMessage, frozen=True, kw_only=True):
    """The sender edited a message; the body is the new one."""

    event_types = {
        "Microsoft.Communication.ChatMessageEdited": "user",
        "Microsoft.Communication.ChatMessageEditedInThread": "thread",
    }
    outcome_type = "acs.chat-message.edited"

    message_body: str
    edit_time: datetime
    metadata: dict[str, Any] | None = None


class ChatMessageDeleted(_ChatMessage, frozen=True, kw_only=True):
    """The sender deleted a message; ACS sends no body."""

    event_types = {
        "Microsoft.Communication.ChatMessageDeleted": "user",
        "Microsoft.Communication.ChatMessageDeletedInThread": "thread",
    }
    outcome_type = "acs.chat-message.deleted"

    delete_time: datetime


class _ThreadChange(_Chat, frozen=True, kw_only=True):
    create_time: datetime | None = None
    """When the thread was created."""
    version: int | None = None
    """Milliseconds since the epoch, of this change."""

    @property
    def sequence(self) -> int | None:
        """The version of the change."""
        return self.version

    @property
    def change_key(self) -> str | None:
        """This version of this thread; None where ACS sent no version."""
        if self.version is None:
            return None
        return f"{self.outcome_type}:{self.thread_id}:{self.version}"


class ChatThreadCreated(_ThreadChange, frozen=True, kw_only=True):
    """A thread was created."""

    family: ClassVar[Family] = "chat_thread"
    event_types = {
        "Microsoft.Communication.ChatThreadCreatedWithUser": "user",
        "Microsoft.Communication.ChatThreadCreated": "thread",
    }
    outcome_type = "acs.chat-thread.created"

    created_by: Annotated[CommunicationIdentifier, Formerly("createdBy")] = field(
        name="createdByCommunicationIdentifier"
    )
    properties: dict[str, Any]
    """Open; `topic` is its one documented key."""
    participants: Annotated[list[ChatParticipant], Formerly("members")]
    """Up to 250."""
    metadata: dict[str, Any] | None = None
    retention_policy: RetentionPolicy | None = None


class ChatThreadDeleted(_ThreadChange, frozen=True, kw_only=True):
    """A thread was deleted."""

    family: ClassVar[Family] = "chat_thread"
    event_types = {
        "Microsoft.Communication.ChatThreadWithUserDeleted": "user",
        "Microsoft.Communication.ChatThreadDeleted": "thread",
    }
    outcome_type = "acs.chat-thread.deleted"

    deleted_by: Annotated[CommunicationIdentifier, Formerly("deletedBy")] = field(
        name="deletedByCommunicationIdentifier"
    )
    delete_time: datetime
    reason: str | None = None
    """`deletedByUser`, or `deletedByPolicy` where nobody pressed delete; only in the thread's own event."""


class ChatThreadPropertiesUpdated(_ThreadChange, frozen=True, kw_only=True):
    """A thread's properties changed; `properties` holds only those that did."""

    family: ClassVar[Family] = "chat_thread"
    event_types = {
        "Microsoft.Communication.ChatThreadPropertiesUpdatedPerUser": "user",
        "Microsoft.Communication.ChatThreadPropertiesUpdated": "thread",
    }
    outcome_type = "acs.chat-thread.properties-updated"

    edited_by: Annotated[CommunicationIdentifier, Formerly("editedBy")] = field(
        name="editedByCommunicationIdentifier"
    )
    edit_time: datetime
    properties: dict[str, Any]
    metadata: dict[str, Any] | None = None
    retention_policy: RetentionPolicy | None = None


class _Membership(_ThreadChange, frozen=True, kw_only=True):
    family: ClassVar[Family] = "membership"

    time: datetime
    """When the change took place."""


class ParticipantAdded(_Membership, frozen=True, kw_only=True):
    """A participant was added to a thread."""

    event_types = {
        "Microsoft.Communication.ChatParticipantAddedToThreadWithUser": "user",
        "Microsoft.Communication.ChatThreadParticipantAdded": "thread",
        "Microsoft.Communication.ChatMemberAddedToThreadWithUser": "user",
    }
    outcome_type = "acs.membership.participant-added"

    added_by: Annotated[CommunicationIdentifier, Formerly("addedBy")] = field(
        name="addedByCommunicationIdentifier"
    )
    participant_added: Annotated[ChatParticipant, Formerly("memberAdded")]

    @property
    def change_key(self) -> str | None:
        """The thread's version and who was added: one request may add several."""
        return _with_participant(super().change_key, self.participant_added)


class ParticipantRemoved(_Membership, frozen=True, kw_only=True):
    """A participant was removed from a thread."""

    event_types = {
        "Microsoft.Communication.ChatParticipantRemovedFromThreadWithUser": "user",
        "Microsoft.Communication.ChatThreadParticipantRemoved": "thread",
        "Microsoft.Communication.ChatMemberRemovedFromThreadWithUser": "user",
    }
    outcome_type = "acs.membership.participant-removed"

    removed_by: Annotated[CommunicationIdentifier, Formerly("removedBy")] = field(
        name="removedByCommunicationIdentifier"
    )
    participant_removed: Annotated[ChatParticipant, Formerly("memberRemoved")]

    @property
    def change_key(self) -> str | None:
        """The thread's version and who was removed."""
        return _with_participant(super().change_key, self.participant_removed)


def _with_participant(change_key: str | None, participant: ChatParticipant) -> str | None:
    return change_key and f"{change_key}:{participant.identifier.raw_id}"


_PAYLOAD_TYPES: tuple[type[Payload], ...] = (
    SmsReceived,
    SmsDeliveryReportReceived,
    ChatMessageReceived,
    ChatMessageEdited,
    ChatMessageDeleted,
    ChatThreadCreated,
    ChatThreadDeleted,
    ChatThreadPropertiesUpdated,
    ParticipantAdded,
    ParticipantRemoved,
)

PAYLOADS: Mapping[str, type[Payload]] = {
    event_type: payload_type for payload_type in _PAYLOAD_TYPES for event_type in payload_type.event_types
}
"""The payload class of every supported event type."""
