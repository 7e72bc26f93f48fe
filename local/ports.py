"""TCP ports of this machine: which are taken, which are free."""

import os
import random
import socket

HOST = "127.0.0.1"

# Not the default generator: processes that seed it alike would choose the same ports.
_RANDOM = random.SystemRandom()


def is_taken(port: int) -> bool:
    """Tell whether something else holds this port."""
    with socket.socket() as probe:
        if os.name == "posix":
            # Otherwise a port counts as taken for a minute after its last connection.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def free_block(length: int) -> int:
    """Return the first of so many successive free ports, below those that outgoing connections are given."""
    while True:
        first = _RANDOM.randrange(12_000, 32_000 - length)
        if not any(is_taken(port) for port in range(first, first + length)):
            return first
