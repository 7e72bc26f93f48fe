"""TCP ports of this machine: which are taken, which are free."""

import random
import socket

HOST = "127.0.0.1"


def is_taken(port: int) -> bool:
    """Tell whether something else listens on this port."""
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return True
    return False


def free_block(length: int) -> int:
    """Return the first of so many successive free ports, below those that outgoing connections are given."""
    generator = random.SystemRandom()  # processes that seed the default one alike would choose the same
    while True:
        first = generator.randrange(12_000, 32_000 - length)
        if not any(is_taken(port) for port in range(first, first + length)):
            return first
