"""Verdicts on made-up tables that agree, and on the same ones turned around."""

import json

import numpy as np
import pandas as pd
import pytest
from invariscope.paper.figure_verdicts import NOT, SAME, UNTESTED

from invariscope.errors import StoreError
from invariscope.paper.figure_claims import CLAIMS
from invariscope.report.sns_page import (
    as_markdown,
    collect_tables,
    figures_of,
    first_parts,
    judged,
    write_page,
)
from invariscope.study.analyses import ANALYSES, save_tables

NETS = ("net:standard", "net:robust")
SITES = ("pixels", "mid", "deep")


def rows(*columns, **values):
    return pd.DataFrame(list(values["of"]), columns=list(columns)).assign(study="s", runs="all")


def tables(turn=1):
    """Tables that agree with the paper; with `turn` −1 every comparison is turned around."""
    up, down = (1.0, 0.0) if turn == 1 else (0.0, 1.0)
    statistics = {"luminance": 0, "contrast": 0, "texture": 1, "colour": 1, "layout": 2}
    return {
        "distance_beside_affine": rows(
            "subject",
            "site",
            "distance",
            "reduction",
            "affine",
            of=[(n, "pixels", 10 + 5 * turn, 30, 10) for n in NETS],
        ),
        "distance": rows(
            "subject",
            "series",
            "site",
            "distance",
            "distance_sd",
            "reduction",
            "reduction_sd",
            "share",
            of=[
                (NETS[1], "adversarial", "pixels", 10, 1, 50 + 40 * turn, 2, 0.1),
                (NETS[1], "invariance", "pixels", 30, 1, 50 - 40 * turn, 2, 0.3),
            ],
        ),
        "separability": rows(
            "subject",
            "scheme",
            "class",
            "components",
            "accuracy",
            "low",
            "high",
            "shuffled_high",
            of=[
                (n, "stratified", "all", k, a, a - 0.02, a + 0.02, 0.4)
                for k in (25, 50)
                for n, a in zip(NETS, (0.3 + 0.6 * up, 0.35 + 0.5 * up), strict=True)
            ],
        ),
        "appearance": rows(
            "subject",
            "task",
            "site",
            "statistic",
            "relative",
            of=[
                (n, "invariance", site, name, turn * (place == at) + 0.5)
                for n in NETS
                for name, at in statistics.items()
                for place, site in enumerate(SITES)
            ],
        ),
        "observers_trend": rows(
            "source",
            "observer",
            "own",
            "slope",
            "first",
            "last",
            of=[
                (NETS[0], NETS[1], False, 0.1 * turn, 0.2, 0.4),
                (NETS[0], "other", False, 0.11 * turn, 0.2, 0.4),
                (NETS[1], NETS[0], False, -0.1 * turn, 0.8, 0.6),
                (NETS[1], "other", False, -0.11 * turn, 0.8, 0.6),
                (NETS[1], NETS[1], True, 9.0, 0.0, 1.0),
            ],
        ),
        "dimension": rows(
            "subject",
            "unit",
            "site",
            "estimator",
            "last",
            "enough",
            "dimension",
            of=[
                (n, "fc:0", site, estimator, True, True, 5 + turn * d)
                for n in NETS
                for estimator in ("two nearest", "participation ratio")
                for site, d in zip(SITES, (-2, 2, 0), strict=True)
            ],
        ),
        "subsets": rows(
            "site",
            "entries",
            "full_stretch_ratio",
            "converged",
            of=[("mid", np.nan, 1.0, 1.0), ("mid", 100, 0.4 + 0.5 * up, 0.9)],
        ),
        "fronts": rows(
            "run",
            "task",
            "site",
            "reduction",
            "pixel_distance",
            of=[
                ("a", "adversarial", "pixels", 100 * up, 10),
                ("a", "adversarial", "pixels", 0, 10),
                ("b", "invariance", "pixels", 10, 60),
                ("b", "invariance", "pixels", 90 * down, 60),
            ],
        ),
    }


TESTED = {
    "Fig 2": 2,
    "Fig 3a,b": 3,
    "Fig 3c": 2,
    "Fig 4c": 2,
    "row 11": 1,
    "row 13": 1,
    "S1": 1,
}


@pytest.mark.parametrize(("turn", "verdict"), [(1, SAME), (-1, NOT)])
def test_every_claim_is_judged_from_the_numbers(turn, verdict):
    found = [(c.figure, v) for c, v in judged(tables(turn)) if v.verdict != UNTESTED]
    counts = pd.Series([figure for figure, _ in found]).value_counts().to_dict()
    assert counts == TESTED
    assert {figure for figure, v in found if v.verdict != verdict} == set()


def test_people_never_get_a_verdict_and_each_gap_has_its_reason():
    missing = pd.DataFrame({"analysis": ["distance"], "reason": ["no runs"]})
    found = judged({"missing": missing})
    assert {v.verdict for _, v in found} == {UNTESTED}
    reasons = {c.paper: v.reason for c, v in found}
    assert "no runs" in reasons.values()
    assert any("answers of people" in reason for reason in reasons.values())
    assert all(reasons.values())


def test_without_a_robust_network_its_claims_are_not_testable():
    alone = {
        name: table[table["subject"] == NETS[0]] if "subject" in table else table
        for name, table in tables().items()
    }
    alone["observers_trend"] = alone["observers_trend"].iloc[:1]
    verdicts = {c.paper: v for c, v in judged(alone)}
    assert verdicts["more easily for the standard network than for the robust one"][1] == UNTESTED
    falls = next(v for paper, v in verdicts.items() if "falls with the depth" in paper)
    assert falls.verdict == UNTESTED


