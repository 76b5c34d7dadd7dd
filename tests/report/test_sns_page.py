"""Verdicts on made-up tables that agree, and on the same ones turned around."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from invariscope.analysis.coverage import AS_MANY, SECOND
from invariscope.analysis.recognition import SAME_DISTANCE, SAME_LOSS
from invariscope.errors import StoreError
from invariscope.markup import markdown_table
from invariscope.paper.claim import (
    CONTRADICTED,
    HOLDS,
    NOTHING,
    UNDECIDED,
    Claim,
    Evidence,
    read_claim,
)
from invariscope.paper.figure_claims import (
    ARCHITECTURES,
    AS_MUCH_LOST,
    BOUND,
    TESTS,
    figure_claims,
)
from invariscope.paper.measured_figures import NO_PAIR, NO_ROLES
from invariscope.report.sns_page import (
    collect_tables,
    conditions,
    figures_of,
    first_parts,
    survivors,
    with_intervals,
    write_page,
)
from invariscope.study.analyses import ANALYSES, save_tables

# The names lie about the roles, which alone count.
NETS = ("net:robust-looking", "net:plain")
ROLES = dict(zip(NETS, ("standard", "robust"), strict=True))
SITES = ("pixels", "mid", "deep")
RATIOS = ("full_stretch_ratio", "mei_ratio", "pixel_ratio")


def rows(*columns, **values):
    table = pd.DataFrame(list(values["of"]), columns=list(columns)).assign(study="s", runs="all")
    for name in ("subject", "source"):
        if name in table:
            table = table.assign(role=table[name].map(ROLES))
    return table


def tables(turn=1):
    """Tables that agree with the paper; with `turn` −1 every comparison is turned around."""
    up, down = (1.0, 0.0) if turn == 1 else (0.0, 1.0)
    statistics = {"luminance": 0, "contrast": 0, "texture": 1, "colour": 1, "layout": 2}
    return {
        "controls": rows(
            *("subject", "loss", "series", "units", "compared", "farther", "farther_sd"),
            "constraints",
            of=[
                (n, loss, series, 10, 10, 40.0 * turn, 5.0, constraints)
                for n in NETS
                for loss in (10.0, 25.0, 50.0)
                for series in ("affine copies", "second MEIs", "random images")
                for constraints in ("none", "code_percentile=99")
            ],
        ),
        "distance_of_tasks": rows(
            *("subject", "site", "compared", "more_lost", "more_lost_sd", "farther", "farther_sd"),
            "constraints",
            of=[
                (net, site, 10, 80.0 * turn, 9.0, 70.0 * turn, 8.0, constraints)
                for net in NETS
                for site in ("pixels", "mid")
                for constraints in ("none", "code_percentile=99")
            ],
        ),
        "separability": rows(
            "subject",
            "scheme",
            "class",
            *("components", "used", "images", "units"),
            "accuracy",
            "low",
            "high",
            "shuffled_high",
            "constraints",
            of=[
                (n, "grouped", "all", k, k, 90, 10, a, a - 0.02, a + 0.02, 0.4, constraints)
                for constraints in ("none", "code_percentile=99")
                for k in (25, 50)
                for n, a in zip(NETS, (0.2 + 0.77 * up, 0.3 + 0.58 * up), strict=True)
            ],
        ),
        "appearance_sites": rows(
            *("subject", "statistic", "site", "other", "units", "difference", "difference_sd"),
            "constraints",
            of=[
                (n, name, one, other, 10, turn * ((place == at) - (place + 1 + k == at)), 0.1, held)
                for held in ("none", "code_percentile=99")
                for n in NETS
                for name, at in statistics.items()
                for place, one in enumerate(SITES)
                for k, other in enumerate(SITES[place + 1 :])
            ],
        ),
        "observers_slopes": rows(
            *("source", "kind", "match", "units", "observers", "slope", "low", "high"),
            *("units_error", "observers_error", "constraints"),
            of=[
                (n, kind, match, 10, 2, s * turn, s * turn - 0.05, s * turn + 0.05, 0.02, 0.0, held)
                for held in ("none", "code_percentile=99")
                for n, s in zip(NETS, (0.1, -0.1), strict=True)
                for kind in ("standard", "robust", "all")
                for match in ("25 of 50 reached", SAME_LOSS, SAME_DISTANCE)
            ],
        ),
        "observers_robust": rows(
            *("task", "site", "kind", "units", "observers", "difference", "low_all", "high_all"),
            "constraints",
            of=[
                (task, site, "all", 10, 4, 0.3 * turn, 0.3 * turn - 0.1, 0.3 * turn + 0.1, held)
                for held in ("none", "code_percentile=99")
                for task, site in (("MEI", np.nan), *(("invariance", site) for site in SITES))
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
                (n, f"fc:{u}", site, estimator, True, True, 5 + u + 0.01 * u * d + turn * d)
                for n in NETS
                for u in range(4)
                for estimator in ("two nearest", "participation ratio")
                for site, d in zip(SITES, (-2, 2, 0), strict=True)
            ],
        ),
        "subsets": rows(
            "site",
            "entries",
            *(name + end for name in RATIOS for end in ("", "_sd", "_units")),
            of=[
                ("mid", np.nan, 1.0, 0.0, 10, 1.5, 0.0, 10, 1.5, 0.0, 10),
                ("mid", 100, 0.3 + 0.5 * up, 0.1, 10, *[0.8 + 0.7 * up, 0.1, 10] * 2),
            ],
        ),
        "fronts_ends": rows(
            *("subject", "unit", "run", "task", "site", "reduction", "pixel_distance"),
            of=[
                (NETS[1], f"fc:{u}", f"{task}{u}", task, "pixels", lost + 0.1 * u, far + 0.2 * u)
                for u in range(4)
                for task, lost, far in (
                    ("adversarial", 100 * up + 50 * down, 10 * up + 90 * down),
                    ("invariance", 10 * up + 95 * down, 60 + 0.1 * u),
                )
            ],
        ),
    }


LOWS = ("low", "low_all")
HIGHS = ("high", "high_all")
TESTED = {
    "Fig 2": 6,
    "Fig 3a,b": 6,
    "Fig 3c": 4,
    "Fig 4c": 18,
    "row 11": 1,
    "row 13": 1,
    "S1": 1,
}

ENDS = ("", BOUND)  # of a statement without and with a bound on codes


def claim_of(found, words):
    claims = [claim for claim in figure_claims(found) if words in claim.statement]
    return claims[0]


@pytest.mark.parametrize(("turn", "verdict"), [(1, HOLDS), (-1, CONTRADICTED)])
def test_every_claim_is_judged_from_the_numbers(turn, verdict):
    found = [claim for claim in figure_claims(tables(turn)) if claim.verdict != NOTHING]
    assert pd.Series([claim.source for claim in found]).value_counts().to_dict() == TESTED
    assert {claim.statement: claim.outcome for claim in found if claim.verdict != verdict} == {}


def test_wide_intervals_decide_nothing():
    wide = tables()
    for name, table in wide.items():
        ends = {k: -99.0 for k in table if k in LOWS} | {k: 99.0 for k in table if k in HIGHS}
        ends |= {k: 999.0 for k in table if k.endswith(("_sd", "_error"))}
        if name in ("dimension", "fronts_ends"):
            value = "dimension" if name == "dimension" else "reduction"
            ends[value] = table[value] + 999 * np.resize([-1, 1, 1, -1, 1], len(table))
        wide[name] = table.assign(**ends)
    found = [claim for claim in figure_claims(wide) if claim.verdict != NOTHING]
    assert {claim.statement: claim.outcome for claim in found if claim.verdict != UNDECIDED} == {}
    assert all("an interval holds its bound" in claim.reason for claim in found)


def test_people_never_get_a_verdict_and_each_gap_has_its_reason():
    missing = pd.DataFrame({"analysis": ["controls"], "reason": ["no runs"]})
    found = figure_claims({"missing": missing, "people": pd.DataFrame({"accuracy": [1.0]})})
    assert {claim.verdict for claim in found} == {NOTHING}
    reasons = [claim.reason for claim in found]
    assert "no runs" in reasons
    assert any("answers of people" in reason for reason in reasons)
    assert all(reasons)


def test_roles_come_from_the_table_alone():
    for lost in (lambda t: t.drop(columns="role", errors="ignore"), lambda t: t.assign(role=None)):
        bare = {name: lost(table) for name, table in tables().items()}
        found = [claim for claim in figure_claims(bare) if claim.reason == NO_ROLES]
        sources = ["Fig 2"] * 2 + ["Fig 3c"] * 2 + ["Fig 4c"] * 16 + ["Fig 4e"] * 2
        assert sorted(claim.source for claim in found) == sources
        assert claim_of(bare, "affine copies that lose as much").verdict == HOLDS


def test_one_role_alone_compares_nothing():
    alone = {
        name: table[table["role"] == "standard"] if "role" in table else table
        for name, table in tables().items()
    }
    assert claim_of(alone, "more easily for the standard").reason == NO_PAIR
    assert claim_of(alone, "standard observers: their accuracy falls").verdict == NOTHING
    assert claim_of(alone, "standard observers: their accuracy rises").verdict == HOLDS


def test_the_same_trends_need_several_networks_of_a_role():
    several = tables()
    first = several["observers_slopes"]
    same = "the same trends"
    assert claim_of(several, same).verdict == NOTHING
    more = first[first["source"] == NETS[0]].assign(source="other")
    several["observers_slopes"] = pd.concat([first, more])
    assert claim_of(several, same).verdict == HOLDS
    # The network of Fig 4c is none of the further ones, and has its own claims.
    main = first.assign(slope=-first["slope"], low=-first["high"], high=-first["low"])
    several["observers_slopes"] = pd.concat([main, more])
    assert claim_of(several, same).verdict == HOLDS
    assert claim_of(several, "standard observers: their accuracy falls").verdict == CONTRADICTED
    turned = more.assign(slope=-more["slope"], low=-more["high"], high=-more["low"])
    several["observers_slopes"] = pd.concat([first, turned])
    assert claim_of(several, same).verdict == CONTRADICTED
    # With codes bounded the further networks' trends are judged from the rows of that bound.
    own, bound = ({c.statement: c for c in figure_claims(several)}[ARCHITECTURES + e] for e in ENDS)
    assert (own.verdict, bound.verdict) == (CONTRADICTED, CONTRADICTED)
    free = turned["constraints"] == "none"
    several["observers_slopes"] = pd.concat([first, turned[free], more[~free]])
    own, bound = ({c.statement: c for c in figure_claims(several)}[ARCHITECTURES + e] for e in ENDS)
    assert (own.verdict, bound.verdict) == (CONTRADICTED, HOLDS)


def test_one_observer_gives_no_interval():
    few = tables()
    few["observers_slopes"] = few["observers_slopes"].assign(units_error=np.nan)
    outcome = "undecided: needs an interval over units and observers"
    assert claim_of(few, "standard observers: their accuracy rises").outcome == outcome


def test_bounded_codes_are_judged_apart():
    both = tables()
    own = both["controls"]["constraints"] != "none"
    both["controls"] = both["controls"].assign(
        farther=both["controls"]["farther"].where(~own, -40.0)
    )
    assert claim_of(both, "with images of both) (ours").verdict == CONTRADICTED
    found = [
        c for c in figure_claims(both) if c.analysis == "controls" and "(ours" not in c.statement
    ]
    assert [c.verdict for c in found] == [HOLDS, HOLDS]
    both["controls"] = both["controls"][~own].drop(columns="constraints")
    assert claim_of(both, "with images of both) (ours").verdict == NOTHING


def test_figures_3_and_4_of_bounded_codes_are_judged_from_their_own_rows():
    """Rows of bounded codes turned around, or taken away, leave the other rows' verdicts."""
    turned, gone = tables(), tables()
    for name in ("appearance_sites", "separability", "observers_slopes", "observers_robust"):
        table, other = turned[name], tables(-1)[name]
        own = table["constraints"] == "none"
        turned[name] = pd.concat([table[own], other[~own].assign(study="t")])
        gone[name] = table[own]
    for found, verdict in ((turned, CONTRADICTED), (gone, NOTHING)):
        claims = [c for c in figure_claims(found) if c.source in ("Fig 3a,b", "Fig 3c", "Fig 4c")]
        bounded = [c for c in claims if c.statement.endswith(BOUND)]
        assert [c.verdict for c in bounded] == [verdict] * 10
        assert {c.verdict for c in claims if c not in bounded} == {HOLDS}
        if found is gone:
            assert all("hold codes to a percentile" in c.reason for c in bounded)


