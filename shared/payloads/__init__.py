"""The payload classes of every supported event, one module for each event family."""

from collections.abc import Mapping

from shared.model import Payload
from shared.payloads import chat_message, chat_thread, membership, sms

PAYLOAD_TYPES: tuple[type[Payload], ...] = (
    sms.SmsReceived,
    sms.SmsDeliveryReportReceived,
    chat_message.ChatMessageReceived,
    chat_message.ChatMessageEdited,
    chat_message.ChatMessageDeleted,
    chat_message.ChatBotCommandReceived,
    chat_thread.ChatThreadCreated,
    chat_thread.ChatThreadDeleted,
    chat_thread.ChatThreadPropertiesUpdated,
    membership.ParticipantAdded,
    membership.ParticipantRemoved,
)

PAYLOADS: Mapping[str, type[Payload]] = {
    event_type: payload_type for payload_type in PAYLOAD_TYPES for event_type in payload_type.event_types
}
"""The payload class of each supported event type."""

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(payload_type.family for payload_type in PAYLOAD_TYPES))
"""The names of the event families."""
