"""The server: a page, a session's images, and answers that are acknowledged once on disk."""

import asyncio
import hmac
import html
import re
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from invariscope.survey import sessions
from invariscope.survey.admission import FullError, GateError, who_came
from invariscope.survey.database import Database, connect
from invariscope.survey.design import PRACTICE
from invariscope.survey.folder import SurveyFolder
from invariscope.survey.guard import AddressRates, Bucket, Guard, TooLargeError
from invariscope.survey.lists import SurveyTrial, trials_of
from invariscope.survey.live import live, notices
from invariscope.survey.request_bodies import (
    AboutBody,
    AnswerBody,
    ScreenBody,
    StartBody,
    pick_body,
)
from invariscope.survey.sessions import ConflictError, SurveyAnswer, SurveySession

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
TOKEN = re.compile(r"[A-Za-z0-9_-]{40,128}")  # browsers make 64 hexadecimal digits
FRESH_SECONDS = 1.0


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


def check_key(request: Request, token: str) -> None:
    """Make sure that a request brings the experimenter's token.

    Raises:
        RefusedError: it does not.
    """
    if not hmac.compare_digest(bearer(request).encode(), token.encode()):
        raise RefusedError(HTTPStatus.UNAUTHORIZED, "another token")


class SurveyServer:
    """One survey's server.

    Args:
        folder: the survey.
        database: where its answers go.
        token: opens the experimenter's page.
        most: sessions that it takes.
        pilot: whether its sessions are no data.
        proxies: addresses of reverse proxies, whose X-Forwarded-For is believed.
        starts: sessions that an address may begin at once.
    """

    def __init__(
        self,
        folder: SurveyFolder,
        database: Database,
        token: str,
        most: int = MOST_SESSIONS,
        *,
        pilot: bool = False,
        proxies: Iterable[str] = (),
        starts: int = STARTS,
    ) -> None:
        self.folder, self.database, self.token, self.most = folder, database, token, most
        self.design, self.words = folder.design, folder.words
        self.name = database.name
        self.stimuli = {s.image: s for s in folder.stimuli}
        self._sessions: dict[bytes, SurveySession] = {}
        self._rates: dict[int, Bucket] = {}
        self.pilot, self.proxies = pilot, frozenset(proxies)
        self._starts, self._strangers = Bucket(1000, 50), Bucket(1000, 50)
        self._addresses = AddressRates(starts, starts / AGAIN_SECONDS)
        self._seen: dict[str, int] = {"proxy": 0, "crowded": 0, "gate": 0}
        self._live: tuple[float, dict[str, Any]] = (-FRESH_SECONDS, {})

    def app(self) -> Guard:
        """Build the application, for uvicorn."""
        routes = [
            Route("/", self._page),
            Route("/live", self._live_page),
            *(Route(f"/static/{name}", self._static) for name in FILES),
            Route("/api/survey", self._survey),
            Route("/api/sessions", self._begin, methods=["POST"]),
            Route("/api/images/{trial:int}", self._image),
            Route("/api/about", self._about, methods=["POST"]),
            Route("/api/answers", self._answer, methods=["POST"]),
            Route("/api/finish", self._finish, methods=["POST"]),
            Route("/api/live", self._live_data),
        ]
        return guarded(routes)

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
        # Loading asks for every image at once; then a person gives one answer or so a second.
        whole = 3.0 * len(session.trials) + 100
        if not self._rates.setdefault(session.number, Bucket(whole, 10)).take():
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        return session

    def _file(self, name: str) -> str:
        text = (STATIC / name).read_text(encoding="utf-8")
        for key in ("language", "title", "script"):
            text = text.replace("{{" + key + "}}", html.escape(self.words[key]))
        return text

    async def _page(self, _request: Request) -> Response:
        return Response(self._file("index.html"), media_type="text/html")

    async def _live_page(self, _request: Request) -> Response:
        return Response(self._file("live.html"), media_type="text/html")

    async def _static(self, request: Request) -> Response:
        name = request.url.path.rpartition("/")[2]
        return FileResponse(STATIC / name, media_type=FILES[name])

    async def _survey(self, _request: Request) -> Response:
        """Describe the survey before anyone takes part."""
        design = self.design
        cells = {s.cell for s in self.stimuli.values() if s.condition != PRACTICE}
        trials = design.practice + design.catch + design.per_condition * len(cells)
        seconds = 3 + (design.show.fixation_ms + design.show.presentation_ms) / 1000
        return JSONResponse(
            {
                "id": self.name,
                "words": self.words,
                "categories": list(design.categories),
                "questions": list(design.questions),
                "show": design.show.model_dump(),
                "break_every": design.break_every,
                "minutes": max(1, round(trials * seconds / 60)),
            }
        )

    async def _begin(self, request: Request) -> Response:
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
        screen: ScreenBody = body.screen
        try:
            session, answered = await self._write(
                self._begun, token, dict(body.brought), screen.model_dump(), body.link
            )
        except GateError as error:
            self._seen["gate"] += 1
            raise RefusedError(HTTPStatus.FORBIDDEN, str(error)) from None
        except FullError:
            raise RefusedError(HTTPStatus.FORBIDDEN, "full") from None
        self._sessions[sessions.hashed(token)] = session
        return JSONResponse(
            {
                "trials": [_public(trial) for trial in session.trials],
                "answered": answered,
                "asked": session.asked,
            }
        )

    def _begun(
        self,
        connection: sqlite3.Connection,
        token: str,
        brought: dict[str, str],
        screen: dict[str, Any],
        link: str,
    ) -> tuple[SurveySession, list[int]]:
        session = sessions.begin(
            connection,
            token,
            brought=brought,
            screen=screen,
            list_of=self._list_of,
            now=time.time(),
            most=self.most,
            admission=self.design.admission,
            link=link,
            pilot=self.pilot,
        )
        return session, sessions.answered(connection, session.number)

    def _address(self, request: Request) -> str:
        """Read a request's address, kept in memory only, for rates."""
        peer = request.client.host if request.client else ""
        forwarded = request.headers.get("x-forwarded-for", "")
        if forwarded and peer not in self.proxies:
            self._seen["proxy"] += 1
            return peer
        return forwarded.rpartition(",")[2].strip() or peer

    def _list_of(self, number: int) -> list[SurveyTrial]:
        return trials_of(self.design, self.folder.stimuli, number)

    async def _image(self, request: Request) -> Response:
        session = await self._session(request)
        number = request.path_params["trial"]
        image = session.trials[number].image if number < len(session.trials) else ""
        if image not in self.stimuli:
            raise RefusedError(HTTPStatus.NOT_FOUND, "no image")
        return FileResponse(self.folder.image(self.stimuli[image]), media_type="image/png")

    async def _about(self, request: Request) -> Response:
        session = await self._session(request)
        body: AboutBody = await self._body(request, AboutBody)
        known = {k: v for k, v in body.answers.items() if k in self.design.questions}
        await self._write(sessions.save_about, session.number, known)
        return JSONResponse({"kept": True})

    async def _answer(self, request: Request) -> Response:
        session = await self._session(request)
        body: AnswerBody = await self._body(request, AnswerBody)
        categories = self.design.categories
        if body.trial >= len(session.trials) or body.answer >= len(categories):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "no such trial or answer")
        answer = SurveyAnswer(
            body.trial, body.key, categories[body.answer], body.rt_ms, body.shown_ms, body.by
        )
        try:
            await self._write(sessions.save_answer, session.number, answer, time.time())
        except ConflictError:
            raise RefusedError(HTTPStatus.CONFLICT, "this key came with another answer") from None
        return JSONResponse({"acknowledged": body.trial})

    async def _finish(self, request: Request) -> Response:
        session = await self._session(request)
        completion = self.design.completion
        code, missing = await self._write(sessions.finish, session, completion.code, time.time())
        if missing:
            return JSONResponse({"reason": "not complete", "missing": missing}, 409)
        who = who_came(session.brought) or ""
        link = completion.link.replace("{id}", quote(who, safe="")).replace(
            "{code}", quote(code, safe="")
        )
        return JSONResponse({"code": code, "link": link})

    async def _live_data(self, request: Request) -> Response:
        if not self._strangers.take():
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
        check_key(request, self.token)
        seen, told = self._live
        if time.monotonic() - seen > FRESH_SECONDS:
            told = await anyio.to_thread.run_sync(self._look)
            self._live = time.monotonic(), told
        return JSONResponse(told)

    def _look(self) -> dict[str, Any]:
        with closing(connect(self.database.path)) as connection:
            told = live(connection, self.stimuli, time.time(), len(self.design.categories))
            return told | {"notes": [*notices(connection, self._seen), *self._pilot_notice()]}

    def _pilot_notice(self) -> list[str]:
        return ["This is a pilot: its sessions are no data and are not exported."] * self.pilot


def _public(trial: SurveyTrial) -> dict[str, Any]:
    """Describe a trial for its participant: the right answer only where told anyway."""
    told = trial.category if trial.kind == PRACTICE or not trial.image else None
    return {"kind": trial.kind, "image": bool(trial.image), "category": told}


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


def guarded(routes: Sequence[Route]) -> Guard:
    """Make the application of some routes, with the errors of a survey as short answers."""
    handlers: dict[Any, Any] = {
        RefusedError: told_refusal,
        sqlite3.Error: not_kept,
        TooLargeError: too_large,
        TimeoutError: too_slow,
        ClientDisconnect: too_slow,
    }
    return Guard(Starlette(routes=routes, exception_handlers=handlers))