def test_a_classifier_of_few_images_decides_nothing_about_a_few_dozen_components():
    few = tables(-1)
    few["separability"] = few["separability"].assign(used=23, images=30)
    claim = claim_of(few, "sites are told apart: standard")
    needs = "needs more units: with 30 images, a fold's allow 23 components"
    assert claim.outcome == f"undecided: {needs}"
    assert all("accuracy with 23 components" in part.name for part in claim.evidence)
    assert read_claim(claim.record()).outcome == claim.outcome
    # Above what shuffled labels give, the bound of codes held to a percentile, as many are enough.
    assert claim_of(few, "told apart better than with shuffled").verdict == CONTRADICTED


def test_a_claims_line_counts_the_units_and_observers_of_its_own_rows():
    found = tables()
    claim = claim_of(found, "standard observers: their accuracy rises")
    assert conditions(claim, found["observers_slopes"]).startswith("10 units, 2 observers; ")
    beside = rows(
        *("subject", "task", "method", "units", "compared", "ratio", "ratio_sd"),
        of=[(NETS[1], "invariance", "gradients on codes", 5, 3, 1.0, 0.01)],
    )
    found["gradients_beside"] = beside
    claim = claim_of(found, "without gradients the search goes as far")
    assert conditions(claim, beside).startswith("3 units; ")
    shown = with_intervals(beside)["ratio"].iloc[0]
    assert shown == "1 [0.975, 1.02]"  # Student's t of 3 units, not of 5
    gains = rows(
        *("subject", "site", "strategy", "gain", "other", "units", "more", "more_sd"),
        of=[
            (NETS[1], "every site", "isotropic", SECOND, None, 10, 0.9, 0.1),
            (NETS[1], "pixels", "isotropic", SECOND, None, 4, 0.6, 0.1),
            (NETS[1], "pixels", "twin", AS_MANY, "isotropic", 5, 5.0, 1.0),
        ],
    ).assign(study=["readout", "coverage", "coverage"])
    found["coverage_gains"] = gains
    for words, units in (("one search does not exhaust", 4), ("the twin reaches more", 5)):
        said = conditions(claim_of(found, words), gains)
        assert said.startswith(f"{units} units; Study coverage; ")


