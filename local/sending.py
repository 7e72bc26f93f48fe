"""Sends samples and files through the running stack, and tells what becomes of them."""

from collections.abc import Mapping
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any

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


def text_of(name: str) -> str:
    """Return the text of a sample or a file. Raises LocalError."""
    if text := samples().get(name):
        return text
    try:
        return Path(name).read_text(errors="replace")  # as the host reads it
    except FileNotFoundError:
        raise LocalError(
            f"no sample or file named {name!r}; the samples are: {', '.join(sample_names())}"
        ) from None
    except OSError as error:
        raise LocalError(f"cannot read {name}: {error.strerror}") from None


async def send(port: int, name: str, text: str, query: Mapping[str, str]) -> list[dict[str, Any]]:
    """Send a text by the API of the stack whose page is on a port, and return its deliveries.

    Errors call the text by its name. Raises LocalError.
    """
    endless = aiohttp.ClientTimeout(total=None)  # a handler may be at a breakpoint
    body, headers = BytesIO(text.encode()), {"Content-Type": "application/json"}
    try:
        async with (
            aiohttp.ClientSession(f"http://{HOST}:{port}", timeout=endless) as http,
            http.post("/api/send", params=query, data=body, headers=headers) as response,
        ):
            if response.ok:
                return list(await response.json())
            if response.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                raise LocalError(f"{name} is too large: Event Grid takes 1 MiB at a time")
            if response.status == HTTPStatus.BAD_REQUEST:
                raise LocalError(f"{name}: {await response.text()}; --function NAME sends it as it is")
    except aiohttp.ClientError:
        pass
    raise LocalError(
        f"no local stack on port {port}: start it with `python -m local up`, or choose with --event-grid-port"
    )
