"""The server of a search that asks people: the next pair, its pictures, and an answer at a time."""

import asyncio
import io
import sqlite3
import time
from collections.abc import Iterable
from contextlib import closing
from http import HTTPStatus
from typing import Any

import anyio.to_thread
import numpy as np
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from torch import Tensor

from invariscope import seeds
from invariscope.survey import sessions
from invariscope.survey.database import Database, connect
from invariscope.survey.guard import Guard
from invariscope.survey.judgements import CATCH, SAME, Judgement
from invariscope.survey.live import notices
from invariscope.survey.participant_server import (
    FILES,
    FRESH_SECONDS,
    STARTS,
    ParticipantServer,
    RefusedError,
)
from invariscope.survey.people_search import DONE, PeopleSearch, catch_image
from invariscope.survey.request_bodies import AnswerBody
from invariscope.survey.search_live import member_code, participants, search_live
from invariscope.survey.sessions import SurveySession

WAIT_SECONDS = 1.0
SIDES = 2


def read_judgements(connection: sqlite3.Connection) -> list[Judgement]:
    """List every judgement of a search, asked or given."""
    rows = connection.execute(
        "SELECT number, session, phase, kind, candidate, asked, different FROM judgements"
        " ORDER BY number"
    ).fetchall()
    names = ("number", "participant", "phase", "kind", "candidate", "asked")
    return [
        Judgement(
            **dict(zip(names, row, strict=False)),
            different=None if row[6] is None else bool(row[6]),
        )
        for row in rows
    ]


def encode_png(image: Tensor) -> bytes:
    """Encode an image as people see the image, in 8 bits."""
    values = (image.permute(1, 2, 0) * 255).round().clamp(0, 255).numpy().astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(values).save(file, format="PNG")
    return file.getvalue()