def test_fewer_than_100_runs_tell_no_dimension():
    few = tables()
    few["dimension"] = few["dimension"].assign(enough=False)
    assert "100 independent" in claim_of(few, "dimension is lowest").reason


def test_one_estimator_of_dimension_that_differs_leaves_no_verdict():
    other = tables()
    table = other["dimension"]
    ratio = table["estimator"] == "participation ratio"
    other["dimension"] = table.assign(dimension=table["dimension"].where(~ratio, 5.0))
    assert claim_of(other, "dimension is lowest").verdict == UNDECIDED


def test_a_subsets_ratio_without_interval_is_undecided():
    old = tables()
    old["subsets"] = old["subsets"][["site", "entries", "full_stretch_ratio", "study", "runs"]]
    outcome = "undecided: needs units on both sides of every comparison"
    assert claim_of(old, "at subsets").outcome == outcome


def test_statements_name_analyses_that_there_are():
    assert {test.tables[0].partition("_")[0] for test in TESTS} <= set(ANALYSES)


def test_the_page_and_its_record_agree_and_the_page_is_written_again_from_its_folder(tmp_path):
    save_tables(tables(), tmp_path / "a")
    save_tables({"subsets": tables()["subsets"].assign(entries=7.0)}, tmp_path / "b")
    (tmp_path / "a" / "galleries_x.png").write_bytes(b"picture")
    page = write_page([tmp_path / "a", tmp_path / "b"], tmp_path / "sns.md", "invariscope …")
    record = json.loads((tmp_path / "sns.json").read_text())
    text = page.read_text()
    assert len(record) == len(TESTS)
    assert text.count(f"**{HOLDS}** |") == sum(row["verdict"] == HOLDS for row in record)
    assert "invariscope …" in text
    assert collect_tables([tmp_path / "a", tmp_path / "b"])["subsets"]["entries"].iloc[1] == 100
    assert "\nAll of [subsets.csv](sns/subsets.csv)." in text
    assert len(pd.read_csv(tmp_path / "sns" / "subsets.csv")) == len(tables()["subsets"])
    write_page([tmp_path / "sns"], page, "invariscope …")
    assert page.read_text() == text
    assert json.loads((tmp_path / "sns.json").read_text()) == record
    with pytest.raises(StoreError, match="no analyses"):
        collect_tables([tmp_path / "c"])