def test_the_same_trends_need_several_architectures():
    several = tables()
    first = several["observers_trend"]
    assert next(v for c, v in judged(several) if c.figure == "Fig 4e").verdict == UNTESTED
    more = first.iloc[:1].assign(source="other:standard")
    several["observers_trend"] = pd.concat([first, more])
    assert next(v for c, v in judged(several) if c.figure == "Fig 4e").verdict == SAME
    several["observers_trend"] = pd.concat([first, more.assign(slope=-1.0)])
    assert next(v for c, v in judged(several) if c.figure == "Fig 4e").verdict == NOT


def test_fewer_than_100_runs_tell_no_dimension():
    few = tables()
    few["dimension"] = few["dimension"].assign(enough=False)
    verdict = next(v for c, v in judged(few) if c.figure == "row 11")
    assert (verdict.verdict, "100 independent" in verdict.reason) == (UNTESTED, True)
    assert f"{NETS[0]} two nearest: 3.0 / 7.0 / 5.0" in verdict.found


def test_one_estimator_of_dimension_alone_is_no_verdict():
    other = tables()
    table = other["dimension"]
    ratio = table["estimator"] == "participation ratio"
    other["dimension"] = table.assign(dimension=table["dimension"].where(~ratio, 5.0))
    verdict = next(v for c, v in judged(other) if c.figure == "row 11")
    assert (verdict.verdict, "highest at mid in 2," in verdict.reason) == (NOT, True)


def test_a_difference_within_its_interval_is_no_verdict():
    wide = tables()
    table = wide["separability"]
    wide["separability"] = table.assign(low=table["accuracy"] - 0.1, high=table["accuracy"] + 0.1)
    found = [v for c, v in judged(wide) if "more easily" in c.paper]
    assert [(v.verdict, "more units are needed" in v.reason) for v in found] == [(UNTESTED, True)]


def test_claims_name_analyses_that_there_are():
    assert {claim.analysis for claim in CLAIMS} <= set(ANALYSES)


def test_the_page_and_its_record_agree(tmp_path):
    save_tables(tables(), tmp_path / "a")
    save_tables({"subsets": tables()["subsets"].assign(converged=0.0)}, tmp_path / "b")
    page = write_page([tmp_path / "a", tmp_path / "b"], tmp_path / "sns.md", "invariscope …")
    record = json.loads((tmp_path / "sns.json").read_text())
    text = page.read_text()
    assert len(record) == len(CLAIMS)
    assert text.count(f"**{SAME}**") == sum(row["verdict"] == SAME for row in record)
    assert "invariscope …" in text
    assert collect_tables([tmp_path / "a", tmp_path / "b"])["subsets"]["converged"].iloc[0] == 1.0
    assert "\nAll of [subsets.csv](sns/subsets.csv)." in text
    assert len(pd.read_csv(tmp_path / "sns" / "subsets.csv")) == len(tables()["subsets"])
    with pytest.raises(StoreError, match="no analyses"):
        collect_tables([tmp_path / "c"])


def test_what_was_found_in_many_parts_is_cut_and_points_at_its_table():
    (claim,) = (claim for claim in CLAIMS if claim.figure == "row 8")
    cut = first_parts(claim, "; ".join(f"network {i}: {i}" for i in range(9)))
    assert cut.endswith("network 5: 5; 3 more in the table 'naturalness' below")
    assert first_parts(claim, "one; two") == "one; two"


def test_markdown_of_a_table():
    table = pd.DataFrame({"a": [1.23456, np.nan], "b": ["x|y", "z"], "runs": "all"})
    assert as_markdown(table).splitlines() == [
        "| a | b |",
        "| --- | --- |",
        "| 1.23 | x\\|y |",
        "| – | z |",
    ]
    assert len(as_markdown(pd.DataFrame({"a": range(50)})).splitlines()) == 42


def test_a_tables_figures_are_its_own_and_a_few_of_many(tmp_path):
    own, other = tmp_path / "own", tmp_path / "other"
    for folder, names in (
        (own, ["paths_places_a", "appearance", *(f"layers_{k}" for k in range(8))]),
        (other, ["paths_b", "layers_9"]),
    ):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.png").touch()
    found = {
        name: [path.stem for path in figures_of(name, [own, other])]
        for name in ("paths", "paths_places", "appearance", "layers", "dimension")
    }
    assert found == {
        "paths": ["paths_b"],
        "paths_places": ["paths_places_a"],
        "appearance": ["appearance"],
        "layers": ["layers_0", "layers_2", "layers_5", "layers_7"],
        "dimension": [],
    }


def test_a_trend_needs_observers_that_agree():
    for change, words in (({"slope": [0.3, -0.2]}, "holds 0"), ({}, "one observer")):
        few = tables()
        trend = few["observers_trend"]
        own = trend[trend["source"] == NETS[0]].iloc[: 2 if change else 1].assign(**change)
        few["observers_trend"] = pd.concat([own, trend[trend["source"] == NETS[1]]])
        verdict = next(v for c, v in judged(few) if "it rises" in c.paper)
        assert (verdict.verdict, words in verdict.reason) == (UNTESTED, True)
        assert NETS[1] in verdict.found
