"""Accuracy, confusion, correlations and findings from tables with known answers."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from invariscope.analysis.across import (
    NetworkTables,
    accuracy_table,
    beside,
    confusion_table,
    invariance_means,
)
from invariscope.paper.claim import CONTRADICTED, HOLDS, NOTHING, UNDECIDED, over_clusters
from invariscope.paper.findings import find
from invariscope.paper.measured_study import MeasuredStudy, family, mean_of, over_trained
from invariscope.report.networks import weaker_than_calibrated
from invariscope.units import differing_names

FAMILIES = {"hue": "colour", "blur": "convolutional", "rotation-180": "geometric"}
OF = {"network": "n", "trained": "blur", "count": 2, "seed": 0}


def answers(labels, given, *, seen=2, tested="blur", **of):
    labels, given = np.array(labels), np.array(given)
    table = pd.DataFrame(
        {"tested": tested, "label": labels, "answer": given, "seen": labels < seen}
    )
    return table.assign(**(OF | of), seen_answer=given < seen)


def test_accuracy_is_within_and_across_categories():
    table = accuracy_table(answers([0, 0, 1, 2, 2, 3], [0, 1, 1, 2, 0, 0]))
    found = table.set_index("group")[["images", "correct"]].to_dict("index")
    assert found["all"] == {"images": 6, "correct": 3}
    assert found["seen"] == {"images": 3, "correct": 2}
    assert found["unseen"] == {"images": 3, "correct": 1}


def test_across_accuracy_is_missing_where_all_are_seen():
    table = accuracy_table(answers([0, 1], [0, 0], seen=4, count=4))
    assert sorted(table["group"]) == ["all", "seen"]
    means = pd.DataFrame(
        [
            {**OF, "count": 4, "transformation": "blur", "site": "s", "group": g, "mean": 0.5}
            for g in ("all", "seen")
        ]
    )
    (row,) = beside(table, means, "s").to_dict("records")
    assert (row["within"], row["invariance"]) == (0.5, 0.5)
    assert np.isnan(row["across"])
    assert np.isnan(row["invariance_unseen"])


def test_quadrants_count_images_of_each_kind():
    own = answers([0, 0, 1, 2, 2, 3, 3, 3], [0, 3, 1, 0, 1, 0, 3, 2])
    table = confusion_table(own, own["seen_answer"]).set_index("quadrant")
    assert table["share"].to_dict() == {"I": 3 / 5, "II": 2 / 3, "III": 1 / 3, "IV": 2 / 5}


@cache
def paper_like(*, clean=0.9, twist=False):
    """Tables of a study in which every finding of the first five is as the paper has it."""
    names = ["hue", "blur(sigma=4)", "rotation-180"]
    kinds = dict(zip(names, ("colour", "convolutional", "geometric"), strict=True))
    accuracy, units, images, confusion = [], [], [], []
    stream = np.random.default_rng(0)
    for seed in range(4):
        jitter = 0.001 * seed
        for trained, count in [("none", 0), *((n, c) for n in names for c in (2, 5, 10, 20))]:
            of = {
                "network": f"{trained}{count}{seed}",
                "trained": trained,
                "count": count,
                "seed": seed,
            }
            share = count / 20
            for tested in ["none", *names, "white-noise"]:
                base = clean if tested == "none" else 0.5 if tested == "hue" else 0.1
                own = trained == tested != "none"
                gain = {"hue": 0.3, "blur(sigma=4)": 0.7, "rotation-180": 0.25}.get(tested, 0.0)
                across = base + (gain * (0.3 + 0.7 * share) if own else 0)
                within = 0.97 - 0.2 * share if own else base
                groups = {"all": within * share + across * (1 - share)}
                groups |= {"seen": within} if count else {}
                groups |= {"unseen": across} if count < 20 else {}
                if trained.startswith("blur") and tested == "white-noise":
                    groups = dict.fromkeys(groups, base + 0.05)
                accuracy += [
                    {
                        **of,
                        "tested": tested,
                        "group": g,
                        "images": 100,
                        "correct": 0,
                        "accuracy": v + jitter + 0.002 * stream.normal(),
                    }
                    for g, v in groups.items()
                ]
            for name in names if trained == "none" else [trained]:
                rise = {"hue": 0.1, "blur(sigma=4)": 0.4, "rotation-180": 0.2}[name]
                level = (0.6 if name == "hue" else 0.3) + rise * share * (-1 if twist else 1)
                for site, part in (("a", 0.8), ("z", 1.0)):
                    for group in ("all", "seen", "unseen")[
                        : 3 if 0 < count < 20 else 1 + (count > 0)
                    ]:
                        h = np.clip(part * (level + jitter) + 0.05 * stream.normal(size=40), 0, 1)
                        wide = 0.5 if name == "rotation-180" else 0.2
                        units.append(
                            pd.DataFrame(
                                {
                                    **of,
                                    "site": site,
                                    "unit": [f"{site}:{k}" for k in range(40)],
                                    "transformation": name,
                                    "class": group,
                                    "images": 100,
                                    "active": 10 + seed,
                                    "invariance": h,
                                    "specialization": wide * stream.normal(size=40),
                                }
                            )
                        )
                images.append(
                    pd.DataFrame(
                        {**of, "site": "z", "transformation": name, "share": [0.15 + jitter] * 20}
                    )
                )
            if count:
                went = 0.9 - 0.2 * share + 0.002 * stream.normal()
                confusion.append({**of, "quadrant": "I", "images": 50, "share": went})
    units, accuracy = pd.concat(units, ignore_index=True), pd.DataFrame(accuracy)
    means = invariance_means(units)
    assert set(kinds) == set(names)
    plan = {"categories": list(range(20)), "transformations": names}
    return NetworkTables(
        plan=plan, measured={"tau": 0.1}, accuracy=accuracy, confusion=pd.DataFrame(confusion),
        means=means, beside=beside(accuracy, means, "z"), units=units[units["site"] == "z"],
        images=pd.concat(images, ignore_index=True), ablation=pd.DataFrame(), tau=pd.DataFrame(),
        training=pd.DataFrame(), site="z", sites=("a", "z"),
    )  # fmt: skip


def outcomes(tables, **options):
    claims = find(tables, FAMILIES, **options)
    begins = "Under local transformations across-category accuracy rises, and the rise is "
    return {
        (c.source, c.statement.removeprefix(begins).partition(":")[0][:40]): c.verdict
        for c in claims
    }


def test_findings_of_a_study_like_the_papers_hold():
    found = outcomes(paper_like())
    lacking = [key for key, verdict in found.items() if verdict == NOTHING]
    # Three of the eighth finding need ablation, the ninth a second network; the open questions
    # need other strengths, pairs, and a recurrent twin (three statements that begin alike).
    open_ones = ["open question"] * 4
    assert sorted(source for source, _ in lacking) == [
        "finding 3",  # the rise on 500 categories or more
        *["finding 8"] * 3,
        "finding 9",
        *open_ones,
    ]
    rest = {key: verdict for key, verdict in found.items() if verdict != NOTHING}
    assert {key: verdict for key, verdict in rest.items() if verdict != HOLDS} == {}


@pytest.mark.parametrize(("without", "verdict"), [(0.06, HOLDS), (0.5, NOTHING)])
def test_ablation_says_nothing_of_a_layer_that_a_shortcut_passes_by(without, verdict):
    left = {("nothing", ""): 0.9, ("inactive", "tau 0.1"): 0.899, ("active", "tau 0.1"): 0.06}
    left |= {("inactive", "top 20 %"): 0.85, ("active", "top 20 %"): 0.5}
    rows = [
        {"seed": seed, "ablated": which, "threshold": threshold, "accuracy": accuracy}
        for seed in range(5)
        for (which, threshold), accuracy in left.items()
    ]
    ends = {"intact": 0.9, "without_site": without, "chance": 0.05}
    table = pd.DataFrame(rows).assign(site="z", shown="transformed", trained="hue", **ends)
    table["accuracy"] += 1e-4 * np.random.default_rng(3).normal(size=len(table))
    found = outcomes(replace(paper_like(), ablation=table))
    assert len([key for key, v in found.items() if key[0] == "finding 8" and v == NOTHING]) == (
        3 if verdict == NOTHING else 0
    )
    for begins in ("Ablating the inactive", "Ablating the active"):
        (key,) = (k for k in found if k[1].startswith(begins))
        assert found[key] == verdict


def test_findings_that_are_reversed_are_contradicted():
    found = outcomes(paper_like(twist=True))
    for key in (
        ("finding 4", "Training with a transformation raises I_"),
        ("finding 5", "I_k rises from 2 seen categories to all"),
        ("finding 7", "Across-category accuracy follows I_k of "),
    ):
        assert found[key] == CONTRADICTED


def rising(shape, *, categories=20, seeds=5):
    """Tables in which across-category accuracy under blur is `shape(count)`, with some noise."""
    tables, stream = opened({}, seeds=seeds), np.random.default_rng(7)
    counts = [round(categories * share) for share in (0.1, 0.3, 0.5, 0.8)]
    rows = [
        {"trained": BLUR, "count": c, "seed": k, "across": shape(c) + 0.01 * stream.normal()}
        for k in range(seeds)
        for c in counts
    ]
    others = dict.fromkeys(("within", "invariance", "invariance_seen", "invariance_unseen"), 0.5)
    plan = tables.plan | {"categories": list(range(categories))}
    return replace(tables, plan=plan, beside=pd.DataFrame(rows).assign(**others))


@pytest.mark.parametrize("categories", [20, 1000])
@pytest.mark.parametrize(
    ("shape", "linear", "slow"),
    [
        (lambda share: 0.2 + 0.6 * share, HOLDS, CONTRADICTED),
        (lambda share: 0.5 + 0.3 * np.log(share), CONTRADICTED, HOLDS),
        (lambda share: 0.5 + 0 * share, UNDECIDED, UNDECIDED),
        (lambda share: 0.8 - 0.6 * share, CONTRADICTED, CONTRADICTED),
    ],
)
def test_a_rise_is_linear_or_slow_or_none(categories, shape, linear, slow):
    """Of few categories a linear rise is stated, of many a slow one; the other is not judged."""
    tables = rising(lambda count: shape(count / categories), categories=categories)
    claims = find(tables, FAMILIES)
    found = [c.verdict for c in claims if "and the rise is" in c.statement]
    assert found == ([linear, NOTHING] if categories == 20 else [NOTHING, slow])


def test_two_counts_show_no_shape():
    tables = rising(lambda count: count / 20)
    tables = replace(tables, beside=tables.beside[tables.beside["count"] > 8])
    claims = [c for c in find(tables, FAMILIES) if "and the rise is" in c.statement]
    assert [c.verdict for c in claims] == [NOTHING] * 2
    assert "three counts" in claims[0].outcome


def test_a_second_network_is_compared_seed_by_seed():
    first, key = paper_like(), ("finding 9", "Inception has more invariant units than ")
    units = first.units.assign(invariance=first.units["invariance"] + 0.1)
    units["invariance"] += 0.01 * units["seed"]
    more = replace(first, units=units, plan=first.plan | {"network": "inception"})
    assert outcomes(first, beside=more)[key] == HOLDS
    assert outcomes(more, beside=first)[key] == CONTRADICTED


PAIR = "blur(sigma=3) + rotation-180"
STRENGTHS = ("none", "blur(sigma=3)", "blur(sigma=5)", "rotation-180", PAIR)


def opened(gains, *, steps=1, shift=0.0, seeds=5):
    """Tables in which training with `t` gains `gains[t, u]` under `u`; `shift` is on top."""
    stream = np.random.default_rng(steps)
    names = ["blur(sigma=3)", "rotation-180", PAIR]
    accuracy, units, images = [], [], []
    for seed in range(seeds):
        for trained, count in [("none", 0), *((t, c) for t in names for c in (5, 20))]:
            of = {"network": f"{trained}{count}{seed}", "trained": trained, "count": count}
            of |= {"seed": seed}
            for tested in STRENGTHS:
                clean = tested == "none"
                own = 0.9 if clean else 0.2 + gains.get((trained, tested), 0.0)
                own += shift * (not clean and trained != "none") + 0.005 * stream.normal()
                groups = ("all", "seen", "unseen")[: 1 + (count > 0) + (0 < count < 20)]
                accuracy += [
                    {**of, "tested": tested, "group": g, "images": 9, "correct": 0, "accuracy": own}
                    for g in groups
                ]
            for name in names:
                h = 0.4 + shift + 0.005 * stream.normal(size=10)
                about = {"site": "z", "transformation": name, "class": "all", "images": 9}
                about |= {"active": 5, "specialization": 0.1, "invariance": h}
                units.append(pd.DataFrame({**of, "unit": [f"z:{k}" for k in range(10)], **about}))
                images.append(
                    pd.DataFrame({**of, "site": "z", "transformation": name, "share": [0.1] * 5})
                )
    accuracy, units = pd.DataFrame(accuracy), pd.concat(units, ignore_index=True)
    means = invariance_means(units)
    plan = {"categories": list(range(20)), "transformations": names}
    plan |= {"network": "recurrent", "options": {"steps": steps}}
    return NetworkTables(
        plan=plan, measured={"tau": 0.1}, accuracy=accuracy,
        confusion=pd.DataFrame(columns=["trained", "seed", "count", "quadrant", "share"]),
        means=means, beside=beside(accuracy, means, "z"), units=units, images=pd.concat(images),
        ablation=pd.DataFrame(), tau=pd.DataFrame(), training=pd.DataFrame(), site="z",
        sites=("z",),
    )  # fmt: skip


def open_verdicts(tables, **options):
    claims = find(tables, FAMILIES, **options)
    return {c.statement[:30]: c.verdict for c in claims if c.source == "open question"}


BLUR, TURN = "blur(sigma=3)", "rotation-180"
OWN = {(BLUR, BLUR): 0.6, (TURN, TURN): 0.6, (PAIR, PAIR): 0.6}


@pytest.mark.parametrize(
    ("far", "pair", "one", "found"),
    [
        (0.5, 0.5, 0.1, (HOLDS, HOLDS, HOLDS)),
        (0.3, 0.3, 0.3, (UNDECIDED, UNDECIDED, UNDECIDED)),
        (0.0, 0.0, 0.5, (CONTRADICTED, CONTRADICTED, CONTRADICTED)),
    ],
)
def test_other_strengths_and_pairs_that_carry_over_half_and_not(far, pair, one, found):
    gains = OWN | {(BLUR, "blur(sigma=5)"): far}
    gains |= {(PAIR, BLUR): pair, (PAIR, TURN): pair, (BLUR, PAIR): one, (TURN, PAIR): one}
    own = open_verdicts(opened(gains))
    statements = ("Robustness reaches other", "Training with two", "Training with either")
    assert tuple(next(v for k, v in own.items() if k.startswith(s)) for s in statements) == found


@pytest.mark.parametrize(("shift", "right"), [(0.1, HOLDS), (0.0, UNDECIDED), (-0.1, CONTRADICTED)])
def test_a_recurrent_twin_that_gains_that_gains_nothing_and_that_loses(shift, right):
    claims = find(opened(OWN), FAMILIES, beside=opened(OWN, steps=4, shift=shift))
    found = [c.verdict for c in claims if c.statement.startswith("Recurrence")]
    assert found == [right] * 3
    assert next(c for c in claims if c.source == "finding 9").verdict == NOTHING  # the same network


def test_two_networks_that_are_no_twins_are_not_compared_as_such():
    for steps, other in ((4, 1), (1, 1), (4, 4)):
        claims = find(opened(OWN, steps=steps), FAMILIES, beside=opened(OWN, steps=other))
        found = {c.outcome for c in claims if c.statement.startswith("Recurrence")}
        assert len(found) == 1
        assert "steps = 1" in found.pop()


def test_a_pair_is_of_no_family_of_its_first_part():
    assert family(PAIR, {"blur": "convolutional"}) == "own"
    assert family("blur(sigma=3)", {"blur": "convolutional"}) == "convolutional"


def test_one_seed_and_one_count_leave_nothing_decided():
    """Counts 4 and 12 of 12, one seed: nothing rises from 4 to 4, and nothing has an interval."""
    whole = paper_like()
    few = {
        name: table[(table["seed"] == 0) & table["count"].isin([0, 2, 20])]
        for name in ("accuracy", "confusion", "means", "beside", "units", "images")
        for table in [getattr(whole, name)]
    }
    claims = find(replace(whole, **few), FAMILIES)
    assert {claim.verdict for claim in claims} == {UNDECIDED, NOTHING}
    rises = next(c for c in claims if c.statement.startswith("Across-category accuracy rises"))
    assert rises.statement == "Across-category accuracy rises with the number of seen categories"
    assert rises.outcome == f"{NOTHING}: needs two counts of seen categories below all"
    seen = next(c for c in claims if c.statement.startswith("I_k rises"))
    assert seen.outcome == f"{UNDECIDED}: needs an interval over seeds"


def test_nothing_is_compared_where_networks_did_not_learn():
    claims = find(paper_like(clean=0.2), FAMILIES)
    assert {c.verdict for c in claims} == {NOTHING}
    assert "clean accuracy of 25 % (five times chance, or" in claims[0].reason


@pytest.mark.parametrize(("categories", "bound"), [(2, "75"), (4, "62"), (5, "60"), (10, "50")])
def test_the_accuracy_that_is_asked_can_be_reached(categories, bound):
    tables = paper_like(clean=0.4)
    few = replace(tables, plan=tables.plan | {"categories": list(range(categories))})
    assert f"needs clean accuracy of {bound} %" in find(few, FAMILIES)[0].reason


def test_sites_are_named_by_what_tells_them_apart():
    assert differing_names(["network.relu1", "network.relu2"]) == ["relu1", "relu2"]
    blocks = ["network.blocks.0.act", "network.blocks.1.act"]
    assert differing_names(blocks) == ["blocks.0.act", "blocks.1.act"]
    assert differing_names(["fc"]) == ["fc"]


def judged(tables, begins, **options):
    (claim,) = (c for c in find(tables, FAMILIES, **options) if c.statement.startswith(begins))
    return claim


def noisy(values, labels, seed=0):
    """The value of each label, with a little noise."""
    return labels.map(values) + 0.001 * np.random.default_rng(seed).normal(size=len(labels))


def test_of_two_transformations_each_must_carry_over():
    """Where one of two does and the other does not, their mean would say that both do."""
    gains = OWN | {(PAIR, BLUR): 0.6, (PAIR, TURN): 0.1, (BLUR, PAIR): 0.0, (TURN, PAIR): 0.5}
    own = opened(gains)
    assert judged(own, "Training with two").verdict == CONTRADICTED
    assert judged(own, "Training with either").verdict == CONTRADICTED
    assert len(judged(own, "Training with two").evidence) == 2


def test_a_pair_is_no_other_family_than_its_parts():
    gains = OWN | {(PAIR, BLUR): 0.6, (PAIR, TURN): 0.6, (BLUR, PAIR): 0.6, (TURN, PAIR): 0.6}
    transfer = judged(opened(gains), "Robustness does not transfer")
    assert transfer.verdict == HOLDS
    assert transfer.evidence[0].value == pytest.approx(0.25 * 0.6, abs=0.01)


def test_a_pair_with_a_rotation_is_not_held_against_rotations():
    tables = opened(OWN)
    spread = noisy({BLUR: 0.07, TURN: 0.13, PAIR: 0.5, "none": 0.1}, tables.means["trained"])
    own = replace(tables, means=tables.means.assign(spread=spread))
    assert judged(own, "Specialization spreads").verdict == HOLDS
    alike = spread.where(tables.means["trained"] == PAIR, 0.1 + 0.2 * (spread - spread.mean()))
    own = replace(tables, means=tables.means.assign(spread=alike[::-1].to_numpy()))
    assert judged(own, "Specialization spreads").verdict != HOLDS


def test_many_transformations_beside_one_rotation_do_not_outdo_it_by_their_number():
    """All alike: the largest of nine is larger than one, their mean is not."""
    names = [TURN, *(f"blur(sigma={k})" for k in range(1, 10))]
    stream, beyond = np.random.default_rng(5), 0
    for _ in range(100):
        table = pd.DataFrame(
            {"trained": t, "seed": s, "spread": stream.normal(0.1, 0.02)}
            for t in names
            for s in range(5)
        )
        rotations = over_trained(table, "spread", names[:1])
        others = over_trained(table, "spread", names[1:])
        beyond += over_clusters("x", rotations - others, above=0).verdict == CONTRADICTED
    assert beyond < 10


def test_differences_of_seen_and_unseen_that_cancel_are_no_likeness():
    tables = rising(lambda count: 0.5)
    both = pd.concat([tables.beside.assign(trained=t) for t in (BLUR, TURN, PAIR)])
    apart = noisy({BLUR: 0.3, TURN: -0.3, PAIR: 0.0}, both["trained"])
    own = both.assign(invariance_seen=both["invariance_unseen"] + apart)
    begins = "I_k of seen and unseen"
    assert judged(replace(tables, beside=own), begins).verdict == CONTRADICTED
    near = own.assign(invariance_seen=own["invariance_unseen"] + 0.1 * apart)
    assert judged(replace(tables, beside=near), begins).verdict == HOLDS


def test_one_transformation_whose_invariance_falls_across_layers_contradicts():
    tables = opened(OWN)
    noise = 0.001 * np.random.default_rng(6).normal(size=len(tables.means))
    first = tables.means.assign(site="a", mean=tables.means["mean"] - 0.1 + noise)
    grown = replace(tables, means=pd.concat([first, tables.means]), sites=("a", "z"))
    assert judged(grown, "I_k builds up").verdict == HOLDS
    first["mean"] += 0.2 * (first["trained"] == BLUR)
    fallen = replace(tables, means=pd.concat([first, tables.means]), sites=("a", "z"))
    claim = judged(fallen, "I_k builds up")
    assert claim.verdict == CONTRADICTED
    assert len(claim.evidence) == 3


def test_a_threshold_that_was_chosen_by_its_cost_says_nothing_of_the_cost():
    left = {("nothing", ""): 0.9, ("inactive", "tau 0.1"): 0.899, ("active", "tau 0.1"): 0.06}
    rows = [
        {"seed": s, "ablated": which, "threshold": threshold, "accuracy": accuracy + 1e-4 * s}
        for s in range(5)
        for (which, threshold), accuracy in left.items()
    ]
    table = pd.DataFrame(rows).assign(site="z", shown="transformed", trained="hue")
    table["accuracy"] += 1e-4 * np.random.default_rng(2).normal(size=len(table))
    own = replace(paper_like(), ablation=table)
    assert judged(own, "Ablating the inactive").verdict == HOLDS
    chosen = replace(own, tau=pd.DataFrame({"chosen": [0.1, 0.3]}))
    claim = judged(chosen, "Ablating the inactive")
    assert claim.outcome.startswith("nothing to compare: τ is chosen so that it costs less")
    assert judged(chosen, "Ablating the active").verdict == HOLDS
    other = replace(own, tau=pd.DataFrame({"chosen": [0.05]}))
    assert judged(other, "Ablating the inactive").verdict == HOLDS
    assert "the paper's rule gives 0.05" in judged(other, "10–20 %").evidence[0].name


def test_invariance_that_has_no_room_to_rise_contradicts_nothing():
    tables = paper_like()
    whole = tables.units
    blur = whole["transformation"] == "blur(sigma=4)"
    high = whole.assign(
        invariance=whole["invariance"].where(~blur, 0.85 + 0.1 * (whole["count"] > 0))
        + 0.001 * whole["seed"] * (whole["count"] > 0)
    )
    claim = judged(replace(tables, units=high), "The increase from none")
    assert claim.verdict == UNDECIDED
    assert claim.reason.startswith("needs stronger local transformations: untrained networks have")


def test_seeds_without_every_part_are_left_out_of_a_mean():
    """Else the mean of one seed would be of other transformations than that of the next."""
    whole, part = pd.Series({0: 0.1, 1: 0.1, 2: 0.3}), pd.Series({0: 0.9, 2: 0.5})
    assert mean_of([whole, part]).to_dict() == {0: 0.5, 2: 0.4}
    table = pd.DataFrame(
        [("a", 0, 1.0), ("b", 0, 3.0), ("a", 1, 9.0)], columns=["trained", "seed", "x"]
    )
    assert over_trained(table, "x", ["a", "b"]).to_dict() == {0: 2.0}


def test_where_images_go_is_asked_under_transformations_that_cost_accuracy():
    """A mild change leaves most images right, wherever they would go else."""
    mild = opened({("none", BLUR): 0.6} | OWN)
    rows = [
        {"trained": t, "seed": s, "count": 5, "quadrant": "I", "share": share + 0.01 * s}
        for s in range(5)
        for t, share in ((BLUR, 0.05), (TURN, 0.8), (PAIR, 0.9))
    ]
    claim = judged(replace(mild, confusion=pd.DataFrame(rows)), "With 5 of 20 seen")
    assert claim.verdict == HOLDS
    assert claim.evidence[0].name == f"share of images, mean over {TURN}, {PAIR}"


def test_a_transformation_that_an_untrained_network_mostly_withstands_is_told_as_weak():
    strong, mild = opened(OWN), opened({("none", BLUR): 0.6} | OWN)
    strong = replace(strong, accuracy=strong.accuracy.assign(
        accuracy=strong.accuracy["accuracy"].where(
            (strong.accuracy["trained"] != "none") | (strong.accuracy["tested"] == "none"), 0.06
        )
    ))  # fmt: skip
    (told,) = weaker_than_calibrated(MeasuredStudy(mild, FAMILIES))
    assert told.startswith(f"{BLUR} is weaker than the paper's rule makes it")
    assert weaker_than_calibrated(MeasuredStudy(strong, FAMILIES)) == []
