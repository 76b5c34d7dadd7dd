"""A search that asks people, as a process."""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from invariscope import validate
from invariscope.errors import InputError, StoreError
from invariscope.store.files import make_folder
from invariscope.survey.database import Database
from invariscope.survey.folder import TOKEN, experimenter_token
from invariscope.survey.people_search import PeopleSearch
from invariscope.survey.search_server import SearchServer
from invariscope.survey.serve import run_server
from invariscope.survey.server import MOST_SESSIONS, STARTS
from invariscope.survey.texts import check_texts, is_placeholder_consent

ENGLISH = Path(__file__).with_name("search_words.json")
WORDS, ANSWERS = "words.json", "answers.sqlite"


def read_search_words(path: Path) -> dict[str, Any]:
    """Read the words of a search, checked against the English words.

    Raises:
        StoreError: no such file.
        InputError: it is not JSON, or a text is missing or unknown.
    """
    try:
        words = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{str(path)!r} is not JSON: {error}") from error
    if not isinstance(words, dict):
        raise InputError(f"{str(path)!r} is not an object of texts")
    check_texts(repr(str(path)), words, json.loads(ENGLISH.read_text(encoding="utf-8")))
    return words


def serve_search(
    search: PeopleSearch,
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    most: int = MOST_SESSIONS,
    pilot: bool = False,
    proxies: Sequence[str] = (),
    starts: int = STARTS,
    tell: Callable[[str], object] = print,
) -> None:
    """Serve a search until the process is asked to end; a search served again goes on.

    Args:
        folder: of `words.json` (written where it is not there), `answers.sqlite` and `token`.
        most, pilot, proxies, starts: as of a survey (`serve.serve`).
        tell: is called with what to do.

    Raises:
        InputError: a consent form that is to be replaced, or a port that is taken.
    """
    validate.at_least("--participants", most, 1)
    words = make_folder(folder) / WORDS
    if not words.exists():
        shutil.copyfile(ENGLISH, words)
    texts = read_search_words(words)
    if not pilot and is_placeholder_consent(texts):
        raise InputError(
            f"'consent' in {str(words)!r} still says that it is to be replaced; write your "
            "consent form there, or try the search out with --pilot"
        )
    name = f"pilot-{ANSWERS}" if pilot else ANSWERS  # a pilot's judgements are no data
    database = Database(folder / name)
    with suppress(KeyboardInterrupt):
        try:
            server = SearchServer(
                search,
                texts,
                database,
                experimenter_token(folder),
                most=most,
                pilot=pilot,
                proxies=proxies,
                starts=starts,
            )
            run_server(
                server.app(),
                host=host,
                port=port,
                proxies=proxies,
                tell=lambda place: tell(
                    f"participants: {place}/\nexperimenter: {place}/live\n"
                    f"its token: {folder / TOKEN}"
                ),
            )
        finally:
            database.close()
