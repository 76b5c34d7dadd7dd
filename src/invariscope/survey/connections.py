"""Connections with deadlines and a bound for each address, before other work on the connection.

uvicorn waits without end for the rest of a request's head; here a head and a whole request each
have a deadline, and an address holds only so many connections.
"""

import asyncio
from collections import Counter
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
REQUEST_SECONDS = 60.0
MOST_AN_ADDRESS = 200


class BoundedProtocol(H11Protocol):
    """A connection that is closed where its head or its request takes too long.

    Attributes:
        held: connections of each address now.
        most: connections that an address may hold.
        trusted: addresses of proxies, which hold as many as they like.
        head_seconds, request_seconds: the deadlines.
    """

    held: ClassVar[Counter[str]]
    most: ClassVar[int]
    trusted: ClassVar[frozenset[str]]
    head_seconds: ClassVar[float]
    request_seconds: ClassVar[float]
    _deadline: asyncio.TimerHandle | None = None
    _address = ""
    _waits = False  # for the end of a head

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.held[self._address] += 1
        if self._address not in self.trusted and self.held[self._address] > self.most:
            transport.abort()
            return
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        self.held[self._address] -= 1
        if self.held[self._address] <= 0:
            del self.held[self._address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None:  # the first bytes of the next request
            self._expect_head()
        super().data_received(data)
        self._note_request()

    def on_response_complete(self) -> None:
        self._stop_clock()
        super().on_response_complete()
        self._note_request()  # one that waited behind this one
        if self._deadline is None and self.conn.trailing_data[0]:
            self._expect_head()  # a part of one

    def _note_request(self) -> None:
        """Give a request with a complete head its own deadline."""
        runs = self.cycle is not None and not self.cycle.response_complete
        if runs and (self._waits or self._deadline is None):
            self._waits = False
            self._start_clock(self.request_seconds)

    def _expect_head(self) -> None:
        self._waits = True
        self._start_clock(self.head_seconds)

    def _start_clock(self, seconds: float) -> None:
        self._stop_clock()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def bounded_protocol(
    *,
    most: int = MOST_AN_ADDRESS,
    trusted: frozenset[str] = frozenset(),
    head_seconds: float = HEAD_SECONDS,
    request_seconds: float = REQUEST_SECONDS,
) -> type[BoundedProtocol]:
    """Make the protocol of one server, with its own counts."""
    settings: dict[str, Any] = {
        "held": Counter(),
        "most": most,
        "trusted": trusted,
        "head_seconds": head_seconds,
        "request_seconds": request_seconds,
    }
    return type("ServerProtocol", (BoundedProtocol,), settings)
