"""Chat messages: received, edited, deleted."""

from datetime import datetime
from typing import Annotated, Any, ClassVar

from msgspec import field

from shared.identifiers import CommunicationIdentifier
from shared.model import Formerly, NonEmpty
from shared.payloads.chat import Chat


class _ChatMessage(Chat, frozen=True, kw_only=True):
    family: ClassVar[str] = "chat_message"

    message_id: NonEmpty
    """Stays the same when the message is edited. `version` changes."""
    sender: Annotated[CommunicationIdentifier, Formerly("senderId")] = field(
        name="senderCommunicationIdentifier"
    )
    sender_display_name: str | None = None
    compose_time: datetime | None = None
    type: str
    """`Text`, `Html` and others. Compare it without regard to case."""
    version: int
    """The time of this version of the message in milliseconds since the epoch."""
    sequence_id: int | None = None
    """The position of the message in its thread. ACS has sent it since 2026."""

    @property
    def change_key(self) -> str:
        """This version of this message in this thread."""
        return f"{self.outcome_type}:{self.thread_id}:{self.message_id}:{self.version}"

    @property
    def sequence(self) -> int:
        """The message's version."""
        return self.version


class ChatMessageReceived(_ChatMessage, frozen=True, kw_only=True):
    """A participant of a thread sent a message."""

    event_types = {
        "Microsoft.Communication.ChatMessageReceived": "user",
        "Microsoft.Communication.ChatMessageReceivedInThread": "thread",
    }
    outcome_type = "acs.chat-message.received"

    message_body: str
    metadata: dict[str, Any] | None = None


class ChatMessageEdited(_ChatMessage, frozen=True, kw_only=True):
    """The sender edited a message. The body is the new one."""

    event_types = {
        "Microsoft.Communication.ChatMessageEdited": "user",
        "Microsoft.Communication.ChatMessageEditedInThread": "thread",
    }
    outcome_type = "acs.chat-message.edited"

    message_body: str
    edit_time: datetime | None = None
    metadata: dict[str, Any] | None = None


class ChatMessageDeleted(_ChatMessage, frozen=True, kw_only=True):
    """The sender deleted a message. The event has no body."""

    event_types = {
        "Microsoft.Communication.ChatMessageDeleted": "user",
        "Microsoft.Communication.ChatMessageDeletedInThread": "thread",
    }
    outcome_type = "acs.chat-message.deleted"

    delete_time: datetime | None = None


class ChatBotCommandReceived(_ChatMessage, frozen=True, kw_only=True):
    """A participant of a thread sent a command to an Azure bot. ACS has sent it since 2025."""

    event_types = {"Microsoft.Communication.ChatAzureBotCommandReceivedInThread": "thread"}
    outcome_type = "acs.chat-message.bot-command-received"

    message_body: str
    metadata: dict[str, Any] | None = None
