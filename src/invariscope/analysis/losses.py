"""Distance at fixed losses of activity, along whole fronts (row 1, Fig. 2).

One member stands for a front in most tables, and the rule that picks the member sets its loss:
"the farthest above every photo" loses about what lies between the unit's natural maximum and its
MEI. At a fixed loss, searches, units and sites compare.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from invariscope.analysis.grouping import Rows, groups_by, mean_sd, of_units
from invariscope.errors import InputError

LOSSES = (10.0, 25.0, 50.0)  # percent of the reference's activity
KEYS = ["subject", "task", "site", "member"]
VALUES = ("pixel_distance", "stretch", "reduction", "saturation", "code_norm")


def member_at_loss(front: pd.DataFrame, reference: float, loss: float, task: str) -> int | None:
    """Choose the member of a front for a loss of activity.

    Args:
        front: one row a member, with `stretch` and `activation`.
        reference: the reference's activity.
        loss: in percent of it, 0 to 100 or more.
        task: `invariance`, the farthest member that loses at most so much; `adversarial`, the
            nearest that loses at least so much.

    Returns:
        The member's row, or None: no member does, or the reference's activity is not positive.

    Raises:
        InputError: a loss that is no number of at least 0.

    Example:
        >>> import pandas as pd
        >>> from invariscope.analysis.losses import member_at_loss
        >>> front = pd.DataFrame({"stretch": [5.0, 9.0, 20.0], "activation": [3.8, 3.2, 1.0]})
        >>> member_at_loss(front, 4.0, 25, "invariance")
        1
    """
    if not 0 <= loss < np.inf:
        raise InputError(f"a loss of {loss} %; expected a number of at least 0")
    if not reference > 0:
        return None
    lost = 100 * (1 - front["activation"].to_numpy(float) / reference)
    stretch = front["stretch"].to_numpy(float)
    far = task == "invariance"
    fits = np.flatnonzero(lost <= loss if far else lost >= loss)
    if not len(fits):
        return None
    return int(fits[stretch[fits].argmax() if far else stretch[fits].argmin()])


def loses_at_most(loss: float) -> str:
    """Name the rule of an invariance search's members at a loss in percent."""
    return f"loses at most {loss:g} %"


def loses_at_least(loss: float) -> str:
    """Name the rule of an adversarial search's members at a loss in percent."""
    return f"loses at least {loss:g} %"


def members_at_losses(
    front: pd.DataFrame, reference: float, task: str, named: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """Tabulate a run's members at each of `LOSSES`, beside the members of other rules.

    Args:
        front: one row a member; columns of `VALUES` that it lacks are missing in the result.
        reference: the reference's activity.
        task: `invariance` or `adversarial`.
        named: rows of the front by the name of the rule that picked each.

    Yields:
        `member` (the rule), `row` (missing where no member fits) and the columns of `VALUES`.
    """
    words = loses_at_most if task == "invariance" else loses_at_least
    chosen: dict[str, int | None] = {
        words(loss): member_at_loss(front, reference, loss, task) for loss in LOSSES
    }
    lost = 100 * (1 - front["activation"] / (reference if reference > 0 else np.nan))
    whole = front.assign(reduction=lost).reindex(columns=list(VALUES))
    for rule, row in (chosen | named).items():
        values = dict.fromkeys(VALUES, np.nan) if row is None else whole.iloc[row].to_dict()
        yield {"member": rule, "row": row, **values}


def distance_at_losses(members: Rows) -> pd.DataFrame:
    """Average the distances at fixed losses over units.

    Args:
        members: of `members_at_losses`, with `subject`, `unit`, `task` and `site` of the run.

    Returns:
        One row a subject, task, site and rule: `count` (runs), `reached` (those with such a
        member), `units`, and the mean over units, with `_sd`, of `pixel_distance`, `stretch`,
        `reduction`, `saturation` and `code_norm`. A unit's value is the mean over its runs.
    """
    rows = []
    for key, own in groups_by(members, KEYS):
        found = own[own["row"].notna()]
        units = of_units(found, VALUES)
        counts = {"count": len(own), "reached": len(found), "units": len(units)}
        rows.append({**key, **counts, **mean_sd(units, VALUES)})
    return pd.DataFrame(rows)
