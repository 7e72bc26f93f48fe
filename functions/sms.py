"""SMS: messages received, and the carrier's reports on messages sent."""

import azure.functions as func

from shared.decoding import Event
from shared.handling import EventFamily
from shared.outcomes import Outcome
from shared.payloads import SmsDeliveryReportReceived, SmsReceived

family = EventFamily("sms")
blueprint = func.Blueprint()  # type: ignore[no-untyped-call]


@blueprint.function_name("sms")
@blueprint.event_grid_trigger(arg_name="event")
async def sms(event: str) -> None:
    """Take the SMS events of a Communication Services resource."""
    await family.handle(event)


@family.on(SmsReceived)
async def received(event: Event[SmsReceived]) -> Outcome:
    """Say whether the message is a keyword by which a person opts out, opts in or asks for help."""
    return Outcome.of(event, smskeyword=_KEYWORDS.get(event.data.message.strip().upper()))


@family.on(SmsDeliveryReportReceived)
async def delivery_reported(event: Event[SmsDeliveryReportReceived]) -> Outcome:
    """Reduce the carrier's status to delivered, failed or unknown."""
    status = event.data.delivery_status.strip().lower()
    return Outcome.of(event, deliveryoutcome=status if status in ("delivered", "failed") else "unknown")


# The keywords that carriers and ACS itself act on for toll-free and short-code numbers.
_KEYWORDS = {
    **dict.fromkeys(("STOP", "STOPALL", "QUIT", "END", "REVOKE", "OPT OUT", "CANCEL", "UNSUBSCRIBE"), "stop"),
    **dict.fromkeys(("START", "UNSTOP", "YES"), "start"),
    **dict.fromkeys(("HELP", "INFO"), "help"),
}
