"""The commands in the documentation run as they are written, with the app and storage.

Only the ports differ, because the usual ones may be in use.
"""

import asyncio
import json
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aiohttp import ClientSession
from azure.storage.blob import ContainerClient

from local import host
from local.__main__ import main as local_main
from local.stack import Stack
from ops.__main__ import main as ops_main
from tests.events import PROJECT, sample
from tests.test_docs import COMMANDS

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("stack_queues")]

BLOBS = "event-grid-dead-letters"
BAD = sample("sms-received") | {"data": {}}


def commands(module: str) -> list[str]:
    """Return the commands that run a module, from all pages."""
    return sorted({command for _, command in COMMANDS if f".venv/bin/python -m {module} " in command})


async def run(main: Callable[[Sequence[str]], int], command: str, *more: str) -> int:
    """Run a command in this process, and return its exit code."""
    _, _, arguments = re.sub(r" *[>|].*", "", command).partition(" -m ")
    _, *words = shlex.split(arguments)
    try:
        return await asyncio.to_thread(main, [*words, *more])
    except SystemExit as end:
        return int(end.code or 0)


async def refuse(stack: Stack) -> None:
    """Make the app refuse two events, for different reasons."""
    headers = {"aeg-event-type": "Notification"}
    async with ClientSession() as client:
        await client.post(stack.endpoint, params={"functionName": "sms"}, json=[BAD, {}], headers=headers)


@pytest.mark.parametrize("command", commands("ops"))
async def test_a_command_of_the_operator_runs(
    command: str, stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With dead letters of the app and of Event Grid. Only a replay that is refused again exits with 1."""
    monkeypatch.setenv("OutcomesStorage", stack.connection_string)
    url = stack.endpoint.removesuffix(host.PATH)
    await refuse(stack)
    with ContainerClient.from_connection_string(stack.connection_string, BLOBS) as container:
        if not container.exists():
            container.create_container()
        container.upload_blob("SMS/2026/3/2/9/1.json", json.dumps([BAD]), overwrite=True)
        command = command.replace('"$URL"', url).replace("https://APP.azurewebsites.net", url)
        command = re.sub(r"\bID\b", BAD["id"], command)
        local = ("--to", url) if re.search("check|replay", command) and "--to" not in command else ()
        code = await run(ops_main, command, *local)
        container.delete_container()
    output = capsys.readouterr()
    assert int("replay" in command and "--yes" in command) == code, output
    if re.search("list|show|check", command):
        assert output.out


@pytest.mark.parametrize("command", commands("local"))
async def test_a_command_for_the_local_stack_runs(
    command: str,
    stack: Stack,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It prints what was written."""
    (tmp_path / "event.json").write_text((PROJECT / "samples" / "sms-received.json").read_text())
    monkeypatch.chdir(tmp_path)
    code = await run(local_main, command, "--event-grid-port", str(stack.event_grid_port))
    output = capsys.readouterr()
    assert 0 == code, output
    assert "acs.sms.received" in output.out or "acs.chat-message.received" in output.out
