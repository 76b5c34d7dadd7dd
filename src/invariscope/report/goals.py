"""Sentences on the searches' goal: how many met it, and how far the others came."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from invariscope.plurals import number_of
from invariscope.search.monitor import WINDOW
from invariscope.store.record import RunRecord

RULE = "share"  # the paper's stopping rule, in a run's settings


def goal_sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say how many of a unit's searches met their goal, and what each kind of the others reached.

    Args:
        rows: of `groups.describe`: searches of one task and site.

    Returns:
        The first sentence counts; then one for each row with a search that did not meet its goal.
        Empty where no search had one.
    """
    aimed = [
        {**row, "cells": cells}
        for row in rows
        if (cells := [c for c in row["cells"] if c["record"].settings.stop.get("rule") == RULE])
    ]
    cells = [cell for row in aimed for cell in row["cells"]]
    if not cells:
        return []
    met = sum(map(_met, cells))
    tasks = {row["task"] for row in aimed}
    share = 100 * cells[0]["record"].settings.stop["share"]
    bounds = {
        "invariance": "above the unit's strongest photo",
        "adversarial": "below its weakest" if len(tasks) > 1 else "below the unit's weakest photo",
    }
    wanted = "; to silence, ".join(words for task, words in bounds.items() if task in tasks)
    first = (
        f"{met} of {number_of(len(cells), 'search')} met the goal: {share:g} % of the last "
        f"{WINDOW} images or more {wanted}."
    )
    return [first, *(sentence for row in aimed for sentence in _missed(row))]


def _met(cell: Mapping[str, Any]) -> bool:
    return cell["status"] == "stopped"


def _missed(row: Mapping[str, Any]) -> Iterator[str]:
    """Say what the searches of a row reached that did not meet their goal."""
    missed = [cell for cell in row["cells"] if not _met(cell)]
    if not missed:
        return
    reached = max(_share(cell["record"]) for cell in missed)
    generations = max(cell["generations"] for cell in missed)
    where = f"{'Near' if row['task'] == 'adversarial' else 'Far'} at {row['site']}"
    until = "until interrupted" if missed[0]["status"] == "interrupted" else "at the end"
    yield (
        f"{where}, {len(missed)} of {len(row['cells'])} did not: {until}, after "
        f"{number_of(generations, 'generation')}, at most {reached:.0f} % were there; "
        f"{_images(row['task'], missed)}."
    )


def _images(task: str, missed: Sequence[Mapping[str, Any]]) -> str:
    """Say what the images shown of the searches do that did not meet their goal."""
    goal = "meets" if task == "invariance" else "silences"
    within, one = sum(cell[goal] for cell in missed), len(missed) == 1
    if task == "invariance":
        does, do = "beats every photo", "beat every photo"
    else:
        does, do = "silences the unit", "silence the unit"
    if one:
        return (
            f"the image shown {does}" if within else f"the image shown does not: {_left(missed[0])}"
        )
    if within == len(missed):
        return f"the images shown {do}"
    return f"{within} of the images shown {does if within == 1 else do}"


def _left(cell: Mapping[str, Any]) -> str:
    """Say how much of the activity an image loses."""
    lost = cell["reduction"]
    return "its loss is not known" if np.isnan(lost) else f"it loses {lost:.0f} % of the activity"


def _share(record: RunRecord) -> float:
    """Compute the share of its last candidates, in percent, that were beyond a run's bound."""
    if not record.journal:
        return 0.0
    last = record.journal[-1]
    population = last.get("told") or record.settings.population
    seen = population * min(len(record.journal), -(-WINDOW // population))
    return 100 * last.get("reached", 0) / seen
