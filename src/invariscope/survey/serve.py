"""The server as a process."""

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from invariscope import validate
from invariscope.errors import InputError
from invariscope.survey.database import Database
from invariscope.survey.folder import SurveyFolder
from invariscope.survey.server import MOST_SESSIONS, SurveyServer

MOST_CONNECTIONS = 5000
GRACE_SECONDS = 10


def serve(
    folder: SurveyFolder,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    certificate: Path | None = None,
    key: Path | None = None,
    most: int = MOST_SESSIONS,
    tell: Callable[[str], object] = print,
) -> None:
    """Serve a survey until the process is asked to end (Ctrl-C, SIGTERM).

    Requests are not logged, so no address is kept.

    Args:
        host: address of this machine to listen at; 0.0.0.0 for all.
        port: 0 for a free one.
        certificate, key: PEM files for https; without them http, for this machine or behind a
            proxy that speaks https.
        most: sessions that the survey takes.
        tell: is called with what to do.

    Raises:
        InputError: a survey that cannot begin, or a port that is taken.
        BeingWrittenError: another process serves it.
    """
    folder.check()
    validate.at_least("--participants", most, 1)
    if (certificate is None) != (key is None):
        raise InputError("give --certificate and --key together")
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise InputError(f"no file {str(file)!r}")
    token = folder.token()
    with folder.alone(), _listen(host, port) as listening:
        database = Database(folder.answers)
        try:
            server = SurveyServer(folder, database, token, most)
            config = uvicorn.Config(
                server.app(),
                access_log=False,
                log_level="warning",
                server_header=False,
                proxy_headers=False,
                lifespan="off",
                ws="none",
                http="h11",
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=GRACE_SECONDS,
                ssl_certfile=certificate,
                ssl_keyfile=key,
            )
            scheme = "https" if certificate else "http"
            place = f"{scheme}://{host}:{listening.getsockname()[1]}"
            tell(f"participants: {place}/\nexperimenter: {place}/live")
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            database.close()


def _listen(host: str, port: int) -> socket.socket:
    """Listen on a socket."""
    try:
        return socket.create_server((host, port), backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot listen at {host}:{port}: {reason}; choose another --port"
        ) from error
