"""The guard before every request: bounds on its body and its rate, and strict headers."""

import asyncio
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

MOST_BYTES = 16_384
BODY_SECONDS = 30.0
MOST_ADDRESSES = 100_000
# Everything comes from this server; images are decoded in the browser and drawn.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = [
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": POLICY,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "cache-control": "no-store",
        "x-robots-tag": "noindex",
    }.items()
]


class TooLargeError(Exception):
    """A body beyond the bound."""


@dataclass
class Bucket:
    """A rate: so many at once, then so many a second.

    Attributes:
        burst: at once.
        rate: a second.
    """

    burst: float
    rate: float
    _left: float = field(init=False)
    _seen: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._seen = self.burst, time.monotonic()

    def take(self) -> bool:
        """Count a request and tell whether the request is within the rate."""
        now = time.monotonic()
        self._left = min(self.burst, self._left + (now - self._seen) * self.rate)
        self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class AddressRates:
    """A rate for each address, in memory only; IPv6 addresses of a /64 count as the same address.

    Args:
        burst: starts of an address at once.
        rate: starts a second after that.
    """

    def __init__(self, burst: float, rate: float) -> None:
        self.burst, self.rate = burst, rate
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, address: str) -> bool:
        """Test if a further request is within the rate, and count an admitted request."""
        place = _network(address)
        bucket = self._buckets.pop(place, None) or Bucket(self.burst, self.rate)
        self._buckets[place] = bucket
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)  # the one that was quiet the longest
        return bucket.take()


def _network(address: str) -> str:
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if known.version == 6:
        return str(ipaddress.ip_network((known, 64), strict=False))
    return str(known)


class Guard:
    """Bounds on requests, headers on replies.

    Args:
        app: what answers; it sees a `TooLargeError` or `TimeoutError` where it reads a body beyond
            the bounds.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        await self.app(scope, _bounded(receive), answer)


def _bounded(receive: Receive) -> Receive:
    """Wrap a request with bodies up to the bounds of size and time."""
    size, whole = 0, False
    deadline: float | None = None

    async def bounded() -> Message:
        nonlocal size, whole, deadline
        if whole:  # what waits now waits for the browser to leave
            return await receive()
        # The whole body has one deadline: a byte now and then does not put it off.
        deadline = deadline or asyncio.get_running_loop().time() + BODY_SECONDS
        async with asyncio.timeout_at(deadline):
            message = await receive()
        size += len(message.get("body", b""))
        if size > MOST_BYTES:
            raise TooLargeError
        whole = not message.get("more_body", False)
        return message

    return bounded
