"""The documentation: links lead somewhere, examples run, and the page of events is complete."""

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import uuid
from base64 import b64encode
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient

from functions.sms import _KEYWORDS
from shared.delivery import Delivery, Fate
from shared.outcomes import APP_VERSION
from shared.payloads import PAYLOADS
from shared.settings import QUEUE_SETTINGS
from shared.telemetry import report
from tests.events import PROJECT, SAMPLES, golden, sample
from tools import events_page, generated

PAGES = sorted(
    page for folder in (".", ".github", "docs", "examples/*") for page in PROJECT.glob(f"{folder}/*.md")
)
README = (PROJECT / "README.md").read_text(encoding="utf-8")
PAGE = (PROJECT / "docs" / "events.md").read_text(encoding="utf-8")


def test_the_page_is_what_the_types_and_samples_give() -> None:
    """After a change of a payload class or a sample the page has to be generated again."""
    assert generated.out_of_date(events_page.files()) == []


@pytest.mark.parametrize("event_type", PAYLOADS)
def test_the_contents_link_every_event_type(event_type: str) -> None:
    """A reader who looks for an event type finds its outcome."""
    name = event_type.removeprefix("Microsoft.Communication.")
    assert f"[`{name}`](#{events_page.anchor(PAYLOADS[event_type].outcome_type)})" in PAGE