def test_a_site_that_is_missing_leaves_no_verdict_about_every_site():
    few = tables()
    table = few["observers_robust"]
    few["observers_robust"] = table[table["site"] != "pixels"]
    assert "at 3 sites" in claim_of(few, "recognised more often").reason
    sites = few["appearance_sites"]
    gone = (sites["subject"] == NETS[1]) & (sites["site"] == "pixels")
    few["appearance_sites"] = sites[~gone]
    names = [part.name for part in claim_of(few, "texture and colour").evidence]
    assert len(names) == 8
    assert claim_of(few, "texture and colour").outcome == (
        "undecided: needs units on both sides of every comparison"
    )


def test_a_statement_is_judged_within_one_study():
    """A first study without images at pixels, and a later one that disagrees, change nothing."""
    several = tables()
    own = several["distance_of_tasks"]
    first = own[own["site"] == "mid"].assign(study="first", farther=-70.0)
    last = own.assign(study="last", farther=-70.0)
    several["distance_of_tasks"] = pd.concat([first, own, last])
    assert claim_of(several, "silencing images lose").verdict == HOLDS
    several["distance_of_tasks"] = first
    assert "both tasks" in claim_of(several, "silencing images lose").reason


def test_rows_of_other_studies_stay_on_a_page_and_those_of_the_same_study_go(tmp_path):
    told = {"runs": "all", "chosen": "kept", "budget": "200 × 50", "constraints": "none"}
    new, old = (pd.DataFrame({"site": [site], **told}) for site in ("new", "old"))
    save_tables({"losses": new.assign(study="a"), "layers": new.assign(study="a")}, tmp_path / "a")
    earlier = pd.concat([old.assign(study="a"), old.assign(study="before")])
    kept = {"losses": earlier, "layers": earlier, "paths": earlier}
    save_tables(kept, tmp_path / "sns")
    found = collect_tables([tmp_path / "a"], tmp_path / "sns")
    assert found["losses"]["site"].tolist() == ["new", "old"]
    assert found["losses"]["study"].tolist() == ["a", "before"]
    assert found["layers"]["study"].tolist() == ["a"]  # of one study
    assert found["paths"]["study"].tolist() == ["before"]
    page = write_page([tmp_path / "a"], tmp_path / "sns.md").read_text()
    line = "Study before; runs that count: all; member: kept; at most 200 × 50 images a run."
    assert line in page
    assert "| site | constraints | study |" in page


