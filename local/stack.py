"""The whole local stack: storage, worker, endpoint, Event Grid and page, started and stopped together.

Storage and worker end even when this process is killed; a kill leaves only the temporary data folder behind.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from local import azurite, eventgrid, host, page, ports, storage_proxy, subscriptions
from local.azurite import Azurite
from local.errors import LocalError
from local.eventgrid import EventGrid
from local.journal import Journal
from local.project import app_environment
from local.reloading import ReloadingWorker
from local.web_server import Report
from shared.settings import Settings

PROJECT_DIR = Path(__file__).parent.parent


@dataclass(frozen=True)
class Stack:
    """A stack that is up."""

    endpoint: str
    """The URL that events are posted to, with `?functionName=NAME`."""
    connection_string: str
    """What an Azure Storage client connects with."""
    event_grid_port: int
    workers: ReloadingWorker
    azurite: Azurite
    event_grid: EventGrid

    @property
    def event_grid_endpoint(self) -> str:
        """The URL that an EventGridPublisherClient publishes to, with any key."""
        return f"http://{ports.HOST}:{self.event_grid_port}{eventgrid.PATH}"

    @property
    def page(self) -> str:
        """The URL of the page."""
        return f"http://{ports.HOST}:{self.event_grid_port}/"


@asynccontextmanager
async def running(
    storage: Azurite | None = None,
    *,
    port: int = 0,
    storage_port: int = 0,
    event_grid_port: int = 0,
    time_scale: float = 1,
    data_dir: Path | None = None,
    project_dir: Path = PROJECT_DIR,
    report: Report = print,
    func: bool = False,
) -> AsyncIterator[Stack]:
    """Run the stack until the context ends; 0 takes any free port, no `data_dir` a temporary one.

    It runs on `storage`, if that is running already. Event Grid's waits are divided by the time scale. With
    `func` the app runs in another host, on `port`, and uses storage on `storage_port`. Raises LocalError when
    it cannot start.
    """
    _require_free_ports(0 if func else port, event_grid_port, storage_port)
    proxy_port = (func and storage_port) or ports.free_block(3)
    app_storage = azurite.connection_string(proxy_port)
    # Wrong settings stop the start; when the file is edited later, they are only reported.
    settings = Settings.from_environ(app_environment(project_dir, app_storage))
    journal = Journal(report)
    async with AsyncExitStack() as stack:
        if storage is None:
            report("starting storage (Azurite)")
            temporary = TemporaryDirectory(prefix="azurite-", ignore_cleanup_errors=True)
            folder = data_dir or Path(stack.enter_context(temporary))
            first_port = (not func and storage_port) or ports.free_block(3)
            storage = await stack.enter_async_context(azurite.running(first_port, folder))
        await stack.enter_async_context(storage_proxy.serving(proxy_port, storage.first_port, journal))
        workers = ReloadingWorker(project_dir, lambda: app_environment(project_dir, app_storage), report)
        if not func:
            await stack.enter_async_context(workers.watching())
            port = await stack.enter_async_context(host.serving(workers.current, port, journal))
        endpoint = f"http://{ports.HOST}:{port}{host.PATH}"
        queues = [*settings.queues.values(), settings.dead_letter_queue]
        event_grid_port, event_grid = await stack.enter_async_context(
            eventgrid.serving(
                subscriptions.load(project_dir),
                event_grid_port,
                endpoint=endpoint,
                connection_string=storage.connection_string,
                time_scale=time_scale,
                journal=journal,
                routes=lambda grid: page.routes(
                    grid, None if func else workers, storage.connection_string, queues
                ),
            )
        )
        connection_string = app_storage if func else storage.connection_string
        yield Stack(endpoint, connection_string, event_grid_port, workers, storage, event_grid)


def _require_free_ports(port: int, event_grid_port: int, storage_port: int) -> None:
    wanted = [("--port", port), ("--event-grid-port", event_grid_port)]
    wanted += [("--storage-port", storage_port and storage_port + offset) for offset in range(3)]
    used = set[int]()
    for option, number in wanted:
        if number and (number in used or ports.is_taken(number)):
            raise LocalError(
                f"port {number} is taken: stop what listens there, or choose another with {option}"
            )
        used.add(number)
