"""The whole local stack: storage, worker, endpoint and Event Grid, started and stopped together.

Storage and worker end even when this process is killed; a kill leaves only the temporary data folder behind.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from local import azurite, eventgrid, host, ports, storage_proxy, subscriptions
from local.azurite import Azurite
from local.environment import app_environment
from local.errors import LocalError
from local.eventgrid import EventGrid
from local.journal import Journal
from local.page import Page
from local.web_server import Report
from local.worker_process import ReloadingWorker
from shared.settings import Settings

PROJECT_DIR = Path(__file__).parent.parent
DEFAULT_PORT = 7071
DEFAULT_EVENT_GRID_PORT = 7072
DEFAULT_STORAGE_PORT = 10000


@dataclass(frozen=True)
class Stack:
    """A stack that is up."""

    port: int
    storage_port: int
    event_grid_port: int
    workers: ReloadingWorker
    runs_app: bool
    """False where another host does."""
    azurite: Azurite
    event_grid: EventGrid
    journal: Journal

    @property
    def endpoint(self) -> str:
        """The URL that events are posted to, with `?functionName=NAME`."""
        return endpoint(self.port)

    @property
    def event_grid_endpoint(self) -> str:
        """The URL that an EventGridPublisherClient publishes to, with any key."""
        return event_grid_endpoint(self.event_grid_port)

    @property
    def page(self) -> str:
        """The URL of the page."""
        return f"http://{ports.HOST}:{self.event_grid_port}/"

    @property
    def connection_string(self) -> str:
        """What an Azure Storage client connects with."""
        return azurite.connection_string(self.storage_port)


def endpoint(port: int) -> str:
    return f"http://{ports.HOST}:{port}{host.PATH}"


def event_grid_endpoint(port: int) -> str:
    return f"http://{ports.HOST}:{port}{eventgrid.PATH}"


@asynccontextmanager
async def running(
    *,
    port: int = DEFAULT_PORT,
    storage_port: int = DEFAULT_STORAGE_PORT,
    event_grid_port: int = 0,
    time_scale: float = 1,
    data_dir: Path | None = None,
    project_dir: Path = PROJECT_DIR,
    report: Report = print,
    func: bool = False,
) -> AsyncIterator[Stack]:
    """Run the stack until the context ends; 0 takes any free port, no `data_dir` a temporary one.

    Event Grid's waits are divided by the time scale. With `func` the app runs in another host, on `port`, and
    uses storage on `storage_port`. Raises LocalError when it cannot start.
    """
    _require_free_ports(0 if func else port, storage_port, event_grid_port)
    storage_port = storage_port or _free_ports()
    # Wrong settings stop the start; when the file is edited later, they are only reported.
    _settings(project_dir, azurite.connection_string(storage_port))
    with TemporaryDirectory(prefix="azurite-", ignore_cleanup_errors=True) as temporary:
        folder = data_dir or Path(temporary)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LocalError(f"cannot keep data in {folder}: {error.strerror}") from None
        report("starting storage (Azurite)")
        async with (
            azurite.running(_free_ports() if func else storage_port, folder) as storage,
            connected(
                storage,
                port=port,
                event_grid_port=event_grid_port,
                time_scale=time_scale,
                project_dir=project_dir,
                report=report,
                func_storage_port=storage_port if func else None,
            ) as stack,
        ):
            yield stack


@asynccontextmanager
async def connected(
    storage: Azurite,
    *,
    port: int = 0,
    event_grid_port: int = 0,
    time_scale: float = 1,
    project_dir: Path = PROJECT_DIR,
    report: Report = print,
    func_storage_port: int | None = None,
) -> AsyncIterator[Stack]:
    """Run the stack on storage that is already running; 0 takes any free port."""
    journal = Journal(report)
    app_port = func_storage_port or _free_ports()
    app_storage = azurite.connection_string(app_port)
    settings = _settings(project_dir, app_storage)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(storage_proxy.serving(app_port, storage.first_port, journal))
        runs_app = func_storage_port is None
        workers = ReloadingWorker(project_dir, lambda: app_environment(project_dir, app_storage), report)
        if runs_app:
            await stack.enter_async_context(workers.watching())
            port = await stack.enter_async_context(host.serving(workers.current, port, journal))
        page = partial(
            Page,
            journal=journal,
            workers=workers,
            runs_app=runs_app,
            connection_string=storage.connection_string,
            queues=[*settings.queues.values(), settings.dead_letter_queue],
        )
        bound_port, event_grid = await stack.enter_async_context(
            eventgrid.serving(
                subscriptions.load(project_dir),
                event_grid_port,
                endpoint=endpoint(port),
                connection_string=storage.connection_string,
                time_scale=time_scale,
                journal=journal,
                routes=lambda grid: page(grid).routes(),
            )
        )
        user_port = func_storage_port or storage.first_port
        yield Stack(port, user_port, bound_port, workers, runs_app, storage, event_grid, journal)


def _settings(project_dir: Path, connection_string: str) -> Settings:
    return Settings.from_environ(app_environment(project_dir, connection_string))


def _free_ports() -> int:
    return ports.free_block(len(azurite.SERVICES))


def _require_free_ports(port: int, storage_port: int, event_grid_port: int) -> None:
    wanted = [(port, "--port"), (event_grid_port, "--event-grid-port")]
    if storage_port:
        wanted += [(storage_port + offset, "--storage-port") for offset in range(len(azurite.SERVICES))]
    used = set[int]()
    for number, option in wanted:
        if number and (number in used or ports.is_taken(number)):
            raise LocalError(
                f"port {number} is taken: stop what listens there, or choose another with {option}"
            )
        used.add(number)