def test_a_study_that_is_new_to_a_page_comes_after_those_it_had(tmp_path):
    def rows(*studies):
        return pd.DataFrame({"study": studies, "site": [f"of {study}" for study in studies]})

    save_tables({"losses": rows("main", "beside"), "paths": rows("beside")}, tmp_path / "sns")
    save_tables({"losses": rows("new"), "layers": rows("new")}, tmp_path / "new")
    again = {name: rows("main") for name in ("losses", "paths", "layers")}
    save_tables(again, tmp_path / "main")
    for folder in ("sns", "new", "main"):
        (tmp_path / folder / f"layers_{folder}.png").touch()
    added = collect_tables([tmp_path / "new"], tmp_path / "sns")
    assert added["losses"]["study"].tolist() == ["main", "beside", "new"]
    assert added["layers"]["study"].tolist() == ["new"]
    page = write_page([tmp_path / "new", tmp_path / "main"], tmp_path / "sns.md")
    found = collect_tables([tmp_path / "sns"])
    assert found["losses"]["study"].tolist() == ["main", "beside", "new"]
    assert found["paths"]["study"].tolist() == ["main"]  # once `beside` had it alone
    assert found["layers"]["study"].tolist() == ["main"]
    assert "(sns/layers_main.png)" in page.read_text()
    assert "layers_new" not in page.read_text()


def test_a_claim_names_the_study_that_it_is_judged_in_and_not_those_beside():
    table = pd.DataFrame({"units": [10, 5], "runs": "all", "study": ["main", "beside"]})
    for source, named in (
        ("Fig 2", "10 units; Study main;"),
        ("Fig 4e", "5 to 10 units; Study main, beside;"),
    ):
        claim = Claim(source, "x", (Evidence("a", 1, 0, 2, above=0),))
        assert conditions(claim, table) == f"{named} runs that count: all"


