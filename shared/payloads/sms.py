"""SMS: messages received, and the carrier's reports on messages sent."""

from datetime import datetime
from typing import ClassVar

from msgspec import field

from shared.model import GaObject, OutcomeAttribute, Payload


class _Sms(Payload, frozen=True, kw_only=True):
    family: ClassVar[str] = "sms"

    message_id: str | None = None
    from_: str = field(name="from")
    """Digits with or without `+`, an alphanumeric sender or a short code."""
    to: str
    received_timestamp: datetime | None = None

    @property
    def partition_key(self) -> str:
        """The two numbers without `+`, sorted, so that both directions of a conversation share it."""
        return ":".join(sorted(number.removeprefix("+") for number in (self.from_, self.to)))


class SmsReceived(_Sms, frozen=True, kw_only=True):
    """A phone number of the resource received an SMS."""

    event_types = {"Microsoft.Communication.SMSReceived": None}
    outcome_type = "acs.sms.received"
    outcome_attributes = {
        "smskeyword": OutcomeAttribute(
            "The kind of the keyword that is the whole message.",
            {"stop": "Opt-out.", "start": "Opt-in after an opt-out.", "help": "Request for help."},
        )
    }

    message: str
    segment_count: int | None = None
    """The number of SMS segments of the text. ACS has sent it since 2025."""


class SmsDeliveryAttempt(GaObject, frozen=True, kw_only=True):
    """One attempt of the carrier."""

    timestamp: datetime | None = None
    segments_succeeded: int | None = None
    segments_failed: int | None = None


class SmsDeliveryReportReceived(_Sms, frozen=True, kw_only=True):
    """The carrier reported on an SMS that the resource sent."""

    event_types = {"Microsoft.Communication.SMSDeliveryReportReceived": None}
    outcome_type = "acs.sms.delivery-reported"
    outcome_attributes = {
        "deliveryoutcome": OutcomeAttribute(
            "The delivery status, reduced to three.",
            {"delivered": "`Delivered`.", "failed": "`Failed`.", "unknown": "Any other status."},
        )
    }

    message_id: str
    """The id that ACS returned when the SMS was sent."""
    delivery_status: str
    """`Delivered` or `Failed` are documented. Others arrive, in any casing."""
    delivery_status_details: str | None = None
    """The carrier's text."""
    delivery_attempts: list[SmsDeliveryAttempt] = field(default_factory=list)
    tag: str | None = None
    """The text that the sender of the SMS attached to it."""
