"""The payload classes of every supported event, one module for each event family."""

from collections.abc import Mapping

from shared.model import Payload
from shared.payloads.chat_message import (
    ChatBotCommandReceived,
    ChatMessageDeleted,
    ChatMessageEdited,
    ChatMessageReceived,
)
from shared.payloads.chat_thread import ChatThreadCreated, ChatThreadDeleted, ChatThreadPropertiesUpdated
from shared.payloads.membership import ParticipantAdded, ParticipantRemoved
from shared.payloads.sms import SmsDeliveryReportReceived, SmsReceived

PAYLOAD_TYPES: tuple[type[Payload], ...] = (
    SmsReceived,
    SmsDeliveryReportReceived,
    ChatMessageReceived,
    ChatMessageEdited,
    ChatMessageDeleted,
    ChatBotCommandReceived,
    ChatThreadCreated,
    ChatThreadDeleted,
    ChatThreadPropertiesUpdated,
    ParticipantAdded,
    ParticipantRemoved,
)

PAYLOADS: Mapping[str, type[Payload]] = {
    event_type: payload_type for payload_type in PAYLOAD_TYPES for event_type in payload_type.event_types
}
"""The payload class of each supported event type."""

FAMILIES: tuple[str, ...] = tuple(dict.fromkeys(payload_type.family for payload_type in PAYLOAD_TYPES))
"""The names of the event families."""
