"""An output binding: the function sets the message, and the Functions host writes it.

Follows "Azure Queue storage output bindings for Azure Functions".
"""

import json

import azure.functions as func

app = func.FunctionApp()


@app.function_name("sms")
@app.event_grid_trigger(arg_name="event")
@app.queue_output(arg_name="message", queue_name="acs-sms", connection="OutcomesStorage")
def sms(event: func.EventGridEvent, message: func.Out[str]) -> None:
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
    message.set(json.dumps(outcome))
