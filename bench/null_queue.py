"""Storage that keeps nothing and answers 201 to every request, optionally after a latency.

It ends when its standard input does, so it cannot outlive the process that started it.
"""

import argparse
import asyncio
import re
import ssl
import sys
from typing import override

from local.ports import HOST

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SENT = b"""<?xml version="1.0" encoding="utf-8"?><QueueMessagesList><QueueMessage>\
<MessageId>5974b586-0df3-4e2d-ad0c-18e3892bfca2</MessageId>\
<InsertionTime>Mon, 02 Mar 2026 09:15:33 GMT</InsertionTime>\
<ExpirationTime>Fri, 31 Dec 9999 23:59:59 GMT</ExpirationTime>\
<PopReceipt>AgAAAAMAAAAAAAAAOz4v7TYK3QE=</PopReceipt>\
<TimeNextVisible>Mon, 02 Mar 2026 09:15:33 GMT</TimeNextVisible>\
</QueueMessage></QueueMessagesList>"""


def _created(headers: bytes, body: bytes) -> bytes:
    common = (
        b"HTTP/1.1 201 Created\r\nServer: Windows-Azure-Queue/1.0 Microsoft-HTTPAPI/2.0\r\n"
        b"x-ms-request-id: 2c1d7a3e-7003-0041-5f5d-aa3f6c000000\r\nx-ms-version: 2026-10-06\r\n"
        b"Date: Mon, 02 Mar 2026 09:15:33 GMT\r\n"
    )
    return common + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body


_MESSAGE_SENT = _created(b"Content-Type: application/xml\r\n", _SENT)
_BLOB_PUT = _created(
    b'ETag: "0x8DE780E5C2B3F00"\r\nLast-Modified: Mon, 02 Mar 2026 09:15:33 GMT\r\n'
    b"x-ms-request-server-encrypted: true\r\n",
    b"",
)


class NullStorage(asyncio.Protocol):
    """One connection. Its client sends a request only after the answer to the last one."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._received = bytearray()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is TCP
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end)
        if len(self._received) < end + 4 + (int(length[1]) if length else 0):
            return
        answer = _MESSAGE_SENT if self._received.startswith(b"POST") else _BLOB_PUT
        self._received.clear()
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, answer)
        else:
            self._transport.write(answer)


async def _serve(certificate: str | None, latency: float) -> None:
    loop = asyncio.get_running_loop()
    context = None
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    server = await loop.create_server(lambda: NullStorage(latency), HOST, 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate", help="a file with a certificate and its key, for TLS")
    parser.add_argument("--latency", type=float, default=0, help="seconds")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.certificate, arguments.latency))
