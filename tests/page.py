"""The page of the local stack in a real Chromium: `make test-page`."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from local import stack as local_stack
from local.azurite import NODE_MODULES, Azurite
from local.journal import Broken
from tests.browser import Scheme, Site, running
from tests.events import sample

pytestmark = pytest.mark.asyncio(loop_scope="session")

GRID = "Microsoft.Communication.SMSReceived"


@pytest_asyncio.fixture(name="site", scope="session", loop_scope="session")
async def _site(storage: Azurite, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    async with running(storage, tmp_path_factory.mktemp("app")) as site:
        yield site


@pytest_asyncio.fixture(name="page", loop_scope="session")
async def _page(site: Site) -> AsyncIterator[Page]:
    site.stack.event_grid.time_scale = 1
    site.stack.event_grid.journal.broken = Broken()
    async with site.page() as page:
        yield page


def sms(event_id: str, **changes: object) -> dict[str, object]:
    """Return an SMS event with an id of its own."""
    return sample("sms-received") | {"id": event_id} | changes


def row(page: Page, text: str) -> Locator:
    """Return the newest row of the list that holds a text."""
    return page.get_by_role("row", name=text).first


async def choose(page: Page, number: int) -> None:
    """Select a delivery when it is settled."""
    chosen = page.locator(f'tr[data-number="{number}"]')
    await expect(chosen).not_to_contain_text("delivering")
    await chosen.get_by_role("button").click()


async def send(page: Page, text: str) -> None:
    """Send a text in the dialog."""
    await page.keyboard.press("s")
    await page.get_by_label("Event", exact=True).fill(text)
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_the_list_is_live(site: Site, page: Page) -> None:
    """An event appears by itself with all that is known, newest first, and a reload shows the same."""
    number = site.publish(sms("live-1"))
    site.publish(sms("live-2", eventType="Microsoft.Communication.Other"))
    first = page.get_by_role("row").nth(1)

    await expect(first).to_contain_text("Other")
    await expect(first).to_contain_text("unrouted")
    await expect(page.locator(f'tr[data-number="{number}"]')).to_contain_text("written")
    shown = await page.get_by_role("row").all_inner_texts()
    await page.reload()
    await expect(first).to_contain_text("Other")
    assert shown == await page.get_by_role("row").all_inner_texts()


async def test_the_filter_is_in_the_url(site: Site, page: Page) -> None:
    """What is filtered for is kept over a reload."""
    site.publish(sms("filter-1"), sample("chat-message-received"))
    await expect(row(page, "ChatMessageReceived written")).to_be_visible()
    await page.keyboard.press("/")
    await page.keyboard.type("chat_message written")

    await expect(page.get_by_role("row", name="SMSReceived")).to_have_count(0)
    assert "filter=chat_message+written" in page.url
    await page.reload()
    await expect(row(page, "ChatMessageReceived written")).to_be_visible()
    await expect(page.get_by_role("row", name="SMSReceived")).to_have_count(0)


async def test_keys_move_the_selection(site: Site, page: Page) -> None:
    """Down and up select a row, and Esc none."""
    number = site.publish(sms("keys-1"), sms("keys-2"))
    await expect(page.locator(f'tr[data-number="{number}"]')).to_contain_text("written")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    selected = page.locator("tr[aria-current]")
    await expect(page.get_by_role("row").nth(2)).to_have_attribute("aria-current", "true")
    await page.keyboard.press("ArrowUp")
    await expect(page.get_by_role("row").nth(1)).to_have_attribute("aria-current", "true")
    await page.keyboard.press("Escape")

    await expect(selected).to_have_count(0)


async def test_the_selected_row_is_in_view(site: Site, page: Page) -> None:
    """Keys and events that are sent scroll the list, and the heading does not cover the row."""
    await choose(page, site.publish(*(sms(f"view-{number}") for number in range(40))))
    selected, rows = page.locator("tr[aria-current]"), page.locator("tbody tr")
    for key, times, last in (("ArrowDown", 39, 39), ("ArrowUp", 35, 4)):
        for _ in range(times):
            await page.keyboard.press(key)
        await expect(rows.nth(last)).to_have_attribute("aria-current", "true")
        await expect(selected).to_be_in_viewport(ratio=1)
    heading, box = await page.locator("th").first.bounding_box(), await selected.bounding_box()
    assert heading
    assert box
    assert heading["y"] + heading["height"] <= box["y"] + 1
    await page.locator(".scroll").evaluate("list => { list.scrollTop = list.scrollHeight }")
    await page.keyboard.press("r")

    await expect(rows.first).to_have_attribute("aria-current", "true")
    await expect(selected).to_be_in_viewport(ratio=1)


async def test_an_event_is_beside_its_outcome(site: Site, page: Page) -> None:
    """What is renamed, moved, inferred and kept is told apart."""
    await choose(page, site.publish(sample("chat-message-received")))
    outcome = page.get_by_role("region", name="Outcome")

    await expect(outcome.locator(".renamed", has_text='"eventtype"')).to_contain_text("renamed from type")
    await expect(outcome.locator(".moved", has_text='"partitionkey"')).to_contain_text(
        "moved from data.threadId"
    )
    await expect(outcome.locator(".inferred", has_text='"dataschema"')).to_contain_text("inferred")
    await expect(outcome.locator(".kept", has_text='"messageBody"')).to_be_visible()
    await expect(page.get_by_role("region", name="Event").locator(".moved").first).to_be_visible()


async def test_equal_versions_are_no_rename(site: Site, page: Page) -> None:
    """A data version of 1.0 is not where the version of CloudEvents is from."""
    delivery = site.stack.event_grid.send(json.dumps(sms("version-1", dataVersion="1.0")), "sms")
    await choose(page, delivery.number)

    await expect(
        page.get_by_role("region", name="Event").locator(".left-out", has_text='"dataVersion"')
    ).to_be_visible()
    specversion = page.get_by_role("region", name="Outcome").locator("div", has_text='"specversion": "1.0"')
    await expect(specversion).to_have_class("inferred")


async def test_it_tells_what_happened(site: Site, page: Page) -> None:
    """The subscription, each attempt, where the outcome is, and the reason where there is none."""
    await choose(page, site.publish(sms("story-1")))
    story = page.locator(".story")
    for text in ("Subscription sms includes it", "Attempt 1 answered 202", "In acs-sms queue"):
        await expect(story).to_contain_text(text)
    await choose(page, site.publish(sms("story-2", data={})))
    await expect(story).to_contain_text("dead-lettered: invalid_data")
    await choose(page, site.publish(sms("story-3", eventType="Microsoft.Communication.Nobody")))

    await expect(story).to_contain_text("No subscription includes it")


async def test_an_event_is_sent(page: Page) -> None:
    """A sample, edited, in another schema and straight to its function; the page goes to what it becomes."""
    await page.keyboard.press("s")
    await page.get_by_label("Sample").select_option("sms-received")
    await page.get_by_label("Schema").select_option("CloudEvents 1.0")
    await page.get_by_label("To", exact=True).select_option("the function of its type")
    await page.get_by_role("button", name="Copy as command").click()
    command = await page.evaluate("navigator.clipboard.readText()")
    text = await page.get_by_label("Event", exact=True).input_value()
    await page.get_by_label("Event", exact=True).fill(text.replace("Stop ", "edited in place"))
    await page.get_by_role("button", name="Copy as curl").click()
    curl = await page.evaluate("navigator.clipboard.readText()")
    await page.keyboard.press("Control+Enter")

    await expect(page.locator(".story")).to_contain_text("Sent straight to the function sms")
    await expect(page.get_by_role("region", name="Outcome")).to_contain_text("edited in place")
    await expect(page.get_by_role("region", name="Event")).to_contain_text('"specversion": "1.0"')
    assert "python -m local send sms-received --cloudevents --direct" == command
    assert "/api/send?schema=CloudEventSchemaV1_0&direct=' --data-raw '{" in curl
    assert "edited in place" in curl


async def test_an_edited_text_is_marked(page: Page) -> None:
    """It is not shown under the name of its sample, also when the dialog is opened again."""
    text, sample_ = page.get_by_role("textbox", name="Event"), page.get_by_label("Sample")
    await page.keyboard.press("s")
    await sample_.select_option("sms-received")
    await expect(text).to_have_value(re.compile("SMSReceived"))
    await text.fill("{}")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await page.keyboard.press("s")
    await expect(sample_.locator("option:checked")).to_have_text("edited: sms-received")
    await expect(text).to_have_value("{}")
    await sample_.select_option("sms-received")

    await expect(text).to_have_value(re.compile("SMSReceived"))
    await expect(sample_.locator("option:checked")).to_have_text("sms-received")


async def test_what_cannot_be_sent_is_said(page: Page) -> None:
    """The dialog stays, with the reason."""
    await page.keyboard.press("s")
    await page.get_by_label("Event", exact=True).fill("{")
    await page.keyboard.press("Control+Enter")

    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("not JSON")


async def test_an_event_is_sent_again_after_a_change(site: Site, page: Page) -> None:
    """The page says whether the reason is the same, whether it is fixed, and how like outcomes differ."""
    code = site.folder / "functions" / "sms.py"
    before = code.read_text()
    broken = before.replace("from shared.", "from shared.handling import RejectEvent\nfrom shared.", 1)
    head, _, rest = broken.partition("async def received(")
    signature, _, body = rest.partition("\n    ")
    rejecting = f"{head}async def received({signature}\n    raise RejectEvent('not today')\n    {body}"
    code.write_text(rejecting)
    await send(page, json.dumps(sms("again-1")))
    await expect(page.locator(".story")).to_contain_text("not today")
    await page.keyboard.press("r")
    verdict = page.locator(".verdict")
    await expect(verdict).to_contain_text("The same reason as before")
    code.write_text(rejecting.replace("not today", "nor tomorrow"))
    await page.keyboard.press("r")
    await expect(verdict).to_contain_text("Another reason. Before: dead-lettered (rejected: not today).")
    await expect(verdict.get_by_role("listitem")).to_have_text('data.detail: "not today" → "nor tomorrow"')
    code.write_text(before)
    await page.keyboard.press("r")

    await expect(verdict).to_contain_text("Fixed. Before: dead-lettered (rejected: nor tomorrow).")
    await expect(verdict.get_by_role("listitem")).to_have_count(0)


async def test_what_is_broken_is_retried(page: Page) -> None:
    """A failing function is retried when Event Grid's time says, and then the event is written."""
    await page.get_by_label("Fault").select_option("the function fails")
    await page.get_by_label("for", exact=True).select_option("1 attempt")
    await page.get_by_role("button", name="Break", exact=True).click()
    await expect(page.locator(".notice")).to_be_visible()
    await send(page, json.dumps(sms("break-1")))
    story = page.locator(".story")
    await expect(story).to_contain_text("Attempt 2 comes at")
    await page.get_by_label("Event Grid's waits").select_option("3600")

    await expect(story).to_contain_text("Attempt 1 answered 500")
    await expect(story).to_contain_text("broken on purpose: the function fails")
    await expect(story).to_contain_text("Attempt 2 answered 202")
    await expect(page.locator(".notice")).to_have_count(0)


