"""Makes the screenshots of the documentation, in light and dark: `make screenshots`."""

import asyncio
import sys
import tempfile
from pathlib import Path

from local import azurite, ports, sending
from tests.browser import Scheme, Site, running
from tests.events import sample


async def _prepare(site: Site) -> None:
    """Publish all samples, an event that is dead-lettered, and one that no subscription includes."""
    site.publish(*(sample(name) for name in sending.SAMPLES))
    site.publish(sample("sms-received") | {"id": "2f6a7b8c-0000-4c55-9c0e-5d1f0c1e3b7a", "data": {}})
    site.publish(sample("sms-received") | {"eventType": "Microsoft.Communication.CallStarted"})
    while site.stack.event_grid.undelivered:
        await asyncio.sleep(0.1)


async def main(folder: Path) -> None:
    """Write the pictures into a folder."""
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryDirectory() as project:
        async with (
            azurite.running(ports.free_block(3), Path(data)) as storage,
            running(storage, Path(project)) as site,
        ):
            await _prepare(site)
            schemes: tuple[Scheme, ...] = ("light", "dark")
            for scheme in schemes:
                async with site.page(scheme) as page:
                    await page.get_by_role("row", name="SMSReceived written").get_by_role("button").click()
                    await page.get_by_role("heading", name="Outcome", exact=False).last.wait_for()
                    await page.screenshot(path=folder / f"page-{scheme}.png")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
