"""The shared part of the servers of a survey and of a search: files, tokens, rates, starts."""

import asyncio
import hmac
import html
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from invariscope.survey import sessions
from invariscope.survey.admission import FullError, GateError, who_came
from invariscope.survey.database import Database
from invariscope.survey.design import CompletionSettings
from invariscope.survey.guard import AddressRates, Bucket, Guard, TooLargeError
from invariscope.survey.lists import SurveyTrial
from invariscope.survey.request_bodies import StartBody, pick_body
from invariscope.survey.sessions import SurveySession

STATIC = Path(__file__).with_name("static")
FILES = {
    "app.js": "text/javascript",
    "compare.js": "text/javascript",
    "live.js": "text/javascript",
    "app.css": "text/css",
    "icon.svg": "image/svg+xml",
    "LICENSES.txt": "text/plain",
}
MOST_SESSIONS = 10_000
STARTS = 30  # of an address at once, and again in ten minutes
AGAIN_SECONDS = 600.0
FRESH_SECONDS = 1.0  # the experimenter's page looks at the database no more often
TOKEN = re.compile(r"[A-Za-z0-9_-]{40,128}")  # browsers make 64 hexadecimal digits


def refused(status: HTTPStatus, reason: str) -> JSONResponse:
    """Make a refusal that the page can show."""
    return JSONResponse({"reason": reason}, status)


class RefusedError(Exception):
    """A request that gets no answer but a reason.

    Attributes:
        status: of HTTP.
        reason: a few words.
    """

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def bearer(request: Request) -> str:
    """Read the token of a request.

    Raises:
        RefusedError: there is none.
    """
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.isascii():
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "no token")
    return token


