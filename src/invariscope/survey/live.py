"""The experimenter's view while people answer."""

import json
import sqlite3
import statistics
from collections import Counter
from collections.abc import Mapping
from typing import Any

from invariscope.survey.design import CATCH, PRACTICE
from invariscope.survey.lists import Stimulus

ACTIVE_SECONDS = 120.0


def live(
    connection: sqlite3.Connection, stimuli: Mapping[str, Stimulus], now: float
) -> dict[str, Any]:
    """Count sessions, accuracy and time left.

    Args:
        stimuli: by image name.
        now: seconds since 1970.

    Returns:
        `begun`, `active` (an answer within two minutes), `ended`, `answers`; `accuracy`, a list of
        condition, site, network, answers and share right, catch trials among them; `minutes_left`,
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
        "accuracy": _accuracy(connection, {row[0]: json.loads(row[1]) for row in rows}, stimuli),
    }


def _accuracy(
    connection: sqlite3.Connection,
    lists: Mapping[int, list[tuple[str, str, str]]],
    stimuli: Mapping[str, Stimulus],
) -> list[dict[str, Any]]:
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
        {**dict(zip(names, cell, strict=True)), "answers": n, "right": right[cell] / n}
        for cell, n in sorted(count.items())
    ]