def test_every_sms_keyword_has_its_source() -> None:
    """Consumers see which words are keywords, and where each comes from."""
    page = (PROJECT / "docs" / "outcomes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([A-Z, ]+) \| .*\]\(https://.* \|$", page, re.MULTILINE)
    assert _KEYWORDS == {word: kind for kind, words in rows for word in words.split(", ")}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_shown(name: str) -> None:
    """Each shape that the project knows is on the page."""
    assert re.search(rf"\(\.\./samples/(shapes/)?{re.escape(name)}\.json\)", PAGE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """Links go to headings of the page, to files and to headings of files."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, heading = link.partition("#")
        if ":" in file:
            continue
        target = page.parent / file if file else page
        assert target.exists(), link
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in map(events_page.anchor, headings), link


def code_blocks(page: str, language: str) -> list[str]:
    """Return the code of a page that is in a language."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_outcome_that_is_shown_is_what_the_sample_gives() -> None:
    """The example for developers of consumers is the golden outcome."""
    (shown,) = code_blocks("docs/outcomes.md", "json")
    assert golden("sms-received") == json.loads(shown)


def test_the_consumer_in_python_runs_as_written(azurite: str) -> None:
    """It prints the outcomes of a queue, which here is this test's own, and deletes them."""
    (code,) = code_blocks("docs/outcomes.md", "python")
    name = f"docs-{uuid.uuid4().hex}"
    code = code.replace("acs-sms", name)
    with QueueClient.from_connection_string(azurite, name) as queue:
        queue.create_queue()
        queue.send_message(b64encode(json.dumps(golden("sms-received")).encode()).decode())
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            env={"OutcomesStorage": azurite, "PYTHONPATH": str(PROJECT / "examples" / "consumer")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ("", golden("sms-received")["id"]) == (run.stderr, run.stdout.split()[-1])
        assert [] == list(queue.peek_messages())


def test_the_page_of_settings_agrees_with_the_code() -> None:
    """The defaults are those of the code. The queue of a family that was added need not be listed."""
    page = (PROJECT / "docs" / "settings.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `([A-Z_]+_QUEUE)` \| `([a-z-]+)` \|", page, re.MULTILINE))
    assert listed.items() <= {**dict(QUEUE_SETTINGS.values()), "DEAD_LETTER_QUEUE": "acs-dead-letter"}.items()
    assert {"SMS_QUEUE", "DEAD_LETTER_QUEUE"} <= listed.keys()
    code = "".join(file.read_text() for file in PROJECT.glob("shared/*.py"))
    settings = set(re.findall(r'"([A-Z]+_[A-Z_]+|OutcomesStorage(?:__[A-Za-z]+)?)"', code))
    assert [] == [name for name in settings if f"`{name}`" not in page]


def prose(markdown: str) -> str:
    """Return the text of a page without code, tables and pictures."""
    without = re.sub(r"```.*?```|<table>.*?</table>|<picture>.*?</picture>", "", markdown, flags=re.DOTALL)
    without = re.sub(r"^\|.*$|!\[.*?\]\(.*?\)", "", without, flags=re.MULTILINE)
    return re.sub(r"\]\(.*?\)", "]", without)


def words_before(text: str) -> int:
    """Return how many words of the README stand before a text."""
    before, found, _ = README.partition(text)
    assert found, text
    return len(prose(before).split())


def test_the_readme_comes_to_the_point() -> None:
    """The picture, an event beside its outcome and the first command come within 60, 90 and 120 words."""
    assert words_before("<picture>") <= 60
    assert words_before("<table>") <= 90
    assert words_before("```sh\nmake run") <= 120
    assert len(prose(README).split()) < 900


def test_the_readme_says_which_version_it_is_of() -> None:
    """It is the version that dead letters carry."""
    assert f"**Status:** version {APP_VERSION}." in README


def test_the_pictures_of_the_readme_exist() -> None:
    """There is one for light and one for dark mode."""
    pictures = re.findall(r'(?:src|srcset)="(.*?)"', README)
    assert pictures == ["docs/page-dark.png", "docs/page-light.png"]
    assert all((PROJECT / picture).is_file() for picture in pictures)


def test_the_event_and_the_outcome_that_the_readme_shows_are_a_sample() -> None:
    """They are the same line by line. An ellipsis stands for any text."""
    event, outcome = code_blocks("README.md", "json")
    for shown, whole in ((event, sample("sms-received")), (outcome, golden("sms-received"))):
        lines = [re.escape(line).replace("…", ".*") for line in shown.splitlines()]
        assert re.fullmatch("\n".join(lines), json.dumps(whole, indent=2))


def test_each_promise_of_the_readme_links_what_tests_it() -> None:
    """Or it names the command that checks it."""
    (promises,) = re.findall(r"## What you get\n(.*?)\n## ", README, re.DOTALL)
    for promise in promises.split("\n- ")[1:]:
        assert "](tests/" in promise or "`make check`" in promise


COMMANDS = sorted(
    {
        (str(page.relative_to(PROJECT)), line.strip())
        for page in PAGES
        for block in code_blocks(str(page.relative_to(PROJECT)), "sh")
        for line in re.sub(r"\\\n\s*", "", block).splitlines()
    }
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_a_shell_can_read_every_command(page: Path) -> None:
    """No quotation mark or bracket is missing in what people paste."""
    for block in code_blocks(str(page.relative_to(PROJECT)), "sh"):
        subprocess.run(["/bin/sh", "-n", "-c", block], check=True)


def test_every_make_target_exists() -> None:
    """The Makefile has each target that a page names."""
    makefile = (PROJECT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):.*?##", makefile, re.MULTILINE))
    words = [shlex.split(command) for _, command in COMMANDS if command.startswith("make ")]
    named = {word for _, *arguments in words for word in arguments if "=" not in word}
    assert {"run", "golden", "docs"} <= named
    assert named <= targets


def test_every_module_and_file_that_is_run_exists() -> None:
    """The modules and files of this project that the commands name exist."""
    names = [name for _, command in COMMANDS for name in re.findall(r"\.venv/bin/python -m (\w+)", command)]
    assert {"local", "ops", "pytest"} <= set(names)
    assert [] == [name for name in names if importlib.util.find_spec(name) is None]
    files = [
        name
        for _, command in COMMANDS
        for name in re.findall(r"(?<![\w./])(?:tests|samples|infra)/\S+", command)
    ]
    assert [] == [name for name in files if not (PROJECT / name.strip("'")).exists()]


def test_the_queries_read_the_records_that_the_app_writes(caplog: pytest.LogCaptureFixture) -> None:
    """Each `parse` in docs/operate.md finds its fields in a record."""
    delivery = Delivery(function="sms", fate=Fate.RAISED, reason="SinkError", detail="Storage answered 503.")
    report(delivery, 0.5, None)
    (record,) = caplog.messages
    page = (PROJECT / "docs" / "operate.md").read_text(encoding="utf-8")
    patterns = re.findall(r"\| parse Message with (.*)", page)
    assert len(patterns) >= 3
    for pattern in patterns:
        literals = "".join(
            re.escape(text) if text else "(.*?)" for text, _ in re.findall(r'"([^"]*)"|([\w:*]+)', pattern)
        )
        assert re.fullmatch(literals, record)


def test_the_handler_in_the_readme_is_one_that_is_tested() -> None:
    """It is in docs/extending.md, whose code a test applies to a copy of the project and runs."""
    (handler,) = code_blocks("README.md", "python")
    assert handler in code_blocks("docs/extending.md", "python")
