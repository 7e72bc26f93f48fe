"""The handlers of SMS events."""

import pytest

from functions import sms
from shared.payloads.sms import SmsDeliveryReportReceived, SmsReceived
from tests.events import event_from, sample

STOP = ("STOP", "STOPALL", "QUIT", "END", "REVOKE", "OPTOUT", "CANCEL", "UNSUBSCRIBE", "ARRET")
START = ("START", "UNSTOP")
HELP = ("HELP", "INFO", "AIDE")


async def keyword_of(message: str) -> object:
    """Return the keyword that the handler finds in a message."""
    outcome = await sms.received(event_from(sample("sms-received"), SmsReceived, message=message))
    return outcome.extensions.get("smskeyword")


@pytest.mark.parametrize(
    ("word", "keyword"),
    [
        *((word, "stop") for word in STOP),
        *((word, "start") for word in START),
        *((word, "help") for word in HELP),
    ],
)
async def test_a_word_is_its_keyword(word: str, keyword: str) -> None:
    """It is, in any case. With a letter more or less it is not."""
    assert (
        keyword == await keyword_of(word) == await keyword_of(word.lower()) == await keyword_of(word.title())
    )
    assert await keyword_of(f"{word}X") is None
    assert await keyword_of(word[1:]) is None


@pytest.mark.parametrize(
    ("message", "keyword"),
    [
        ("Stop.", "stop"),
        ("STOP!", "stop"),
        ("  stop\n", "stop"),
        ("“Stop”", "stop"),
        ("opt-out", "stop"),
        ("Opt out", "stop"),
        ("stop all", "stop"),
        ("arrêt", "stop"),
        ("arre\u0302t", "stop"),
        ("\uff33\uff34\uff2f\uff30", "stop"),
        ("un-stop", "start"),
        ("Help?", "help"),
    ],
)
async def test_only_letters_and_digits_are_compared(message: str, keyword: str) -> None:
    """Case, accents, character width, punctuation and white space are ignored."""
    assert keyword == await keyword_of(message)


@pytest.mark.parametrize(
    "message", ["yes", "Yes!", "please stop", "stop 5", "stop it", "", " ", "...", "стоп", "x" * 100_000]
)
async def test_other_messages_are_no_keyword(message: str) -> None:
    """A message is a keyword only as a whole, and only if it cannot answer another question."""
    assert await keyword_of(message) is None


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Delivered", "delivered"),
        ("FAILED", "failed"),
        (" delivered\n", "delivered"),
        ("Success", "unknown"),
        ("", "unknown"),
    ],
)
async def test_a_delivery_status_is_reduced_to_three(status: str, expected: str) -> None:
    """Case and surrounding white space are ignored. The data keeps the status as it arrived."""
    event = event_from(sample("sms-delivery-report"), SmsDeliveryReportReceived, deliveryStatus=status)
    outcome = await sms.delivery_reported(event)
    assert {"deliveryoutcome": expected} == outcome.extensions
    assert status == outcome.data["deliveryStatus"]