async def test_the_next_attempt_has_its_number(site: Site, page: Page) -> None:
    """Also where attempts in the middle of a long list are left out."""
    journal = site.stack.event_grid.journal
    delivery = journal.add(json.dumps(sms("long-1")), "sms", "sms")
    for _ in range(11):
        journal.end(journal.begin(delivery), 500)
    journal.settle(delivery, "retrying", delivery.reason, 600)
    await choose(page, delivery.number)

    await expect(page.locator(".story")).to_contain_text("3 more attempts")
    await expect(page.locator(".story")).to_contain_text("Attempt 11 answered 500")
    await expect(page.locator(".story")).to_contain_text("Attempt 12 comes at")


async def test_what_stays_broken_is_dead_lettered(page: Page) -> None:
    """Until it is mended: after a day of Event Grid's time, which is seconds, it gives up."""
    await page.get_by_label("Event Grid's waits").select_option("20000")
    await page.get_by_label("Fault").select_option("the function fails")
    await page.get_by_label("for", exact=True).select_option("until mended")
    await page.get_by_role("button", name="Break", exact=True).click()
    await expect(page.get_by_role("button", name="Mend")).to_be_visible()
    await send(page, json.dumps(sms("dead-1")))
    await expect(page.get_by_text("None yet.")).to_be_visible()
    await expect(page.locator(".story")).to_contain_text("Dead-lettered by Event Grid", timeout=20_000)
    await expect(page.locator(".story")).to_contain_text("because the event was too old (TimeToLiveExceeded)")
    await page.get_by_role("button", name="Mend").click()
    await page.keyboard.press("r")

    await expect(page.locator(".verdict")).to_contain_text("Fixed. Before: undelivered (TimeToLiveExceeded).")


