"""The server of a survey: a session's images, and answers acknowledged once on disk."""

import time
from collections.abc import Iterable
from contextlib import closing
from http import HTTPStatus
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from invariscope.survey import sessions
from invariscope.survey.database import Database, connect
from invariscope.survey.design import PRACTICE
from invariscope.survey.folder import SurveyFolder
from invariscope.survey.guard import Guard
from invariscope.survey.lists import SurveyTrial, trials_of
from invariscope.survey.live import live, notices
from invariscope.survey.participant_server import (
    FILES,
    FRESH_SECONDS,
    MOST_SESSIONS,
    STARTS,
    ParticipantServer,
    RefusedError,
)
from invariscope.survey.request_bodies import AboutBody, AnswerBody
from invariscope.survey.sessions import ConflictError, SurveyAnswer, SurveySession


class SurveyServer(ParticipantServer):
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
        super().__init__(
            folder.words,
            database,
            admission=folder.design.admission,
            completion=folder.design.completion,
            most=most,
            pilot=pilot,
            proxies=proxies,
            starts=starts,
        )
        self.folder, self.design, self.token = folder, folder.design, token
        self.stimuli = {s.image: s for s in folder.stimuli}
        self._live: tuple[float, dict[str, Any]] = (-FRESH_SECONDS, {})

    def app(self) -> Guard:
        """Build the application, for uvicorn."""
        routes = [
            Route("/live", self._live_page),
            Route("/api/survey", self._survey),
            Route("/api/sessions", self._begin, methods=["POST"]),
            Route("/api/images/{trial:int}", self._image),
            Route("/api/about", self._about, methods=["POST"]),
            Route("/api/answers", self._answer, methods=["POST"]),
            Route("/api/finish", self._finish, methods=["POST"]),
            Route("/api/live", self._live_data),
        ]
        return self.guarded(routes, FILES)

    def list_of(self, seat: int) -> list[SurveyTrial]:
        return trials_of(self.design, self.folder.stimuli, seat)

    def burst(self, session: SurveySession) -> float:
        # Loading asks for every image at once; then a person gives one answer or so a second.
        return 3.0 * len(session.trials) + 100

    async def _survey(self, _request: Request) -> Response:
        """Describe the survey before anyone takes part."""
        design = self.design
        cells = {s.cell for s in self.stimuli.values() if s.condition != PRACTICE}
        trials = design.practice + design.catch + design.per_condition * len(cells)
        seconds = 3 + (design.show.fixation_ms + design.show.presentation_ms) / 1000
        return JSONResponse(
            {
                "id": self.database.name,
                "words": self.words,
                "categories": list(design.categories),
                "questions": list(design.questions),
                "show": design.show.model_dump(),
                "break_every": design.break_every,
                "minutes": max(1, round(trials * seconds / 60)),
            }
        )

    async def _begin(self, request: Request) -> Response:
        session = await self._started(request)
        return JSONResponse(
            {
                "trials": [_public(trial) for trial in session.trials],
                "answered": await self._write(sessions.answered, session.number),
                "asked": session.asked,
            }
        )

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
        code, missing = await self._write(
            sessions.finish, session, self.completion.code, time.time()
        )
        if missing:
            return JSONResponse({"reason": "not complete", "missing": missing}, 409)
        return JSONResponse({"code": code, "link": self._end_link(session, code)})

    async def _live_data(self, request: Request) -> Response:
        self._check_key(request, self.token)
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
