"""Twin search: resumed and in company the same, better than a plain strategy, or a sentence."""

import json
from dataclasses import fields, replace

import pytest
import torch

from invariscope.errors import InputError
from invariscope.generators import CodeStatistics
from invariscope.search.objectives import Objective
from invariscope.search.problem import Problem
from invariscope.search.run import Run
from invariscope.search.search import Search
from invariscope.search.stopping import FrontReaches
from invariscope.search.strategies import Cells, Measure, Twin, load_strategy
from invariscope.search.strategies.isotropic import Isotropic
from invariscope.search.strategies.twin_data import no_images
from invariscope.search.strategies.twin_features import Features, block_sites
from invariscope.search.strategies.twin_goals import Goals, front_area, front_gain
from invariscope.subjects import FunctionSubject, load_subject
from invariscope.testing.toys import ToyGenerator, ToySubject, least_stretch
from invariscope.units import parse_target

SIZE = 4
MASK = torch.zeros(1, 3, SIZE, SIZE)
MASK[0, :, :2] = 1
SUBJECT, GENERATOR = ToySubject(MASK), ToyGenerator(SIZE)
TWIN = Twin(proxy="codes", scale=1.0, steps=4)


def run(name, task="invariance", subset=None, unit="energy:0"):
    """A run from an image whose energy of half the pixels is not to change."""
    site = unit.partition(":")[0]
    image = torch.full((3, SIZE, SIZE), 0.5)
    image[:, :2] += 0.25
    reference = image.flatten()[list(subset)] if subset else image.flatten()
    return Run(
        name=name,
        objective=Objective(
            task=task,
            target=parse_target(unit, SUBJECT.sites()),
            site="pixels",
            subset=subset,
            site_reference=reference,
            target_reference=SUBJECT.respond(image[None], [site])[site][0],
        ),
        start=torch.zeros(GENERATOR.code_dim, dtype=torch.float64),
        reference_code=GENERATOR.code_of(image[None])[0],
        generations=60,
    )


def search(*runs, strategy=TWIN, population=10):
    return Search(GENERATOR, runs, strategy=strategy, population=population)


def after(found, generations):
    for _ in range(generations):
        found.step(SUBJECT)
    return found


def same(one, other):
    return all(torch.equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))


RUNS = ("a", "invariance"), ("b", "adversarial"), ("c", "invariance", (0, 3, 30))


def test_a_run_alone_equals_itself_among_others_bit_for_bit():
    together = after(search(*(run(*words) for words in RUNS)), 4)
    for candidate, words in enumerate(RUNS):
        alone = after(search(run(*words)), 4)
        assert same(alone.interrupted()[0].front, together.interrupted()[candidate].front)
        assert torch.equal(alone.ask_codes()[0], together.ask_codes()[candidate])


def elsewhere(values):
    """The values where they do not begin at a multiple of 64 bytes."""
    room = torch.empty(values.numel() + 1, dtype=values.dtype)
    return room[1:].view(values.shape).copy_(values)


def test_gone_on_with_it_proposes_the_same_to_the_bit_wherever_its_numbers_lay():
    before = after(search(run("a"), run("b", "adversarial")), 3)
    other = search(run("a"), run("b", "adversarial"))
    other.load_state_dict({key: elsewhere(v) for key, v in before.state_dict().items()})
    for _ in range(2):
        assert torch.equal(before.ask_codes(), other.ask_codes())
        before.step(SUBJECT)
        other.step(SUBJECT)


def efficiency(strategy):
    """Of a silencing run's images, the best share of the squeeze that its stretch can bring."""
    own = run("a", "adversarial", unit="linear:0")
    front = after(search(own, strategy=strategy), 10).interrupted()[0].front
    far = front.scores[:, 0] > 0.1
    least = torch.tensor([least_stretch(MASK[0], float(s)) for s in front.scores[:, 1]])
    return float((least / front.scores[:, 0])[far].max())


