"""ZeroMQ request and reply: the rig asks, our side answers; a rig that restarts just asks again.

A request is one JSON frame: `{"say": "ready"}`, `{"say": "answers", "block": …, "answers": […]}` or
`{"say": "beat"}`. A reply is one JSON frame; that to `ready` is the manifest of a block, with
`images`, the names of the PNG files in the frames behind it, or `{"wait": true}`. The reply to
answers comes when they are safe on disk. Whoever gets no reply in time closes the socket and asks
again.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, final

from invariscope.errors import InputError, SubjectError
from invariscope.optional import optional_library
from invariscope.subjects.rig.link import Link, OtherSide
from invariscope.subjects.rig.messages import AnswerDelivery, RigAnswer, TrialBlock, read_answers

LARGEST_MESSAGE = 2**26


@final
class ZeroMQLink(Link):
    """Our side: a ROUTER socket that rigs connect their REQ sockets to.

    Args:
        address: to bind, such as `tcp://127.0.0.1:5555`. There is no password: bind to a network
            that only the rig is on.

    Raises:
        InputError: the address cannot be bound, or pyzmq is not installed.
    """

    def __init__(self, address: str) -> None:
        self._zmq = optional_library("zmq", "rig", "pyzmq")
        self._context = self._zmq.Context()
        self._socket = self._context.socket(self._zmq.ROUTER)
        self._socket.linger = 0
        self._socket.maxmsgsize = LARGEST_MESSAGE
        self._block: TrialBlock | None = None
        self._images: Mapping[str, bytes] = {}
        self._life = time.monotonic()
        try:
            self._socket.bind(address)
        except self._zmq.ZMQError as error:
            self.close()
            raise InputError(
                f"cannot listen at {address!r} ({error.strerror}); expected an address such as "
                "tcp://127.0.0.1:5555 that no other program uses"
            ) from error

    @property
    def address(self) -> str:
        """Where rigs connect to."""
        return self._socket.last_endpoint.decode()

    def show(self, block: TrialBlock, images: Mapping[str, bytes]) -> None:
        self._block, self._images = block, images

    def withdraw(self, block: str) -> None:  # noqa: ARG002  (there is one at a time)
        self._block, self._images = None, {}

    def receive(self, seconds: float) -> AnswerDelivery | None:
        end = time.monotonic() + seconds
        while self._socket.poll(max(0, int(1000 * (end - time.monotonic())))):
            delivery = self._take(self._socket.recv_multipart())
            if delivery:
                return delivery
        return None

    def _take(self, frames: list[bytes]) -> AnswerDelivery | None:
        """Reply to one request, except that answers get their reply with `confirm`."""
        self._life = time.monotonic()
        sender, content = frames[0], frames[-1]
        try:
            request = json.loads(content)
            said = request.get("say")
            rows = request.get("answers", []) if said == "answers" else []
        except (ValueError, AttributeError, RecursionError):
            said, rows = None, []
        if said == "answers" and isinstance(rows, list):
            return read_answers(rows, sender)
        if said == "ready" and self._block:
            manifest = {**self._block.manifest(), "images": list(self._images)}
            self._reply(sender, manifest, self._images.values())
        elif said in ("ready", "beat"):
            self._reply(sender, {"wait": True})
        else:
            self._reply(sender, {"error": "expected JSON with say = ready, answers or beat"})
        return None

    def _reply(self, sender: bytes, message: Mapping[str, Any], images: Any = ()) -> None:
        self._socket.send_multipart([sender, b"", json.dumps(message).encode(), *images])

    def confirm(self, delivery: AnswerDelivery, problems: list[str]) -> None:
        self._reply(delivery.source, {"taken": len(delivery.answers), "problems": problems})

    @property
    def silence(self) -> float:
        return time.monotonic() - self._life

    def close(self) -> None:
        self._socket.close()
        self._context.term()


@final
class ZeroMQRig(OtherSide):
    """The rig's side: asks, and asks again on a new socket where no reply comes in time.

    Args:
        address: of our side.
        patience: seconds to wait for a reply.
        tries: how often one request is sent.
    """

    def __init__(self, address: str, *, patience: float = 5.0, tries: int = 12) -> None:
        self._zmq, self._address = optional_library("zmq", "rig", "pyzmq"), address
        self._context, self._patience, self._tries = self._zmq.Context(), patience, tries
        self._socket = self._open()

    def _open(self) -> Any:
        socket = self._context.socket(self._zmq.REQ)
        socket.linger = 0
        socket.connect(self._address)
        return socket

    def _ask(self, message: Mapping[str, Any]) -> list[bytes]:
        for _ in range(self._tries):
            self._socket.send(json.dumps(message).encode())
            if self._socket.poll(int(1000 * self._patience)):
                return self._socket.recv_multipart()
            self._socket.close()
            self._socket = self._open()
        raise SubjectError(f"no reply from {self._address!r}; start `invariscope rig serve` there")

    def next_block(self) -> tuple[dict[str, Any], dict[str, bytes]] | None:
        first, *frames = self._ask({"say": "ready"})
        manifest = json.loads(first)
        if "trials" not in manifest:
            return None
        return manifest, dict(zip(manifest["images"], frames, strict=True))

    def answer(self, block: str, answers: Sequence[RigAnswer]) -> None:
        plain = [answer.plain() for answer in answers]
        self._ask({"say": "answers", "block": block, "answers": plain})

    def beat(self) -> None:
        self._ask({"say": "beat"})

    def close(self) -> None:
        self._socket.close()
        self._context.term()
