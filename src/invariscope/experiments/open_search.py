"""A search for a loop of one's own: images out, numbers in, by `ask` and `tell`."""

from dataclasses import replace

from torch import Tensor, tensor

from invariscope.errors import InputError
from invariscope.experiments.plan import SearchOptions, plan
from invariscope.experiments.reference import image_reference
from invariscope.generators.base import Generator
from invariscope.search.search import Search
from invariscope.subjects.base import PIXELS
from invariscope.subjects.rig.subject import SITE, RigSubject


def open_search(
    generator: Generator,
    *,
    task: str = "excitation",
    reference: Tensor | None = None,
    code: Tensor | None = None,
    activity: float | None = None,
    seed: int = 0,
    options: SearchOptions | None = None,
    name: str = "own loop",
) -> Search:
    """A search whose images you show and whose responses you tell, stretched at `pixels`.

    Args:
        task: `excitation` (the most exciting image), `invariance` or `adversarial`.
        reference: `(3, image_size, image_size)` in [0, 1], to depart from.
        code: the reference's; an adversarial search starts there.
        activity: the unit's response to the reference.
        options: of the search; the paper's stopping rule is off, as no natural maximum is known.
        name: of what responds: another one draws other random numbers.

    Returns:
        A search of one run. `ask()` gives `(population, 3, image_size, image_size)`,
        `tell(responses)` takes `(population,)` numbers, NaN where one was not recorded.

    Raises:
        InputError: an unknown task, or a reference without its activity.
    """
    options = options or SearchOptions()
    subject = RigSubject(name, ("unit",), generator.image_size)
    wanted = None
    if reference is not None:
        wanted = image_reference(reference, generator.image_size, code)
    if task != "excitation" and activity is None:
        raise InputError("give activity, the unit's response to the reference")
    site = None if task == "excitation" else PIXELS
    words = {"task": task, "reference": wanted, "site": site, "run_seeds": (seed,)}
    run = plan(subject, generator, f"{SITE}:0", options=options, **words)[0].run
    if wanted is not None and activity is not None:
        known = {"site_reference": wanted.image.flatten(), "target_reference": tensor([activity])}
        run = replace(run, objective=replace(run.objective, **known))
    return Search(
        generator,
        [run],
        strategy=options.strategy,
        population=options.population,
    )
