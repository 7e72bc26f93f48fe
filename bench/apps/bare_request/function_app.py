"""A floor, not an alternative: nothing but the HTTP request that puts the message, unsigned.

It is given the very document that this project writes, in place of the event.
"""

import base64
import os
import re

import aiohttp
import azure.functions as func

app = func.FunctionApp()
[endpoint] = re.findall(r"QueueEndpoint=([^;]+)", os.environ["OutcomesStorage"])  # noqa: SIM112 - so the setting is named
url = f"{endpoint}/acs-sms/messages?messagettl=-1"
sessions: list[aiohttp.ClientSession] = []


@app.function_name("sms")
@app.event_grid_trigger(arg_name="event")
async def sms(event: str) -> None:
    if not sessions:
        sessions.append(aiohttp.ClientSession())
    text = base64.b64encode(event.encode()).decode()
    body = f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>"
    async with sessions[0].post(url, data=body, headers={"Content-Type": "application/xml"}) as response:
        response.raise_for_status()
        await response.read()