async def test_the_status_is_honest(site: Site, page: Page) -> None:
    """Code that does not load is said with its traceback, and what the queues hold is counted."""
    code = site.folder / "function_app.py"
    before = code.read_text()
    code.write_text("import no_such_module\n" + before)
    await expect(page.get_by_role("status")).to_have_text("the app does not load")
    await expect(page.get_by_role("alert")).to_contain_text("function_app.py:1: import no_such_module")
    code.write_text(before)

    await expect(page.get_by_role("status")).to_have_text("connected")
    site.publish(sms("status-1"))
    await expect(page.locator(".queues div").first).to_have_text(re.compile(r"acs-sms\s*[1-9]"))


async def test_a_stack_that_is_gone_is_said(site: Site, storage: Azurite, tmp_path: Path) -> None:
    """An open page does not hold up the end of the stack, and says that it is not connected."""
    (tmp_path / "function_app.py").touch()
    async with (
        asyncio.timeout(60),
        local_stack.running(storage, project_dir=tmp_path, report=lambda _: None) as other,
    ):
        page = await site.browser.new_page()
        await page.goto(other.page)
        await expect(page.get_by_role("alert")).to_be_visible()

    await expect(page.get_by_role("status")).to_have_text("not connected")
    await page.close()


async def test_a_missing_library_is_said(site: Site, page: Page) -> None:
    """Without lit-html the page says how to install it."""
    await page.route("**/lit-html.js", lambda route: route.fulfill(status=404))
    await page.goto(site.stack.page)

    await expect(page.get_by_text("npm ci --prefix local")).to_be_visible()