def test_it_nears_the_closed_form_front_where_a_plain_strategy_does_not():
    """100 images of a linear unit: no image has a larger squeeze than ‖w‖ · stretch."""
    twin, plain = efficiency(TWIN), efficiency("isotropic")
    assert plain < twin <= 1.0001
    assert twin > 0.9


def test_it_excites_a_unit_more_than_the_images_it_began_with():
    target = parse_target("linear:0", SUBJECT.sites())
    start = torch.zeros(GENERATOR.code_dim, dtype=torch.float64)
    found = search(
        Run(name="a", objective=Objective(task="excitation", target=target), start=start)
    )
    first = after(found, 1).interrupted()[0].front.scores[:, 2].max()
    assert after(found, 5).interrupted()[0].front.scores[:, 2].max() > first


def test_what_was_not_recorded_teaches_nothing():
    found = search(run("a"))
    found.ask()
    found.tell(torch.full((10, 1), torch.nan))
    assert len(found.snapshot("a")["strategy.observations.codes"]) == 0
    found.ask()
    found.tell(torch.linspace(0, 1, 10).where(torch.arange(10) > 2, torch.nan).unsqueeze(1))
    assert len(found.snapshot("a")["strategy.observations.codes"]) == 7


def test_errors_reach_the_twin():
    found = search(run("a"))
    found.ask()
    errors = torch.linspace(0.1, 0.9, 10).unsqueeze(1)
    found.tell(
        {"energy": torch.rand(10, 1, generator=torch.Generator().manual_seed(0))},
        {"energy": errors},
    )
    assert torch.allclose(
        found.snapshot("a")["strategy.observations.errors"].float(), errors.squeeze(1)
    )


def test_under_noise_the_front_holds_what_the_twin_expects_not_the_luckiest_answer():
    """A linear unit answers with noise; ranked by the twin, members are nearer to the truth."""
    found = search(run("a", "adversarial", unit="linear:0"), population=20)
    noise = torch.Generator().manual_seed(1)
    apart, measured = {"measured": [], "expected": []}, {}
    for generation in range(1, 9):
        images = found.ask()
        true = SUBJECT.respond(images, ["linear"])["linear"]
        told = true + 0.3 * torch.randn(true.shape, generator=noise)
        measured |= {(generation, c): float(a) for c, a in enumerate(told[:, 0])}
        found.tell({"linear": told}, {"linear": torch.full_like(told, 0.3)})
    front = found.interrupted()[0].front
    images = GENERATOR.generate(front.codes)
    true = SUBJECT.respond(images, ["linear"])["linear"][:, 0]
    for member, (generation, candidate) in enumerate(
        zip(front.generation.tolist(), front.candidate.tolist(), strict=True)
    ):
        apart["expected"].append(float(front.scores[member, 2] - true[member]))
        apart["measured"].append(measured[generation, candidate] - float(true[member]))
    error = {name: float(torch.tensor(v).square().mean().sqrt()) for name, v in apart.items()}
    assert error["expected"] < 0.8 * error["measured"]
    assert front.scores.shape[0] > 2


def test_the_gain_of_an_image_is_the_area_it_adds():
    before = torch.tensor([[1.0, 0.75, 0.75], [2.0, 1.05, 0.45], [0.5, 1.4, 0.1]]).double()
    goals = Goals.of([Problem(run("a").objective, GENERATOR)], [before])
    new = torch.tensor([[1.5, 0.9, 0.6], [0.5, 1.45, 0.05], [3.0, 1.2, 0.3]]).double()
    # Shares are stretch / 2 and activity / 1.5: points (½, ½) and (1, 0.3) and three new ones.
    wanted = [0.25 * 0.1, 0.0, 0.5 * 0.2]
    assert front_gain(goals, before, new).tolist() == pytest.approx(wanted, abs=1e-5)


