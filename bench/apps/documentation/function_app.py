"""The style of the documentation: a typed event, and a queue client made for each.

Follows "Azure Event Grid trigger for Azure Functions" and "Quickstart: Azure Queue Storage client library for
Python".
"""

import json
import os

import azure.functions as func
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

app = func.FunctionApp()


@app.function_name("sms")
@app.event_grid_trigger(arg_name="event")
def sms(event: func.EventGridEvent) -> None:
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
    with QueueClient.from_connection_string(
        os.environ["OutcomesStorage"],  # noqa: SIM112 - so the setting is named
        "acs-sms",
        message_encode_policy=TextBase64EncodePolicy(),
    ) as queue:
        queue.send_message(json.dumps(outcome))