async def test_the_header_is_one_line(page: Page) -> None:
    """Also on a small laptop; and nothing is wider than a phone."""
    await page.set_viewport_size({"width": 1280, "height": 800})
    assert await page.evaluate("document.querySelector('header').offsetHeight") < 50
    await page.set_viewport_size({"width": 400, "height": 800})
    assert 400 == await page.evaluate("document.documentElement.scrollWidth")


async def test_an_events_text_is_text(site: Site, page: Page) -> None:
    """HTML in an event is shown, not interpreted, and no inline script may run."""
    html = "<img src=x onerror='document.title=1'>"
    await choose(page, site.publish(sms(html, subject=html)))

    await expect(page.get_by_role("region", name="Event")).to_contain_text(html)
    assert "Events and outcomes" == await page.title()
    await page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<b id=x onclick=\"document.title=2\">x</b>')"
    )
    await page.locator("#x").dispatch_event("click")
    assert "Events and outcomes" == await page.title()


async def test_a_large_body_is_cut(site: Site, page: Page) -> None:
    """It can be seen whole."""
    event = sample("sms-received")
    event["data"]["Message"] = "x" * 70_000 + "the end"
    await choose(page, site.publish(event | {"id": "large-1"}))
    await expect(page.get_by_role("region", name="Event")).not_to_contain_text("the end")
    await page.get_by_role("button", name="Show all of it").click()

    await expect(page.get_by_role("region", name="Event")).to_contain_text("the end")


async def test_many_events_do_not_freeze_it(site: Site, page: Page) -> None:
    """While 900 events come at 300 a second the page answers, and all are there."""
    for second in range(30):
        site.publish(*(sms(f"many-{second}-{number}") for number in range(30)))
        await asyncio.sleep(0.1)
        await page.evaluate("new Promise(requestAnimationFrame)")
    await page.keyboard.press("/")
    await page.keyboard.type("written")

    await expect(page.get_by_label("Filter")).to_have_value("written")
    await expect(page.locator("tbody tr").nth(899)).to_be_attached()
    site.stack.event_grid.journal.deliveries.clear()  # Playwright takes seconds to describe so many rows


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_accessible(scheme: Scheme, site: Site) -> None:
    """Axe finds nothing serious on the list, the details, the dialog and the notices, in light and dark."""
    number = site.publish(sms("axe-1"))
    async with site.page(scheme) as page:
        await choose(page, number)
        await expect(page.get_by_role("region", name="Outcome")).to_be_visible()
        await page.evaluate((NODE_MODULES / "axe-core" / "axe.min.js").read_text())
        for opened in (False, True):
            if opened:
                await page.keyboard.press("s")
            found = await page.evaluate("axe.run()")
            serious = [
                (each["id"], each["nodes"][0]["html"])
                for each in found["violations"]
                if each["impact"] in ("serious", "critical")
            ]
            assert [] == serious
