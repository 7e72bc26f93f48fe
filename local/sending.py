"""Sends samples and files through the running stack, and waits for what becomes of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import aiohttp

from local.errors import LocalError
from local.ports import HOST

SAMPLES_DIR = Path(__file__).parent.parent / "samples"


def samples() -> dict[str, str]:
    """Return the samples' texts by their names, those of one per event type first."""
    files = [*sorted(SAMPLES_DIR.glob("*.json")), *sorted(SAMPLES_DIR.glob("shapes/*.json"))]
    return {file.stem: file.read_text() for file in files}


def sample_names() -> list[str]:
    """Return the names of the samples, of one per event type."""
    return sorted(file.stem for file in SAMPLES_DIR.glob("*.json"))


def texts(name: str, *, whole: bool) -> Iterator[str]:
    """Yield the events of a sample or a file, or its whole text as it is. Raises LocalError."""
    text = _read(name)
    if whole:
        yield text
        return
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LocalError(f"{name} is not JSON ({error}); --function NAME sends it as it is") from None
    events = content if isinstance(content, list) else [content]
    if not events:
        raise LocalError(f"{name} holds no event; --function NAME sends it as it is")
    yield from map(json.dumps, events)


class Client:
    """A client of the stack whose Event Grid is on a port."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._http = aiohttp.ClientSession(
            f"http://{HOST}:{port}",
            timeout=aiohttp.ClientTimeout(total=None),  # a handler may be at a breakpoint
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def send(self, **sending: object) -> list[int]:
        """Send an event, and return the numbers of its deliveries. Raises LocalError."""
        answer = await self._ask("POST", "/api/send", sending)
        return list(answer["deliveries"])

    async def told(self, number: int) -> dict[str, Any]:
        """Return a delivery, when it is known what becomes of it. Raises LocalError."""
        return await self._ask("GET", f"/api/events/{number}?wait&full")

    async def _ask(self, method: str, path: str, content: object = None) -> dict[str, Any]:
        try:
            async with self._http.request(method, path, json=content) as response:
                if response.content_type == "application/json":
                    answer: dict[str, Any] = await response.json()
                    if response.status < 400:
                        return answer
                    raise LocalError(answer["error"])
        except aiohttp.ClientError:
            pass
        raise LocalError(
            f"no local stack on port {self._port}: start it with `python -m local up`, "
            "or choose with --event-grid-port"
        )


def _read(name: str) -> str:
    if text := samples().get(name):
        return text
    if not Path(name).is_file():
        raise LocalError(f"no sample or file named {name!r}; the samples are: {', '.join(sample_names())}")
    try:
        return Path(name).read_text(errors="replace")  # as the host reads it
    except OSError as error:
        raise LocalError(f"cannot read {name}: {error.strerror}") from None
