"""The whole local stack: storage, worker, endpoint and Event Grid, started and stopped together.

Storage and worker end even when this process is killed; a kill leaves only the temporary data folder behind.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from local import azurite, eventgrid, host, ports, subscriptions
from local.azurite import Azurite
from local.environment import app_environment
from local.errors import LocalError
from local.eventgrid import EventGrid
from local.worker_process import ReloadingWorker, reloading

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
    azurite: Azurite
    event_grid: EventGrid

    @property
    def endpoint(self) -> str:
        """The URL that events are posted to, with `?functionName=NAME`."""
        return endpoint(self.port)

    @property
    def event_grid_endpoint(self) -> str:
        """The URL that an EventGridPublisherClient publishes to, with any key."""
        return event_grid_endpoint(self.event_grid_port)

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
    report: Callable[[str], None] = print,
) -> AsyncIterator[Stack]:
    """Run the stack until the context ends; 0 takes any free port, no `data_dir` a temporary one.

    Event Grid's waits are divided by the time scale. Raises LocalError when it cannot start.
    """
    _require_free_ports(port, storage_port, event_grid_port)
    storage_port = storage_port or ports.free_block(len(azurite.SERVICES))
    # Wrong settings stop the start; when the file is edited later, they are only reported.
    app_environment(project_dir, azurite.connection_string(storage_port))
    with _folder(data_dir) as folder:
        async with (
            azurite.running(storage_port, folder) as storage,
            connected(
                storage,
                port=port,
                event_grid_port=event_grid_port,
                time_scale=time_scale,
                project_dir=project_dir,
                report=report,
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
    report: Callable[[str], None] = print,
) -> AsyncIterator[Stack]:
    """Run the stack on storage that is already running; 0 takes any free port."""

    def environment() -> dict[str, str]:
        return app_environment(project_dir, storage.connection_string)

    async with (
        reloading(project_dir, environment, report) as workers,
        host.serving(workers.current, port, report) as bound_port,
        eventgrid.serving(
            subscriptions.load(project_dir),
            event_grid_port,
            endpoint=endpoint(bound_port),
            connection_string=storage.connection_string,
            time_scale=time_scale,
            report=report,
        ) as (bound_event_grid_port, event_grid),
    ):
        yield Stack(bound_port, storage.first_port, bound_event_grid_port, workers, storage, event_grid)


def _require_free_ports(port: int, storage_port: int, event_grid_port: int) -> None:
    wanted = [(port, "the endpoint", "--port"), (event_grid_port, "Event Grid", "--event-grid-port")]
    for offset, service in enumerate(azurite.SERVICES) if storage_port else ():
        wanted.append((storage_port + offset, f"{service} storage", "--storage-port"))
    uses: dict[int, str] = {}
    for number, use, option in wanted:
        if number in uses:
            raise LocalError(f"port {number} is for {uses[number]} and {use}: choose another with {option}")
        if number:
            ports.require_free(number, use, option)
            uses[number] = use


@contextmanager
def _folder(data_dir: Path | None) -> Iterator[Path]:
    if data_dir is None:
        with TemporaryDirectory(prefix="azurite-", ignore_cleanup_errors=True) as folder:
            yield Path(folder)
        return
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(f"cannot keep data in {data_dir}: {error.strerror}") from None
    yield data_dir
