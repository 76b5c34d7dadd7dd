"""The experimenter's view of a search that asks people, as the search goes on."""

import sqlite3
from typing import Any

from torch import Tensor

from invariscope.analysis.intervals import share_interval
from invariscope.rig.held_back import spread_members
from invariscope.survey.judgements import CATCH, DIFFERS, SAME
from invariscope.survey.live import ACTIVE_SECONDS
from invariscope.survey.people_search import (
    DONE,
    FINAL,
    FIRST,
    PeopleSearch,
    generation_phase,
)

MOST_MEMBERS = 12  # of the front on the page, evenly spread along it


def participants(connection: sqlite3.Connection, now: float) -> dict[str, int]:
    """Count the sessions of a search.

    Args:
        now: seconds since 1970.

    Returns:
        `begun`, `active` (begun, or a judgement, within two minutes, and not ended), `ended`.
    """
    rows = connection.execute(
        "SELECT s.begun, s.ended, MAX(j.arrived) FROM sessions s"
        " LEFT JOIN judgements j ON j.session = s.number GROUP BY s.number"
    ).fetchall()
    active = [r for r in rows if r[1] is None and now - (r[2] or r[0]) < ACTIVE_SECONDS]
    return {
        "begun": len(rows),
        "active": len(active),
        "ended": sum(ended is not None for _, ended, _ in rows),
    }


def search_live(search: PeopleSearch) -> dict[str, Any]:
    """Describe how far a search is.

    Returns:
        `judgements` of the `budget`; `phase` (`same`, `search`, `held back`, `done`) with its
        `generation`, and of its judgements those `given` and `wanted`; `left_out`, participants
        whom catch trials exclude; `answers`, for equal pairs (the chance level), candidates and
        catch trials (of everyone, also of those left out) how often people said "different", with
        Wilson's interval; `site`, `task`, `members` (of the front so far) and `front` (see
        `front_rows`).
    """
    book, phase = search.book, search.phase
    judged = book.counts()[1]
    if phase == FIRST:
        given, wanted = min(book.same_counts()[1], book.wanted), book.wanted
    else:
        given, wanted = int(judged.clip(max=book.wanted).sum()), book.wanted * len(judged)
    asked = search.design.search
    return {
        "judgements": book.given,
        "budget": search.design.people.judgements,
        "phase": phase if phase in (FIRST, FINAL, DONE) else "search",
        "generation": search.generation,
        "given": given,
        "wanted": wanted,
        "left_out": len(book.excluded()),
        "answers": [
            _share(SAME, *book.same_counts()),
            _share(DIFFERS, *book.kind_counts(DIFFERS)),
            _share(CATCH, *book.kind_counts(CATCH, everyone=True)),
        ],
        "site": asked.stretch,
        "task": asked.task,
        "members": len(search.front_so_far().scores),
        "front": front_rows(search),
    }


def _share(kind: str, said: int, judged: int) -> dict[str, Any]:
    low, high = share_interval(said, judged) if judged else (0.0, 1.0)
    share = said / judged if judged else None
    return {"kind": kind, "judged": judged, "share": share, "low": low, "high": high}


def front_rows(search: PeopleSearch) -> list[dict[str, Any]]:
    """List members of the front so far, at most `MOST_MEMBERS`, from the nearest on.

    Returns:
        A mapping a member: `generation` and `candidate` name it; `distance` at the stretch site;
        `difference` as the search took it (d′ or share); `judged`, the `share` that said
        "different" and its interval `low`, `high`. The judgements are those by which it was
        chosen, so lucky members look better than they are. Once the front is judged again, all
        members with the judgements that had no part in the choice.
    """
    front, again = search.front_so_far(), search.judged_again
    front = front if again else spread_members(front, MOST_MEMBERS)
    columns = (front.scores, front.generation, front.candidate)
    rows = []
    for row, (score, generation, candidate) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        place = (FINAL, row) if again else (generation_phase(generation), candidate)
        rows.append(
            {
                "generation": generation,
                "candidate": candidate,
                "distance": score[0],
                "difference": score[2],
                **_share(DIFFERS, *search.book.image_counts(*place)),
            }
        )
    return rows


def member_code(search: PeopleSearch, generation: int, candidate: int) -> Tensor | None:
    """Find the code `(1, code_dim)` of a member of the front so far; None where there is none."""
    front = search.front_so_far()
    codes = front.codes[(front.generation == generation) & (front.candidate == candidate)]
    return codes if len(codes) else None
