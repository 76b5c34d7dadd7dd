"""A search that asks people, as a file that is written before anyone starts."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from invariscope.errors import InputError
from invariscope.search.strategies import load_strategy
from invariscope.store.toml_text import read_toml
from invariscope.study.file_section import FileSection, Seed, error_sentence
from invariscope.survey.design import CompletionSettings
from invariscope.survey.judgements import JudgementRules

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Share = Annotated[float, Field(ge=0, le=0.5)]


class PeopleRequest(FileSection):
    """Whom to ask how often.

    Attributes:
        judgements: in all, `same` and catch trials and the held-back ones counted; what is asked
            again, of somebody who does not count, may come on top at the end.
        per_person: of a participant at most.
        repeats: judgements of each candidate.
        same: share of trials that show the reference twice.
        same_first: such trials before the search begins: they tell how readily people say
            "different" where nothing is.
        catch: share of trials whose difference nobody overlooks.
        measure: what is told to the search: `model`, d′ from all judgements together
            (`difference_model`); `d-prime`, each image's own; or `share`, how often people say
            "different" of it beyond how often they do of equal images.
        admission: who may begin, as in a survey.
    """

    judgements: Count = 3000
    per_person: Count = 200
    repeats: Count = 3
    same: Share = 0.15
    same_first: Count = 40
    catch: Share = 0.04
    measure: Literal["model", "d-prime", "share"] = "model"
    admission: Literal["anyone", "link", "id"] = "anyone"


class PeopleSearchRequest(FileSection):
    """The goal of a search.

    Attributes:
        task: `invariance`, far at the stretch site and alike to people; or `adversarial`.
        network: whose site is stretched.
        stretch: that site.
        generator, strategy, population, generations: as everywhere.
        reference: `generated:SEED`, an image of the generator's; or an image's file.
        sigma: first step size, as a share of the natural codes' SD; the search departs from the
            reference's own code.
        seed: of the search.
    """

    task: Literal["invariance", "adversarial"] = "invariance"
    network: str = "embedded:standard"
    stretch: str = "pixels"
    generator: str = "embedded"
    strategy: str = "isotropic"
    population: Annotated[int, Field(ge=4, le=1000)] = 16
    generations: Count = 100
    reference: str = "generated:0"
    sigma: Annotated[float, Field(gt=0, le=10)] = 0.1
    seed: Seed = 0


class HeldBackJudgements(FileSection):
    """The front judged again.

    Attributes:
        members: of the front at most, evenly spread along it.
        repeats: judgements of each that had no part in the search.
        bound: the claim that is tested is to lie below it (d′ or share).
    """

    members: Count = 8
    repeats: Count = 40
    bound: Annotated[float, Field(gt=0, le=5)] = 1.0


class TrialSettings(FileSection):
    """How two images are shown, side by side.

    Attributes:
        presentation_ms: how long; 0, until the answer.
        fixation_ms: a cross before them.
        size_px: an image's side in CSS pixels, where the screen is large enough.
    """

    presentation_ms: Annotated[int, Field(ge=0, le=60_000)] = 0
    fixation_ms: Annotated[int, Field(ge=0, le=10_000)] = 400
    size_px: Annotated[int, Field(ge=64, le=1024)] = 256


class SearchDesign(FileSection):
    """A whole search; see each part."""

    name: Annotated[str, Field(min_length=1)] = "people"
    people: PeopleRequest = PeopleRequest()
    search: PeopleSearchRequest = PeopleSearchRequest()
    final: HeldBackJudgements = HeldBackJudgements()
    show: TrialSettings = TrialSettings()
    completion: CompletionSettings = CompletionSettings()

    def rules(self) -> JudgementRules:
        """Spread judgements over participants."""
        asked = self.people
        return JudgementRules(
            same=asked.same,
            catch=asked.catch,
            per_person=asked.per_person,
            budget=asked.judgements,
            seed=self.search.seed,
        )


def read_search_design(path: Path) -> SearchDesign:
    """Read the design in a file.

    Raises:
        InputError: no such file, or one that is no design; or a budget that is too small.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {str(path)!r}: {reason}") from error
    try:
        found = SearchDesign.model_validate(read_toml(text, repr(str(path))))
    except ValidationError as error:
        raise InputError(f"{str(path)!r}, {error_sentence(error)}") from error
    load_strategy(found.search.strategy)
    needed = least_judgements(found)
    if found.people.judgements < needed:
        raise InputError(
            f"{str(path)!r}: judgements is {found.people.judgements}; one generation and the "
            f"held-back judgements need about {needed}"
        )
    return found


def trials_for(design: SearchDesign, judgements: int) -> int:
    """Count the trials for a number of judgements of candidates, with `same` and catch trials."""
    share = 1 - design.people.same - design.people.catch
    return round(judgements / share)


def least_judgements(design: SearchDesign) -> int:
    """Count the judgements that a generation and the end of a search need."""
    own = design.search.population * design.people.repeats
    held_back = design.final.members * design.final.repeats
    return design.people.same_first + trials_for(design, own + held_back)
