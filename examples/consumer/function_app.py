"""A consumer of outcomes. It keeps the newest text of each chat message and the newest report on each SMS."""

import logging
import os
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import azure.functions as func
import storage
from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.core.messaging import CloudEvent
from reading import read_outcome
from state import Handled, keep_newest

app = func.FunctionApp()
handled = Handled()
logger = logging.getLogger("consumer")
logging.getLogger("azure").setLevel(logging.WARNING)  # the clients log every request


class SetAsideError(Exception):
    """A message that no retry can handle. The text says why and contains nothing of the message."""


@app.function_name("chat_message")
@app.queue_trigger(arg_name="message", queue_name="%CHAT_MESSAGE_QUEUE%", connection=storage.SETTING)
def chat_message(message: func.QueueMessage) -> None:
    """Take the outcomes of chat messages."""
    consume(message, os.environ["CHAT_MESSAGE_QUEUE"], keep_chat_message)


@app.function_name("sms")
@app.queue_trigger(arg_name="message", queue_name="%SMS_QUEUE%", connection=storage.SETTING)
def sms(message: func.QueueMessage) -> None:
    """Take the outcomes of SMS."""
    consume(message, os.environ["SMS_QUEUE"], keep_delivery_report)


def keep_chat_message(outcome: CloudEvent[Any]) -> str:
    """Keep the newest text of a message.

    The row of a deleted message stays, without its text, so that a late edit cannot bring the text back.
    """
    data = outcome.data or {}
    match outcome.type:
        case "acs.chat-message.received" | "acs.chat-message.edited":
            text = data["messageBody"]
        case "acs.chat-message.deleted":
            text = ""
        case _:
            raise SetAsideError("No function handles outcomes of this type.")
    sequence = (outcome.extensions or {}).get("sequence", "")
    properties = {"Type": outcome.type, "Text": text}
    return keep_newest("ChatMessages", (data["threadId"], data["messageId"]), sequence, properties)


def keep_delivery_report(outcome: CloudEvent[Any]) -> str:
    """Keep the newest report on an SMS that was sent. A received SMS is left to your own code."""
    if outcome.type == "acs.sms.received":
        return "not used"
    if outcome.type != "acs.sms.delivery-reported":
        raise SetAsideError("No function handles outcomes of this type.")
    data = outcome.data or {}
    time = datetime.fromisoformat(data["receivedTimestamp"]) if "receivedTimestamp" in data else outcome.time
    reported = time.isoformat(timespec="microseconds") if time else ""
    status = (outcome.extensions or {})["deliveryoutcome"]
    return keep_newest("SmsReports", (data["messageId"], ""), reported, {"Status": status})


def consume(message: func.QueueMessage, queue_name: str, keep: Callable[[CloudEvent[Any]], str]) -> None:
    """Handle one message: set aside what cannot be read, drop repeats, keep the rest.

    When anything else raises, the host tries again, and after `maxDequeueCount` attempts moves the message to
    `<queue>-poison`. `keep` may run twice for one outcome, if the app stops before the outcome is remembered.
    """
    body = message.get_body()
    try:
        outcome = read(body)
        result = "repeat" if outcome in handled else keep(outcome)
    except SetAsideError as error:
        set_aside(body, f"{queue_name}-set-aside", str(error))
        return
    handled.add(outcome)
    logger.info("outcome type=%s result=%s", outcome.type, result)


def read(body: bytes) -> CloudEvent[Any]:
    """Return the outcome of a message. Raises SetAsideError if there is none."""
    try:
        return read_outcome(body, storage.oversize())
    except ValueError as error:
        raise SetAsideError(str(error)) from None
    except ResourceNotFoundError:
        raise SetAsideError("The blob that the message refers to is missing.") from None


def set_aside(body: bytes, queue_name: str, reason: str) -> None:
    """Put a message on a queue of its own, where it never expires."""
    queue, text = storage.queue(queue_name), b64encode(body).decode()
    try:
        sent = queue.send_message(text, time_to_live=-1)
    except ResourceNotFoundError:
        with suppress(ResourceExistsError):
            queue.create_queue()
        sent = queue.send_message(text, time_to_live=-1)
    logger.warning("set aside queue=%s message=%s reason=%s", queue_name, sent.id, reason)