def test_the_area_of_a_front_is_that_of_its_steps():
    scores = torch.tensor([[1.0, 0.75, 0.75], [2.0, 1.05, 0.45], [0.5, 1.4, 0.1]]).double()
    goals = Goals.of([Problem(run("a").objective, GENERATOR)], [scores])
    # Shares are stretch / 2 and activity / 1.5: (½, ½), (1, 0.3) and a dominated (¼, 1/15).
    found = front_area(goals, scores[:, 0], scores[:, 2])
    assert found == pytest.approx(0.5 * 0.5 + 0.5 * 0.3, abs=1e-5)
    assert front_area(goals, scores[:0, 0], scores[:0, 2]) == 0


def halves(images):
    """The mean level of the part that the unit does not see."""
    return images[:, :, 2:].mean((1, 2, 3))


CELLS = Cells((Measure("unseen", 0, 1, 5, halves),))


def kinds(front):
    """The cells of the unseen part's level in which a member keeps nine tenths."""
    images = GENERATOR.generate(front.codes)
    reference = run("a").objective.target_reference
    kept = 1 - (front.scores[:, 2] - reference).abs() / reference > 0.9
    return set((5 * halves(images)[kept]).long().clamp(max=4).tolist())


def test_cells_hold_more_kinds_of_accepted_images_than_a_front():
    front, filled = (
        after(search(run("a"), strategy=s, population=20), 8).interrupted()[0].front
        for s in (TWIN, Twin(proxy="codes", scale=1.0, steps=4, cells=CELLS))
    )
    assert len(kinds(filled)) > 1 + len(kinds(front))


def test_a_search_for_cells_goes_on_to_the_same_bits_with_all_its_members():
    own = Twin(proxy="codes", scale=1.0, steps=4, cells=CELLS)
    before = after(search(run("a"), strategy=own), 4)
    other = search(run("a"), strategy=own)
    other.load_state_dict(before.state_dict())
    assert same(before.interrupted()[0].front, other.interrupted()[0].front)
    after(before, 2), after(other, 2)
    assert same(before.interrupted()[0].front, other.interrupted()[0].front)
    cells = [int(v) for v in (5 * halves(GENERATOR.generate(before.interrupted()[0].front.codes)))]
    assert len(cells) > len(set(cells))  # one level of the unseen part at several distances


def settles(found):
    """Show images until the run's front has settled; gives the state before and after."""
    before = None
    for _ in range(40):
        now = found.snapshot("a")
        if now["strategy.settled"].item():
            return before, now
        found.step(SUBJECT)
        before = now
    raise AssertionError("the front has not settled")


def test_a_settled_front_stops_the_run_or_a_plain_search_goes_on():
    """A unit with a bound that is reached stops; one with a bound out of reach goes on."""
    reachable, beyond = (
        FrontReaches(0.1, "above", growth=0.5),
        FrontReaches(9.0, "above", growth=0.5),
    )
    stopped = search(replace(run("a"), stop=reachable))
    results = [result for step in stopped.advance(SUBJECT) for result in step]
    assert results[-1].outcome.status == "stopped"
    assert results[-1].outcome.generations < 40
    going_on = search(replace(run("a"), stop=beyond), population=20)
    before, now = settles(going_on)
    assert before["strategy.observations.features"].shape[1] > 0
    assert now["strategy.observations.features"].shape[1] == 0  # of no use to a plain search
    farthest = float(now["front.scores"][:, 0].max())
    after(going_on, 5)
    assert float(going_on.snapshot("a")["front.scores"][:, 0].max()) >= farthest
    other = search(replace(run("a"), stop=beyond), population=20)
    other.load_state_dict(going_on.state_dict())
    for _ in range(2):
        assert torch.equal(going_on.ask_codes(), other.ask_codes())
        after(going_on, 1), after(other, 1)


