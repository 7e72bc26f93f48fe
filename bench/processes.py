"""Starts and ends the processes that are measured, and those that they talk to."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Self

from bench import tls
from local.ports import HOST

PROJECT_DIR = Path(__file__).parent.parent
OURS = "this app"
DOCUMENTATION = "(a) documentation"
SYNC_CLIENT = "(b) sync client"
ASYNC_CLIENT = "(c) async client"
BINDING = "(d) binding, without the host"
BARE_REQUEST = "(e) bare request"
EMPTY = "(f) empty function"
QUEUE_CLIENT = "(g) this app, by QueueClient"
NO_WRITE = "(h) this app, without the write"

_FOLDERS = {
    DOCUMENTATION: "documentation",
    SYNC_CLIENT: "sync_client",
    ASYNC_CLIENT: "async_client",
    BINDING: "output_binding",
    BARE_REQUEST: "bare_request",
    EMPTY: "empty",
    QUEUE_CLIENT: "queue_client",
    NO_WRITE: "no_write",
}
APPS: Mapping[str, Path] = {
    OURS: PROJECT_DIR,
    **{subject: PROJECT_DIR / "bench" / "apps" / folder for subject, folder in _FOLDERS.items()},
}
"""This app, the alternatives, and two floors."""

GIVES_UP: Mapping[str, str] = {
    DOCUMENTATION: "a connection for each event; messages expire after a week; retries outlast Event Grid",
    SYNC_CLIENT: "a thread for each write, of which there are few; expiry and retries as (a)",
    ASYNC_CLIENT: "expiry and retries as (a)",
    BINDING: "it cannot see a failed write, keep a message longer than a week, or send one over 48 KiB",
    BARE_REQUEST: "all: no credential, retry, timeout, tracing or error text",
    EMPTY: "all: it writes nothing",
    QUEUE_CLIENT: "nothing but time",
    NO_WRITE: "all: it writes nothing",
}
"""What each of them lacks that this app does."""

type Answer = Mapping[str, float]


def environment(connection_string: str, packages: Path | None = None) -> dict[str, str]:
    """Return what an app runs with: its storage, no settings of others, and packages in place of our own."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    trusted = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(tls.authorities()))
    return {
        **inherited,
        **trusted,
        "OutcomesStorage": connection_string,
        "PYTHONPATH": os.pathsep.join(map(str, [*([packages] if packages else []), PROJECT_DIR])),
        **({"PYTHONDONTWRITEBYTECODE": "1"} if packages else {}),
    }


@contextmanager
def null_storage(latency: float = 0, *, encrypted: bool = True) -> Iterator[str]:
    """Run storage that keeps nothing until the context ends; its connection string."""
    command = [sys.executable, "-m", "bench.null_queue", "--latency", str(latency)]
    if encrypted:
        command += ["--certificate", str(tls.certificate())]
    scheme = "https" if encrypted else "http"
    with Popen(command, cwd=PROJECT_DIR, stdin=PIPE, stdout=PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it was started with a pipe
            endpoint = f"{scheme}://{HOST}:{int(process.stdout.readline())}/devstoreaccount1"
            yield (
                f"DefaultEndpointsProtocol={scheme};AccountName=devstoreaccount1;AccountKey=a2V5;"
                f"QueueEndpoint={endpoint};BlobEndpoint={endpoint};"
            )
        finally:
            process.kill()


class Child:
    """A process of bench.worker, which answers each line of JSON with another."""

    def __init__(self, folder: Path, connection_string: str, packages: Path | None = None) -> None:
        self._process = Popen(
            [sys.executable, "-m", "bench.worker"],
            cwd=folder,
            env=environment(connection_string, packages),
            stdin=PIPE,
            stdout=PIPE,
            text=True,
        )
        self._answer()  # that it is ready

    def ask(self, **request: object) -> Answer:
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it as its input ends."""
        self._process.communicate()

    def _answer(self) -> Answer:
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        line = self._process.stdout.readline()
        if not line:
            raise subprocess.CalledProcessError(self._process.wait(), self._process.args)
        answer: Answer = json.loads(line)
        return answer
