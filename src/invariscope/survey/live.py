"""The experimenter's view while people answer."""

import json
import sqlite3
import statistics
from collections import Counter
from collections.abc import Mapping
from typing import Any

from invariscope.analysis.intervals import share_interval
from invariscope.survey.admission import placeholders
from invariscope.survey.design import CATCH, PRACTICE
from invariscope.survey.lists import Stimulus

ACTIVE_SECONDS = 120.0


def live(
    connection: sqlite3.Connection,
    stimuli: Mapping[str, Stimulus],
    now: float,
    categories: int,
) -> dict[str, Any]:
    """Count sessions, accuracy and time left.

    Args:
        stimuli: by image name.
        now: seconds since 1970.
        categories: to choose from; chance is one of them.

    Returns:
        `begun`, `active` (an answer within two minutes), `ended`, `answers`; `chance`; `accuracy`,
        a list of condition, site, network, answers, share right and its Wilson interval `low`,
        `high`, catch trials among them; `minutes_left`,
        the median over active sessions (None where there is none); `minutes`, the median that
        ended sessions took.
    """
    rows = connection.execute(
        "SELECT s.number, s.list, s.begun, s.ended, MAX(a.arrived), COUNT(a.trial)"
        " FROM sessions s LEFT JOIN answers a ON a.number = s.number GROUP BY s.number"
    ).fetchall()
    active = [r for r in rows if r[3] is None and now - (r[4] or r[2]) < ACTIVE_SECONDS]
    took = [(ended - begun) / 60 for _, _, begun, ended, _, _ in rows if ended is not None]
    left = [
        (last - begun) / count * (len(json.loads(trials)) - count) / 60
        for _, trials, begun, _, last, count in active
        if count
    ]
    return {
        "begun": len(rows),
        "active": len(active),
        "ended": len(took),
        "answers": sum(row[5] for row in rows),
        "minutes": round(statistics.median(took), 1) if took else None,
        "minutes_left": round(statistics.median(left), 1) if left else None,
        "chance": 1 / categories,
        "accuracy": _accuracy(connection, {row[0]: json.loads(row[1]) for row in rows}, stimuli),
    }


def _accuracy(
    connection: sqlite3.Connection,
    lists: Mapping[int, list[tuple[str, str, str]]],
    stimuli: Mapping[str, Stimulus],
) -> list[dict[str, Any]]:
    """Count right answers by cell; the interval is of these answers, not over people."""
    right: Counter[tuple[str, str, str]] = Counter()
    count: Counter[tuple[str, str, str]] = Counter()
    for number, trial, answer in connection.execute("SELECT number, trial, answer FROM answers"):
        kind, image, category = lists[number][trial]
        if kind == PRACTICE:
            continue
        cell = (CATCH, "", "") if kind == CATCH or image not in stimuli else stimuli[image].cell
        count[cell] += 1
        right[cell] += answer == category
    names = ("condition", "site", "network")
    return [
        {
            **dict(zip(names, cell, strict=True)),
            "answers": n,
            "right": right[cell] / n,
            **dict(zip(("low", "high"), share_interval(right[cell], n), strict=True)),
        }
        for cell, n in sorted(count.items())
    ]


def notices(connection: sqlite3.Connection, seen: Mapping[str, int]) -> list[str]:
    """Write the points for the experimenter's attention, a sentence each.

    Args:
        seen: requests that came through a `proxy` that is not named, starts of `crowded` addresses
            and starts that the `gate` turned away, since the server began.
    """
    told = [
        f"Starts whose id was not filled in: {number}, with {text}. Look at the link that "
        "recruits; these sessions count as of people without an id."
        for text, number in placeholders(connection).items()
    ]
    if seen["proxy"]:
        told.append(
            f"Requests through a reverse proxy that is not named: {seen['proxy']}. All its "
            "visitors count as one address; give its address as --proxy."
        )
    if seen["crowded"]:
        told.append(
            f"Starts put off because their address began too many: {seen['crowded']}. Expecting "
            "many people from one network? Raise --starts-per-address."
        )
    if seen["gate"]:
        told.append(f"Starts turned away without a link or an id that fits: {seen['gate']}.")
    return told
