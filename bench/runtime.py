"""What a measured process does besides its work: it logs as in the cloud, and tells its memory."""

import logging
import os
from pathlib import Path
from typing import override


class _Forwarding(logging.Handler):
    """Formats every record, as the cloud's worker does before it sends it to the host."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)


def configure_logging() -> None:
    """Take records from INFO up, as the cloud's worker does by default."""
    logging.basicConfig(level=logging.INFO, handlers=[_Forwarding()])


def memory_kib(field: str) -> int:
    """Return VmRSS, the memory of this process, or VmHWM, its peak."""
    # getrusage's peak is at least that of the process that started this one.
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
