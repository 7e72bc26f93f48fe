"""SMS: messages received, and the carrier's reports on messages sent."""

import unicodedata
from itertools import islice

import azure.functions as func

from shared.decoding import Event
from shared.handling import EventFamily
from shared.outcomes import Outcome
from shared.payloads.sms import SmsDeliveryReportReceived, SmsReceived

family = EventFamily("sms")
blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@blueprint.event_grid_trigger(arg_name="event")
async def sms(event: str) -> None:
    """Take the SMS events of a Communication Services resource."""
    await family.handle(event)


@family.on(SmsReceived)
async def received(event: Event[SmsReceived]) -> Outcome:
    """Say whether the message is an opt-out, opt-in or help keyword."""
    keyword = _keyword(event.data.message)
    return Outcome.of(event, attributes={"smskeyword": keyword} if keyword else None)


@family.on(SmsDeliveryReportReceived)
async def delivery_reported(event: Event[SmsDeliveryReportReceived]) -> Outcome:
    """Reduce the delivery status to delivered, failed or unknown."""
    status = event.data.delivery_status.strip().lower()
    known = status if status in ("delivered", "failed") else "unknown"
    return Outcome.of(event, attributes={"deliveryoutcome": known})


# docs/outcomes.md names the source of each.
_KEYWORDS = {
    **dict.fromkeys(
        ("STOP", "STOPALL", "QUIT", "END", "REVOKE", "OPTOUT", "CANCEL", "UNSUBSCRIBE", "ARRET"), "stop"
    ),
    **dict.fromkeys(("START", "UNSTOP"), "start"),
    **dict.fromkeys(("HELP", "INFO", "AIDE"), "help"),
}
_LONGEST = max(map(len, _KEYWORDS))


def _keyword(message: str) -> str | None:
    """Compare letters and digits only: case, accents, width, punctuation and white space do not count."""
    characters = filter(str.isalnum, unicodedata.normalize("NFKD", message))
    return _KEYWORDS.get("".join(islice(characters, _LONGEST + 1)).upper())
