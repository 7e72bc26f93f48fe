"""Sends samples and files through the running stack, and tells what becomes of them."""

from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp

from local.errors import LocalError
from local.ports import HOST

_FOLDER = Path(__file__).parent.parent / "samples"
SAMPLES = {file.stem: file for file in sorted(_FOLDER.glob("*.json"))}
"""The samples by their names, one per event type."""
ALL_SAMPLES = SAMPLES | {file.stem: file for file in sorted(_FOLDER.glob("shapes/*.json"))}
"""Those and the other shapes of events."""


def text_of(name: str) -> str:
    """Return the text of a sample or a file. Raises LocalError."""
    try:
        return ALL_SAMPLES.get(name, Path(name)).read_text(errors="replace")  # as the host reads it
    except FileNotFoundError:
        raise LocalError(f"no sample or file named {name!r}; the samples are: {', '.join(SAMPLES)}") from None
    except OSError as error:
        raise LocalError(f"cannot read {name}: {error.strerror}") from None


async def send(port: int, name: str, text: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Send a named text by the API of the page on a port, and return its deliveries. Raises LocalError."""
    endless = aiohttp.ClientTimeout(total=None)  # a handler may be at a breakpoint
    body, headers = BytesIO(text.encode()), {"Content-Type": "application/json"}
    try:
        async with (
            aiohttp.ClientSession(f"http://{HOST}:{port}", timeout=endless) as http,
            http.post("/api/send", params=query, data=body, headers=headers) as response,
        ):
            if response.ok:
                return list(await response.json())
            if response.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
                raise LocalError(f"{name} ({len(text)} characters): {await response.text()}")
    except aiohttp.ClientError:
        pass
    raise LocalError(
        f"no local stack on port {port}: start it with `python -m local up`, or choose with --event-grid-port"
    )