class ParticipantServer:
    """A server that lets participants begin, go on and end.

    Args:
        words: what participants read.
        database: where sessions go.
        admission: who may begin.
        completion: the code and the link of the end.
        most: sessions that it takes.
        pilot: whether its sessions are no data.
        proxies: addresses of reverse proxies, whose X-Forwarded-For is believed.
        starts: sessions that an address may begin at once.
    """

    page = "index.html"

    def __init__(
        self,
        words: dict[str, Any],
        database: Database,
        *,
        admission: str,
        completion: CompletionSettings,
        most: int = MOST_SESSIONS,
        pilot: bool = False,
        proxies: Iterable[str] = (),
        starts: int = STARTS,
    ) -> None:
        self.words, self.database, self.most = words, database, most
        self.admission, self.completion = admission, completion
        self.pilot, self.proxies = pilot, frozenset(proxies)
        self._sessions: dict[bytes, SurveySession] = {}
        self._rates: dict[int, Bucket] = {}
        self._starts, self._strangers = Bucket(1000, 50), Bucket(1000, 50)
        self._addresses = AddressRates(starts, starts / AGAIN_SECONDS)
        self._seen: Counter[str] = Counter()

    def list_of(self, seat: int) -> list[SurveyTrial]:
        """Draw the trials of a new session; a search of people draws none beforehand."""
        del seat
        return []

    def burst(self, session: SurveySession) -> float:
        """Count the requests that a session may send at once."""
        del session
        return 100.0

    def guarded(self, routes: Sequence[BaseRoute], files: Iterable[str]) -> Guard:
        """Make the application: these routes, the page, its files, refusals as short answers."""
        handlers: dict[Any, Any] = {
            RefusedError: told_refusal,
            sqlite3.Error: not_kept,
            TooLargeError: too_large,
            TimeoutError: too_slow,
            ClientDisconnect: too_slow,
        }
        own = [
            Route("/", self._page),
            *(Route(f"/static/{name}", self._static) for name in files),
            *routes,
        ]
        return Guard(Starlette(routes=own, exception_handlers=handlers))

    async def _write(self, work: Any, *arguments: Any) -> Any:
        return await asyncio.wrap_future(
            self.database.write(lambda connection: work(connection, *arguments))
        )

    async def _body(self, request: Request, kind: Any) -> Any:
        try:
            return pick_body(kind, await request.body())
        except ValueError as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, f"not a {kind.__name__.lower()}") from error

    async def _session(self, request: Request) -> SurveySession:
        """Find the session of a request.

        Raises:
            RefusedError: an unknown token, or too many requests.
        """
        token = bearer(request)
        key = sessions.hashed(token)
        session = self._sessions.get(key)
        if session is None:
            if not self._strangers.take():
                raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
            session = await self._write(sessions.find, token)
            if session is None:
                raise RefusedError(HTTPStatus.UNAUTHORIZED, "unknown session")
            self._sessions[key] = session
        if not self._rates.setdefault(session.number, Bucket(self.burst(session), 10)).take():
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        return session

    def _file(self, name: str) -> Response:
        text = (STATIC / name).read_text(encoding="utf-8")
        for key in ("language", "title", "script"):
            text = text.replace("{{" + key + "}}", html.escape(self.words[key]))
        return Response(text, media_type="text/html")

    async def _page(self, _request: Request) -> Response:
        return self._file(self.page)

    async def _live_page(self, _request: Request) -> Response:
        return FileResponse(STATIC / "live.html", media_type="text/html")

    def _check_key(self, request: Request, token: str) -> None:
        """Make sure that the experimenter asks, at a rate that no guessing reaches.

        Raises:
            RefusedError: another token, or too many requests.
        """
        if not self._strangers.take():
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        if not hmac.compare_digest(bearer(request).encode(), token.encode()):
            raise RefusedError(HTTPStatus.UNAUTHORIZED, "another token")

    async def _static(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        return FileResponse(STATIC / name, media_type=FILES[name])

    async def _started(self, request: Request) -> SurveySession:
        """Begin the session of a request's token, or find the begun session.

        Raises:
            RefusedError: no token, too many starts, or nobody is let in.
        """
        token = bearer(request)
        if not TOKEN.fullmatch(token):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "not a token")
        if not self._starts.take():
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        there = await self._write(sessions.find, token)  # one that goes on is no start
        if there is None and not self._addresses.take(self._address(request)):
            self._seen["crowded"] += 1
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        body: StartBody = await self._body(request, StartBody)
        try:
            session = await self._write(self._begun, token, body)
        except GateError as error:
            self._seen["gate"] += 1
            raise RefusedError(HTTPStatus.FORBIDDEN, str(error)) from None
        except FullError:
            raise RefusedError(HTTPStatus.FORBIDDEN, "full") from None
        self._sessions[sessions.hashed(token)] = session
        return session

    def _begun(self, connection: sqlite3.Connection, token: str, body: StartBody) -> SurveySession:
        return sessions.begin(
            connection,
            token,
            brought=dict(body.brought),
            screen=body.screen.model_dump(),
            list_of=self.list_of,
            now=time.time(),
            most=self.most,
            admission=self.admission,
            link=body.link,
            pilot=self.pilot,
        )

    def _address(self, request: Request) -> str:
        """Read a request's address, kept in memory only, for rates."""
        peer = request.client.host if request.client else ""
        forwarded = request.headers.get("x-forwarded-for", "")
        if forwarded and peer not in self.proxies:
            self._seen["proxy"] += 1
            return peer
        return forwarded.rpartition(",")[2].strip() or peer

    def _end_link(self, session: SurveySession, code: str) -> str:
        """Fill a participant's id and completion code into the link of the end page."""
        who = who_came(session.brought) or ""
        link = self.completion.link.replace("{id}", quote(who, safe=""))
        return link.replace("{code}", quote(code, safe=""))


def told_refusal(_request: Request, error: Exception) -> Response:
    """Answer a request that is refused."""
    assert isinstance(error, RefusedError)
    return refused(error.status, error.reason)


def too_large(_request: Request, _error: Exception) -> Response:
    """Answer a body beyond the bound, and close."""
    reply = refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too large")
    reply.headers["connection"] = "close"
    return reply


def too_slow(_request: Request, _error: Exception) -> Response:
    """Answer a body that does not end, and close."""
    reply = refused(HTTPStatus.REQUEST_TIMEOUT, "too slow")
    reply.headers["connection"] = "close"
    return reply


def not_kept(_request: Request, _error: Exception) -> Response:
    """Answer where the disk is full, say: the browser keeps its answer and tries again."""
    return refused(HTTPStatus.SERVICE_UNAVAILABLE, "cannot keep answers now")
