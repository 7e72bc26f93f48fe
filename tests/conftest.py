"""What tests share: an Azurite, and an app connected to it."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from local import azurite as local_azurite
from local import stack as local_stack
from local.ports import free_block
from local.stack import Stack
from shared.settings import get_settings
from shared.sink import get_sink
from tests.events import PROJECT
from tests.queues import Queues


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def azurite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Run one Azurite for all tests; its connection string."""
    port = free_block(3)
    data_dir: Path = tmp_path_factory.mktemp("azurite")
    async with local_azurite.running(PROJECT, port, data_dir):
        yield local_azurite.connection_string(port)


@pytest.fixture
async def queues(azurite: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Queues]:
    """Connect the app in this process to storage whose queues are this test's own."""
    prefix = f"t{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("OutcomesStorage", azurite)
    for key in (
        "SMS_QUEUE",
        "CHAT_MESSAGE_QUEUE",
        "CHAT_THREAD_QUEUE",
        "MEMBERSHIP_QUEUE",
        "DEAD_LETTER_QUEUE",
    ):
        monkeypatch.setenv(key, f"{prefix}-{key.lower().replace('_', '-')}")
    monkeypatch.setenv("OVERSIZE_CONTAINER", f"{prefix}-oversize")
    get_settings.cache_clear()
    settings = get_settings()
    yield Queues(azurite, settings.queues, settings.dead_letter_queue)
    await get_sink().close()
    get_settings.cache_clear()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack() -> AsyncIterator[Stack]:
    """Run the local stack on free ports."""
    async with local_stack.running(port=0, storage_port=0) as running:
        yield running