def test_the_search_that_goes_on_is_the_plain_one_from_the_runs_start():
    """It asks and moves as `isotropic` told the same candidates in the same order."""
    found = search(run("a"), population=20)
    settles(found)
    generation = found.snapshot("a")["strategy.generation"]
    plain = Isotropic()
    state = plain.init(["a"], run("a").start[None], torch.ones(1), 20)
    state = replace(state, generation=generation)
    for _ in range(3):
        codes = found.ask_codes()
        assert torch.equal(codes, plain.ask(state, 20))
        images = found.ask()
        # Answers alike and unlike the reference's as the candidates' numbers say: a chain in
        # which each candidate dominates the next, whatever its stretch.
        objective = run("a").objective
        stretch = (images.flatten(1) - objective.site_reference).norm(dim=1)
        order = torch.argsort(-stretch, stable=True)
        answers = torch.empty(20)
        answers[order] = objective.target_reference.item() + torch.arange(20) / 100
        found.tell(answers.unsqueeze(1))
        state = plain.tell(state, codes, order[None], torch.ones(1, 20, dtype=torch.bool))


def test_a_search_for_excitation_goes_on_from_its_best_image():
    target = parse_target("linear:0", SUBJECT.sites())
    start = torch.zeros(GENERATOR.code_dim, dtype=torch.float64)
    found = search(
        Run(name="a", objective=Objective(task="excitation", target=target), start=start),
        population=20,
    )
    _, now = settles(found)
    best = now["strategy.observations.scores"][:, 2].argmax()
    assert torch.equal(now["strategy.mean"][0], now["strategy.observations.codes"][best])


def test_the_front_is_that_of_both_searches():
    found = search(run("a"), population=20)
    _, settled = settles(found)
    at = settled["strategy.generation"]
    grown = after(found, 59 - int(at)).snapshot("a")
    assert set((grown["front.generation"] > at).tolist()) == {False, True}
    fronts = [state["front.scores"].double() for state in (settled, grown)]
    goals = Goals.of([Problem(run("a").objective, GENERATOR)], [fronts[1]])
    before, now = (front_area(goals, scores[:, 0], scores[:, 2]) for scores in fronts)
    assert now > before


def test_small_generations_settle_over_as_many_images_as_those_of_fifty():
    own = no_images(torch.zeros(2).double())
    for population, generations in ((50, 4), (10, 20), (20, 12), (100, 4)):
        told = torch.zeros(population, 3).double(), torch.zeros(population).double()
        codes, none = torch.zeros(population, 2).double(), torch.zeros(population, 0)
        assert own.with_generation(1, codes, told, none, none).generations_of(4) == generations


