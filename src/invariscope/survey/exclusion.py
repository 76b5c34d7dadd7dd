"""Answers that do not count, with reasons; raw answers stay untouched."""

from typing import Any

import pandas as pd

from invariscope.survey.design import CATCH, PRACTICE, ExclusionRules

WHO = ["participant", "session"]
PILOT = "pilot"  # the column of sessions, and the reason
MEASURES = ("answers", "complete", "catch_right", "fast", "same_answer", "reason", "excluded")


def judge(answers: pd.DataFrame, sessions: pd.DataFrame, rules: ExclusionRules) -> pd.DataFrame:
    """Judge each session by the columns that the rules look at.

    Args:
        answers: every trial of every session (`read_raw`).
        sessions: likewise.
        rules: of the design.

    Returns:
        The sessions with `answers` (how many), `complete`, `catch_right` (share of catch trials
        that were right), `fast` (share of answers to images below `fast_ms`), `same_answer` (share
        of the most frequent one among them), `reason` and `excluded`. Shares of nothing are
        missing, and exclude nobody. Of several sessions of a participant that nothing else
        excludes, the one with the most answers counts, the first where they are equal: a
        session that fails a rule takes no other's place. Pilot sessions never count.
    """
    grouped: Any = answers.groupby(WHO, sort=False)
    own: dict[Any, Any] = dict(list(grouped))
    empty = answers.iloc[:0]
    rows: list[dict[Any, Any]] = []
    for session in sessions.to_dict("records"):
        given = own.get((session["participant"], session["session"]), empty)
        rows.append({**session, **_measured(given, session["trials"], rules)})
    table = pd.DataFrame(rows, columns=[*sessions.columns, *MEASURES[:5]])
    reasons = [_reasons(row, rules) for row in table.to_dict("records")]
    good = table.loc[[not found for found in reasons]]
    best = good.sort_values(["answers", "session"], ascending=[False, True])
    chosen = set(best.drop_duplicates("participant").index)
    counted = set(table.loc[list(chosen), "participant"])
    table["reason"] = [
        "; ".join([*found, *["another session counts"] * (who in counted and index not in chosen)])
        for index, who, found in zip(table.index, table["participant"], reasons, strict=True)
    ]
    table["excluded"] = table["reason"] != ""
    return table


def _measured(given: pd.DataFrame, trials: int, rules: ExclusionRules) -> dict[str, Any]:
    caught = given.loc[(given["kind"] == CATCH).to_numpy(bool), "correct"].astype(float)
    main = given.loc[~given["kind"].isin([CATCH, PRACTICE]).to_numpy(bool)]
    timed = main["rt_ms"].dropna()
    return {
        "answers": len(given),
        "complete": len(given) == trials,
        "catch_right": caught.mean(),
        "fast": (timed < rules.fast_ms).mean() if len(timed) else float("nan"),
        "same_answer": main["answer"].value_counts(normalize=True).max()
        if len(main)
        else float("nan"),
    }


def _reasons(row: dict[Any, Any], rules: ExclusionRules) -> list[str]:
    return [
        reason
        for reason, holds in (
            (PILOT, row.get(PILOT) is True),
            ("incomplete", rules.incomplete and not row["complete"]),
            ("catch trials", row["catch_right"] < rules.catch),
            ("too fast", row["fast"] > rules.fast),
            ("same answer", row["same_answer"] > rules.same_answer),
        )
        if holds
    ]


def with_exclusions(
    answers: pd.DataFrame, sessions: pd.DataFrame, rules: ExclusionRules
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mark the answers that are `excluded`, and judge the sessions."""
    judged = judge(answers, sessions, rules)
    marked = answers.drop(columns="excluded", errors="ignore").merge(
        judged[[*WHO, "excluded"]], on=WHO, how="left", validate="many_to_one"
    )
    return marked, judged