def test_a_claim_on_recognition_names_the_runs_and_the_member_that_were_judged():
    found = {claim.statement: claim for claim in figure_claims(tables())}
    table = tables()["observers_slopes"].assign(chosen="kept")
    table["units"] = table["units"].mask(table["match"] == "25 of 50 reached", 7)
    table["units"] = table["units"].mask(table["source"] == NETS[1], 3)
    words = "standard observers: their accuracy rises with the depth of the stretch for the "
    words += "standard network"
    said = (
        "7 units, 2 observers; Study s; runs that count: those that reached 25 of 50; member: kept"
    )
    assert conditions(found[words], table) == said
    said = "10 units, 2 observers; Study s; runs that count: all; member: loses at most 25 %"
    assert conditions(found[words + AS_MUCH_LOST], table) == said


def test_the_page_says_which_verdicts_stay_where_codes_are_bounded():
    def judged(source, words, low):
        return Claim(source, words, (Evidence("a", low + 1, low, low + 2, above=0),))

    claims = [judged("Fig 2", "x", 1), judged("Fig 2", "x" + BOUND, -1)]
    claims += [judged("Fig 3c", "y", 1), judged("Fig 3c", "y" + BOUND, 1)]
    head, _, first, second = survivors(claims)
    assert "99th percentile" in head
    assert first == "- Fig 2, x: **undecided (unbounded: holds)**."
    assert second == "- Fig 3c, y: **still holds**."
    assert survivors([judged("Fig 2", "x", 1), Claim("Fig 2", "x" + BOUND)]) == []


def test_restarts_of_one_study_and_a_twin_of_another_are_both_judged(tmp_path):
    about = {"subject": "net", "site": "pixels", "units": 5, "more": 4.0, "more_sd": 0.1}
    restarts = {**about, "strategy": "isotropic", "gain": "second restart", "other": np.nan}
    twin = {**about, "strategy": "twin:x?cells=hue", "gain": "as many images", "other": "isotropic"}
    for name, row in (("a", restarts), ("b", twin)):
        save_tables({"coverage_gains": pd.DataFrame([row]).assign(study=name)}, tmp_path / name)
    found = collect_tables([tmp_path / "a", tmp_path / "b"])
    for words in ("a second one, with another seed", "more cells than restarts"):
        assert claim_of(found, words).verdict == HOLDS


def test_means_of_a_table_have_students_interval_and_one_unit_has_none():
    table = pd.DataFrame({"units": [5, 1], "far": [10.0, 3.0], "far_sd": [2.0, np.nan]})
    shown = with_intervals(table)
    half = stats.t.ppf(0.975, 4) * 2 / 5**0.5
    assert shown["far"].tolist() == [f"10 [{10 - half:.3g}, {10 + half:.3g}]", "3"]
    assert list(shown.columns) == ["units", "far"]


def test_evidence_of_many_parts_is_cut_and_points_at_its_table():
    parts = tuple(Evidence(f"network {i}", i, i - 1, i + 1, above=0) for i in range(9))
    claim = Claim("row 8", "", parts, analysis="naturalness")
    assert first_parts(claim).endswith(
        "network 5 5 [4, 6], stated > 0; 3 more from the table 'naturalness' below"
    )
    assert first_parts(Claim("row 8", "")) == "–"


def test_markdown_of_a_table():
    rows = [(1.23456, "x|y"), (np.nan, "z")]
    assert markdown_table(["a", "b"], rows, ("---", "---:")).splitlines() == [
        "| a | b |",
        "| --- | ---: |",
        "| 1.23 | x\\|y |",
        "| – | z |",
    ]


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


def test_restarts_at_one_site_count_before_runs_of_several_sites():
    words = "a second one, with another seed"
    about = {"subject": "net", "strategy": "isotropic", "gain": "second restart", "other": np.nan}
    mixed = {**about, "site": "every site", "units": 10, "more": 0.9, "more_sd": 0.1}
    seeds = {**about, "site": "pixels", "units": 10, "more": 0.01, "more_sd": 0.001}
    (found,) = claim_of({"coverage_gains": pd.DataFrame([mixed])}, words).evidence
    assert found.verdict == HOLDS
    assert "a second run (of any site) adds" in found.name
    (found,) = claim_of({"coverage_gains": pd.DataFrame([mixed, seeds])}, words).evidence
    assert found.verdict == CONTRADICTED
    assert "stretched at pixels: cells that a second run adds" in found.name