def test_blocks_of_a_network_are_its_outermost_modules_with_layers():
    resnet = block_sites(list(load_subject("embedded:standard").sites()))
    stages = [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert resnet == [*stages, "fc"]
    assert block_sites(["pixels", "conv1", "relu", "fc"]) == ["conv1", "relu", "fc"]


@pytest.mark.parametrize(
    "text", ["isotropic:embedded:plain", "twin:", "twin2:codes", ":codes", "twin:mine.py:network"]
)
def test_a_proxy_in_the_wrong_place_is_refused(text):
    with pytest.raises(InputError, match="strategy"):
        load_strategy(text)


def test_a_candidate_climbs_the_stretch_only_where_its_level_of_the_unit_is_met():
    goals = Goals.of([Problem(run("a").objective, GENERATOR)], [torch.ones(1, 3).double()])
    kept = goals.activity[0, 0]  # of the reference: nothing is lost
    levels = torch.tensor([[0.5, 0.5, 0.5, 0.5]]).double()
    stretch = torch.tensor([[0.2, 0.8, 0.2, 0.8]]).double()
    modelled = kept * torch.tensor([[1.0, 0.5, 0.4, 0.4]]).double()
    utility = goals.utility(stretch, modelled, levels)[0]
    met, at_the_level, missed, missed_far = utility.tolist()
    assert [at_the_level, met, missed_far] == pytest.approx([0.8, 0.2, 0.8 - 4 * 0.1])
    assert missed < missed_far < at_the_level
    doubted = goals.utility(stretch, modelled, levels, margin=0.1 * kept.expand(1, 4))[0]
    assert doubted[0] == utility[0]  # met for sure
    assert doubted[1].item() == pytest.approx(0.8 - 4 * 0.1)


def test_a_generator_without_gradients_is_refused_in_a_sentence():
    class Opaque(type(GENERATOR).__mro__[1]):
        name, code_dim, image_size = "opaque", GENERATOR.code_dim, SIZE
        device = torch.device("cpu")

        def identity(self):
            return {"kind": "opaque"}

        def _generate(self, codes):
            return GENERATOR.generate(codes.detach())

    class InNumpy(Opaque):
        def _generate(self, codes):
            return torch.from_numpy(GENERATOR.generate(codes).numpy() + 0 * codes.numpy().sum())

    for generator in (Opaque(), InNumpy()):
        with pytest.raises(InputError, match="passes no gradients"):  # before any image is shown
            Search(generator, [run("a")], strategy=TWIN, population=10)


def test_measures_and_proxies_are_held_to_what_candidates_climb_by():
    """A wrong measure of one's own, or a proxy without sites, is one sentence at the start."""

    def begin(measure):
        cells = Cells((Measure("own", 0, 1, 4, measure),))
        Search(GENERATOR, [run("a")], strategy=replace(TWIN, cells=cells), population=10)

    begin(lambda images: images.mean((1, 2, 3)))
    for measure, words in (
        (lambda images: images.mean((2, 3)), r"gives Tensor of shape \(8, 3\) for 8 images"),
        (lambda images: 0.5, r"gives float of shape \(\) for 8 images"),
        (lambda images: images.numpy().mean((1, 2, 3)), "'own' failed for images of shape"),
        (lambda images: images.detach().mean((1, 2, 3)), "'own' passes no gradients"),
    ):
        with pytest.raises(InputError, match=words):
            begin(measure)
    bare = FunctionSubject(lambda images: images.mean((2, 3)), name="bare", image_size=SIZE)
    bare.sites = lambda: {"pixels": (3, SIZE, SIZE)}
    with pytest.raises(InputError, match="bare has no sites to read features from"):
        Features.of(bare, GENERATOR)
    still = FunctionSubject(
        lambda images: images.detach().mean((2, 3)), name="still", image_size=SIZE
    )
    with pytest.raises(InputError, match="still passes no gradients to the image"):
        Search(GENERATOR, [run("a")], strategy=replace(TWIN, proxy=still), population=10)
    with pytest.raises(InputError, match="scale is 0"):
        replace(TWIN, scale=0.0)


def test_infinite_answers_are_refused_in_a_sentence():
    found = Search(GENERATOR, [run("a")], strategy=TWIN, population=10)
    found.ask()
    answers = {site: torch.zeros(10, 1) for site in found.sites if site != "pixels"}
    first = next(iter(answers))
    answers[first][3] = torch.inf
    with pytest.raises(InputError, match=r"1 response of 10 at site .* hold an infinite number"):
        found.tell(answers)


def test_the_order_alone_is_not_enough_for_it():
    state = TWIN.init(["a"], torch.zeros(1, 4), torch.ones(1), 10)
    with pytest.raises(InputError, match="needs the problem"):
        TWIN.ask(state, 10)


def test_a_run_is_named_by_what_the_proxy_is():
    plain, other = (Twin(proxy=f"embedded:{n}").describe() for n in ("standard", "plain"))
    assert plain["proxy"]["weights"] != other["proxy"]["weights"]
    assert json.loads(json.dumps(plain)) == plain
    assert load_strategy("twin") == Twin()
    assert load_strategy("twin:embedded:plain") == Twin(proxy="embedded:plain")
    assert load_strategy("twin:codes").describe()["proxy"] == "codes"
    statistics = CodeStatistics(torch.zeros(3).double(), 4 * torch.eye(3).double())
    assert Twin().with_statistics(statistics).scale == pytest.approx(2)
