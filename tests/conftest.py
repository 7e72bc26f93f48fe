"""Fixtures that tests share: storage, the app connected to it, and the local stack."""

import logging
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from local import stack as local_stack
from local.azurite import Azurite
from local.azurite import running as azurite_running
from local.ports import free_block
from local.stack import Stack
from shared.settings import QUEUE_SETTINGS, Settings, get_settings
from shared.sink import get_sink
from tests.queues import Queues


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def storage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Azurite]:
    """Run one Azurite for all tests of this process."""
    async with azurite_running(free_block(3), tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture(scope="session")
def azurite(storage: Azurite) -> str:
    """Return the connection string of the tests' Azurite."""
    return storage.connection_string


@pytest.fixture
async def queues(azurite: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Queues]:
    """Connect the app in this process to storage, with queues of this test's own."""
    prefix = f"t{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("OutcomesStorage", azurite)
    for key in (*(setting for setting, _ in QUEUE_SETTINGS.values()), "DEAD_LETTER_QUEUE"):
        monkeypatch.setenv(key, f"{prefix}-{key.lower().replace('_', '-')}")
    monkeypatch.setenv("OVERSIZE_CONTAINER", f"{prefix}-oversize")
    get_settings.cache_clear()
    settings = get_settings()
    yield Queues(azurite, settings)
    await get_sink().close()
    get_sink.cache_clear()
    get_settings.cache_clear()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(storage: Azurite) -> AsyncIterator[Stack]:
    """Run the local stack on free ports, for the tests whose event loop is that of the session."""
    report = logging.getLogger("stack").warning  # not print: some tests read what is printed
    async with local_stack.running(storage, report=report) as running:
        yield running


@pytest.fixture
def stack_queues(stack: Stack) -> Queues:
    """Return the stack's queues, emptied."""
    settings = Settings.from_environ({"OutcomesStorage": stack.connection_string})
    queues = Queues(stack.connection_string, settings)
    queues.clear()
    return queues
