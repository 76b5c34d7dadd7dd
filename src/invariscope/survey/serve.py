"""The server as a process."""

import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn

from invariscope import validate
from invariscope.errors import InputError
from invariscope.survey.connections import bounded_protocol
from invariscope.survey.database import Database
from invariscope.survey.folder import WORDS, SurveyFolder
from invariscope.survey.server import MOST_SESSIONS, STARTS, SurveyServer
from invariscope.survey.texts import is_placeholder_consent

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
    pilot: bool = False,
    proxies: Sequence[str] = (),
    starts: int = STARTS,
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
        pilot: try the survey out: any consent form will do, and no session counts.
        proxies: addresses of reverse proxies, whose X-Forwarded-For is believed.
        starts: sessions that an address may begin at once, and again in ten minutes.
        tell: is called with what to do.

    Raises:
        InputError: a survey that cannot begin, or a port that is taken.
        BeingWrittenError: another process serves it.
    """
    folder.check()
    validate.at_least("--participants", most, 1)
    validate.at_least("--starts-per-address", starts, 1)
    if not pilot:
        check_consent(folder)
    if (certificate is None) != (key is None):
        raise InputError("give --certificate and --key together")
    for file in (certificate, key):
        if file is not None and not file.is_file():
            raise InputError(f"no file {str(file)!r}")
    token = folder.token()
    with folder.alone(), _listen(host, port) as listening:
        database = Database(folder.answers)
        try:
            server = SurveyServer(
                folder, database, token, most, pilot=pilot, proxies=proxies, starts=starts
            )
            kind = "pilot, whose sessions are no data" if pilot else "participants"
            run_listening(
                server.app(),
                listening,
                host=host,
                proxies=proxies,
                certificate=certificate,
                key=key,
                tell=lambda place: tell(f"{kind}: {place}/\nexperimenter: {place}/live"),
            )
        finally:
            database.close()


def run_listening(
    app: Any,
    listening: socket.socket,
    *,
    host: str,
    proxies: Sequence[str] = (),
    certificate: Path | None = None,
    key: Path | None = None,
    tell: Callable[[str], object],
) -> None:
    """Run an application until the process is asked to end; `tell` learns its address."""
    config = uvicorn.Config(
        app,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        http=bounded_protocol(trusted=frozenset(proxies)),
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    scheme = "https" if certificate else "http"
    tell(f"{scheme}://{host}:{listening.getsockname()[1]}")
    uvicorn.Server(config).run(sockets=[listening])


def run_server(
    app: Any,
    *,
    host: str,
    port: int,
    proxies: Sequence[str] = (),
    tell: Callable[[str], object],
) -> None:
    """Run an application at an address.

    Raises:
        InputError: the port is taken.
    """
    with _listen(host, port) as listening:
        run_listening(app, listening, host=host, proxies=proxies, tell=tell)


def check_consent(folder: SurveyFolder) -> None:
    """Make sure that the consent form is not the placeholder that must be replaced.

    Raises:
        InputError: it is.
    """
    if is_placeholder_consent(folder.words):
        raise InputError(
            f"'consent' in {str(folder.path / WORDS)!r} still says that it is to be replaced; "
            "write your consent form there, or try the survey out with --pilot (no data)"
        )


def _listen(host: str, port: int) -> socket.socket:
    """Listen on a socket."""
    try:
        return socket.create_server((host, port), backlog=2048)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot listen at {host}:{port}: {reason}; choose another --port"
        ) from error
