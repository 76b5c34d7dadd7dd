"""Searches for a loop of your own: images out, numbers in, by `ask` and `tell`."""

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
    """Open a search for a loop of your own: show the images, tell the responses (PAPERS §1).

    The stretch site is `pixels`.

    Args:
        generator: makes images from codes.
        task: `excitation` (the most exciting image), `invariance` or `adversarial`.
        reference: `(3, image_size, image_size)` in [0, 1], to depart from.
        code: `(code_dim,)` of the reference; an adversarial search starts there.
        activity: the unit's response to the reference, in the unit of the responses.
        seed: of the search.
        options: of the search; the paper's stopping rule is off, as no natural maximum is known.
        name: of what responds: another one draws other random numbers.

    Returns:
        A search of one run. `ask()` gives `(population, 3, image_size, image_size)`,
        `tell(responses)` takes `(population,)` numbers, NaN where one was not recorded.

    Raises:
        InputError: an unknown task, or a reference without its activity.

    Example:
        >>> import invariscope as iv
        >>> generator = iv.load_generator("embedded")
        >>> short = iv.SearchOptions(population=10, generations=2)
        >>> search = iv.open_search(generator, options=short)
        >>> while not search.done:
        ...     images = search.ask()
        ...     news = search.tell(images.mean((1, 2, 3)))  # your unit's responses
        >>> len(news[0].outcome.front.scores)
        1
    """
    options = options or SearchOptions()
    subject = RigSubject(name, ("unit",), generator.image_size)
    start = None
    if reference is not None:
        start = image_reference(reference, generator.image_size, code)
    if task != "excitation" and activity is None:
        raise InputError("give activity, the unit's response to the reference")
    run = plan(
        subject,
        generator,
        f"{SITE}:0",
        task=task,
        reference=start,
        site=None if task == "excitation" else PIXELS,
        run_seeds=(seed,),
        options=options,
    )[0].run
    if start is not None and activity is not None:
        objective = replace(
            run.objective,
            site_reference=start.image.flatten(),
            target_reference=tensor([activity]),
        )
        run = replace(run, objective=objective)
    return Search(generator, [run], strategy=options.strategy, population=options.population)
