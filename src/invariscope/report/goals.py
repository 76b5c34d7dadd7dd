"""Sentences on the goal of searches: the number that met the goal, the others' end."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from invariscope.plurals import number_of
from invariscope.search.monitor import WINDOW
from invariscope.store.record import RunRecord

# Stopping rules in a run's settings: the paper's, of candidates, and a twin's, of its front.
RULES = ("share", "front")


def goal_sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Count the searches of a unit that met the goal, and describe the end of the others.

    Args:
        rows: of `groups.describe`: searches of one task and site.

    Returns:
        The first sentence counts; then one for each row with a search that did not meet its goal.
        Empty where no search had one.
    """
    aimed = [
        {**row, "cells": cells}
        for row in rows
        if (cells := [c for c in row["cells"] if _stop(c).get("rule") in RULES])
    ]
    cells = [cell for row in aimed for cell in row["cells"]]
    if not cells:
        return []
    met = sum(map(_met, cells))
    tasks = {row["task"] for row in aimed}
    bounds = {
        "invariance": "above the unit's strongest photo",
        "adversarial": "below its weakest" if len(tasks) > 1 else "below the unit's weakest photo",
    }
    wanted = "; to silence, ".join(words for task, words in bounds.items() if task in tasks)
    if any(_stop(cell)["rule"] == "front" for cell in cells):
        goal = "a settled front with an image"
    else:
        goal = f"{100 * _stop(cells[0])['share']:g} % of the last {WINDOW} images or more"
    first = f"{met} of {number_of(len(cells), 'search')} met the goal: {goal} {wanted}."
    return [first, *(sentence for row in aimed for sentence in _missed(row))]


def _stop(cell: Mapping[str, Any]) -> dict[str, Any]:
    return cell["record"].settings.stop


def _met(cell: Mapping[str, Any]) -> bool:
    return cell["status"] == "stopped"


def _missed(row: Mapping[str, Any]) -> Iterator[str]:
    """Describe the end of the searches of a row that did not meet the goal."""
    missed = [cell for cell in row["cells"] if not _met(cell)]
    if not missed:
        return
    reached = max(_share(cell["record"]) for cell in missed)
    generations = max(cell["generations"] for cell in missed)
    where = f"{'Near' if row['task'] == 'adversarial' else 'Far'} at {row['site']}"
    until = "until interrupted" if missed[0]["status"] == "interrupted" else "at the end"
    there = f"at most {reached:.0f} % were there; "
    if any(_stop(cell)["rule"] == "front" for cell in missed):
        settled = any(cell["meets"] or cell["silences"] for cell in missed)
        there = "the front had not settled; " if settled else ""
    yield (
        f"{where}, {len(missed)} of {len(row['cells'])} did not: {until}, after "
        f"{number_of(generations, 'generation')}, {there}{_images(row['task'], missed)}."
    )


def _images(task: str, missed: Sequence[Mapping[str, Any]]) -> str:
    """Describe the images shown of the searches that did not meet the goal."""
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
    """Describe the loss of activity of an image."""
    lost = cell["reduction"]
    if np.isnan(lost):
        return "its loss is not known"
    if lost < 0:
        return f"it drives the unit {-lost:.0f} % more than the reference does"
    return f"it loses {lost:.0f} % of the activity"


def _share(record: RunRecord) -> float:
    """Compute the share of its last candidates, in percent, that were beyond a run's bound."""
    if not record.journal:
        return 0.0
    last = record.journal[-1]
    population = last.get("told") or record.settings.population
    seen = population * min(len(record.journal), -(-WINDOW // population))
    return 100 * last.get("reached", 0) / seen