class SearchServer(ParticipantServer):
    """One search's server.

    Args:
        search: what is asked; its book is filled from the database.
        words: what participants read.
        database: where sessions and judgements go.
        token: opens the experimenter's page.
        most: sessions that it takes.
        pilot: whether its sessions are no data.
        proxies, starts: as of a survey's server.
    """

    page = "compare.html"

    def __init__(
        self,
        search: PeopleSearch,
        words: dict[str, Any],
        database: Database,
        token: str,
        *,
        most: int,
        pilot: bool = False,
        proxies: Iterable[str] = (),
        starts: int = STARTS,
    ) -> None:
        super().__init__(
            words,
            database,
            admission=search.design.people.admission,
            completion=search.design.completion,
            most=most,
            pilot=pilot,
            proxies=proxies,
            starts=starts,
        )
        self.search, self.token = search, token
        self._lock = asyncio.Lock()
        self._live: tuple[float, dict[str, Any]] = (-FRESH_SECONDS, {})
        self._catch = catch_image(search.reference)
        with closing(connect(database.path)) as connection:
            for trial in read_judgements(connection):
                search.book.add(trial)
        while search.advance():
            pass

    def app(self) -> Guard:
        """Make the application, for uvicorn."""
        routes = [
            Route("/live", self._live_page),
            Route("/api/survey", self._survey),
            Route("/api/sessions", self._begin, methods=["POST"]),
            Route("/api/next", self._next, methods=["POST"]),
            Route("/api/images/{trial:int}/{side:int}", self._image),
            Route("/api/answers", self._answer, methods=["POST"]),
            Route("/api/live", self._live_data),
            Route("/api/live/{generation:int}/{candidate:int}", self._live_image),
        ]
        return self.guarded(routes, (name for name in FILES if name != "app.js"))

    async def _survey(self, _request: Request) -> Response:
        design = self.search.design
        return JSONResponse(
            {
                "id": self.database.name,
                "words": self.words,
                "show": design.show.model_dump(),
                "trials": design.people.per_person,
            }
        )

    async def _begin(self, request: Request) -> Response:
        session = await self._started(request)
        return JSONResponse({"answered": self.search.book.judged_by(session.number)})

    async def _next(self, request: Request) -> Response:
        session = await self._session(request)
        search, book, who = self.search, self.search.book, session.number
        if self._lock.locked():
            return JSONResponse({"wait": WAIT_SECONDS})
        full = book.judged_by(who) >= book.rules.per_person
        if search.phase == DONE or full or who in book.excluded():
            return JSONResponse({"done": True, **await self._write(self._ended, session)})
        before = len(book.trials)
        trial = book.next(who, time.time())
        if trial is None:
            return JSONResponse({"wait": WAIT_SECONDS})
        if len(book.trials) > before:
            await self._write(_asked, trial)
        return JSONResponse({"trial": trial.number})

    def _ended(self, connection: sqlite3.Connection, session: SurveySession) -> dict[str, str]:
        code, _ = sessions.finish(connection, session, self.completion.code, time.time())
        return {"code": code, "link": self._end_link(session, code)}

    def _own(self, session: SurveySession, number: int) -> Judgement:
        """Find a trial of a session.

        Raises:
            RefusedError: there is none.
        """
        trials = self.search.book.trials
        if number >= len(trials) or trials[number].participant != session.number:
            raise RefusedError(HTTPStatus.NOT_FOUND, "no such trial")
        return trials[number]

    async def _image(self, request: Request) -> Response:
        session = await self._session(request)
        trial, side = self._own(session, request.path_params["trial"]), request.path_params["side"]
        stale = trial.phase != self.search.phase or trial.different is not None
        if side >= SIDES or stale:
            raise RefusedError(HTTPStatus.NOT_FOUND, "no image")
        left = seeds.numpy_stream("judgement side", trial.number).integers(SIDES)
        image = self.search.reference
        if side == left and trial.kind != SAME:
            image = self._catch if trial.kind == CATCH else self.search.images[trial.candidate]
        return Response(encode_png(image), media_type="image/png")

    async def _answer(self, request: Request) -> Response:
        session = await self._session(request)
        body: AnswerBody = await self._body(request, AnswerBody)
        trial = self._own(session, body.trial)
        if body.answer not in (0, 1):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "no such answer")
        async with self._lock:
            if trial.different is None:
                await self._write(_given, body, time.time())
                self.search.book.answer(trial.number, different=bool(body.answer))
            if self.search.book.complete:
                await anyio.to_thread.run_sync(self.search.advance)
        return JSONResponse({"acknowledged": body.trial})

    async def _live_data(self, request: Request) -> Response:
        self._check_key(request, self.token)
        seen, told = self._live
        # While a generation is told, the search is another thread's: what was seen last will do.
        if self._lock.locked() and told:
            return JSONResponse(told)
        if time.monotonic() - seen > FRESH_SECONDS:
            async with self._lock:
                found = search_live(self.search)
            told = found | await anyio.to_thread.run_sync(self._look)
            self._live = time.monotonic(), told
        return JSONResponse(told)

    def _look(self) -> dict[str, Any]:
        pilot = ["This is a pilot: its judgements are no data."] * self.pilot
        with closing(connect(self.database.path)) as connection:
            told = participants(connection, time.time())
            return {"people": told, "notes": [*notices(connection, self._seen), *pilot]}

    async def _live_image(self, request: Request) -> Response:
        self._check_key(request, self.token)
        generation, candidate = (request.path_params[k] for k in ("generation", "candidate"))
        async with self._lock:
            code = member_code(self.search, generation, candidate) if generation else None
        if generation and code is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "no such member")
        image = self.search.reference
        if code is not None:
            image = (await anyio.to_thread.run_sync(self.search.pictures, code))[0]
        return Response(encode_png(image), media_type="image/png")


def _asked(connection: sqlite3.Connection, trial: Judgement) -> None:
    connection.execute(
        "INSERT INTO judgements (number, session, phase, kind, candidate, asked)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            trial.number,
            trial.participant,
            trial.phase,
            trial.kind,
            trial.candidate,
            trial.asked,
        ),
    )


def _given(connection: sqlite3.Connection, body: AnswerBody, now: float) -> None:
    connection.execute(
        "UPDATE judgements SET different = ?, rt_ms = ?, shown_ms = ?, by = ?, arrived = ?"
        " WHERE number = ? AND different IS NULL",
        (body.answer, body.rt_ms, body.shown_ms, body.by, now, body.trial),
    )
