"""Starts and ends the measured processes and their storage."""

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
"""This app, the alternatives, and two lower bounds."""

LACKS: Mapping[str, str] = {
    DOCUMENTATION: "a connection for each event, messages expire after a week, retries outlast Event Grid",
    SYNC_CLIENT: "each write occupies one of a few threads, expiry and retries are as in (a)",
    ASYNC_CLIENT: "expiry and retries are as in (a)",
    BINDING: "cannot see a failed write, keep a message longer than a week, or send one over 48 KiB",
    BARE_REQUEST: "no credential, retry, timeout, tracing or error text",
    EMPTY: "writes nothing",
    QUEUE_CLIENT: "lacks nothing, only takes longer",
    NO_WRITE: "writes nothing",
}
"""What each alternative lacks, compared with this app."""

type Answer = Mapping[str, float]


def environment(connection_string: str, packages: Path | None = None) -> dict[str, str]:
    """Return the environment of an app: its storage, and its packages if it has its own."""
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
    """Run storage that keeps nothing until the context ends, and return its connection string."""
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
    """A process of bench.worker, which answers each line of JSON with a line of JSON."""

    def __init__(self, folder: Path, connection_string: str, packages: Path | None = None) -> None:
        self._process = Popen(
            [sys.executable, "-m", "bench.worker"],
            cwd=folder,
            env=environment(connection_string, packages),
            stdin=PIPE,
            stdout=PIPE,
            text=True,
        )
        self._answer()  # the first answer says that it is ready

    def ask(self, **request: object) -> Answer:
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process by closing its input."""
        self._process.communicate()

    def _answer(self) -> Answer:
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        line = self._process.stdout.readline()
        if not line:
            raise subprocess.CalledProcessError(self._process.wait(), self._process.args)
        answer: Answer = json.loads(line)
        return answer
