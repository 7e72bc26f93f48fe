"""The operator's commands in the pages run as they are written, with the app and storage behind them."""

import asyncio
import json
import re
import shlex

import pytest
from aiohttp import ClientSession
from azure.storage.blob import ContainerClient

from local.stack import Stack
from ops.__main__ import main
from tests.events import sample
from tests.test_docs import COMMANDS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("stack_queues")]

OPS = sorted({command for _, command in COMMANDS if ".venv/bin/python -m ops" in command})
BLOBS = "event-grid-dead-letters"
BAD = sample("sms-received") | {"data": {}}


async def refuse(stack: Stack) -> None:
    """Have the app refuse two events, for different reasons."""
    headers = {"aeg-event-type": "Notification"}
    async with ClientSession() as client:
        await client.post(stack.endpoint, params={"functionName": "sms"}, json=[BAD, {}], headers=headers)


@pytest.mark.parametrize("command", OPS)
async def test_a_command_of_the_operator_runs(
    command: str,
    stack: Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Dead letters of the app and of Event Grid are there. The app is on a port of this test."""
    monkeypatch.setenv("OutcomesStorage", stack.connection_string)
    url = f"http://127.0.0.1:{stack.port}"
    await refuse(stack)
    with ContainerClient.from_connection_string(stack.connection_string, BLOBS) as container:
        if not container.exists():
            container.create_container()
        container.upload_blob("SMS/2026/3/2/9/1.json", json.dumps([BAD]), overwrite=True)
        command = command.replace('"$URL"', url).replace("https://APP.azurewebsites.net", url)
        _, *arguments = shlex.split(re.sub(r"^.*-m ops", "ops", command).partition(">")[0])
        if "--to" not in arguments and {"check", "replay"} & set(arguments):
            arguments += ["--to", url]
        arguments = [BAD["id"] if argument == "ID" else argument for argument in arguments]
        try:
            code = await asyncio.to_thread(main, arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        output = capsys.readouterr()
        container.delete_container()
    failed = "replay" in command and "--yes" in command  # the app refuses the event again
    assert int(failed) == code, output
    if re.search("list|show|check", command):
        assert output.out
