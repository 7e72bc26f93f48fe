"""The page of events: complete, and up to date with the code and the samples."""

import re

import pytest

from shared.payloads import PAYLOADS
from tests.events import PROJECT, SAMPLES
from tools import events_page, generated

PAGE = (PROJECT / "docs" / "events.md").read_text(encoding="utf-8")


def test_the_page_is_what_the_types_and_samples_give() -> None:
    """A changed payload class or sample comes with its changed page."""
    assert generated.out_of_date(events_page.files()) == []


@pytest.mark.parametrize("event_type", PAYLOADS)
def test_the_contents_link_every_event_type(event_type: str) -> None:
    """A reader who looks for an event type finds what becomes of it."""
    name = event_type.removeprefix("Microsoft.Communication.")
    assert f"[`{name}`](#{events_page.anchor(PAYLOADS[event_type].outcome_type)})" in PAGE


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_shown(name: str) -> None:
    """Each shape that the project knows is on the page."""
    assert re.search(rf"\(\.\./samples/(shapes/)?{re.escape(name)}\.json\)", PAGE)


def test_every_link_leads_somewhere() -> None:
    """Links go to headings of the page, to files and to headings of files."""
    for file, heading in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", PAGE):
        target = (PROJECT / "docs" / file) if file else PROJECT / "docs" / "events.md"
        assert target.exists(), file
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in map(events_page.anchor, headings)
