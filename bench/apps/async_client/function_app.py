"""One asynchronous queue client for the process, with its defaults, in a coroutine.

Follows "Improve throughput performance of Python apps in Azure Functions" and "Manage connections in Azure
Functions": `async def` for I/O, and a static client.
"""

import json
import os

import azure.functions as func
from azure.storage.queue import TextBase64EncodePolicy
from azure.storage.queue.aio import QueueClient

app = func.FunctionApp()
queue = QueueClient.from_connection_string(
    os.environ["OutcomesStorage"],  # noqa: SIM112 - so the setting is named
    "acs-sms",
    message_encode_policy=TextBase64EncodePolicy(),
)


@app.function_name("sms")
@app.event_grid_trigger(arg_name="event")
async def sms(event: func.EventGridEvent) -> None:
    data = event.get_json()
    outcome = {
        "id": event.id,
        "source": event.topic,
        "type": event.event_type,
        "subject": event.subject,
        "time": event.event_time.isoformat() if event.event_time else None,
        "messageId": data["MessageId"],
        "from": data["From"],
        "to": data["To"],
        "message": data["Message"],
        "receivedTimestamp": data["ReceivedTimestamp"],
    }
    await queue.send_message(json.dumps(outcome))
