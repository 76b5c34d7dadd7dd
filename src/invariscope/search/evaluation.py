"""Scores of a generation, each run's in its own precision."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from invariscope.devices import upload
from invariscope.generators.base import Generator
from invariscope.search.captured import CapturedPasses, capture_graph
from invariscope.search.measure import measure, score_chunks
from invariscope.search.objectives import Objectives
from invariscope.search.precision import SMALLEST_TAU, rank_correlation
from invariscope.search.run import Run
from invariscope.subjects.base import Subject

BETWEEN = 10
RANKED = [0, 2]  # stretch and activity


def is_asked(generation: int) -> bool:
    """Tell if `auto` compares precisions in a generation: 1, 10, 20, 40 and so on."""
    times, rest = divmod(generation, BETWEEN)
    return generation == 1 or (rest == 0 and times > 0 and times & (times - 1) == 0)


class MixedPrecisionEvaluation:
    """Evaluation of candidates of runs that advance together, in float32 or bf16.

    A run whose precision is `auto` begins in float32. In some generations its candidates are
    evaluated both ways: bf16 is taken from then on, or left again, as Kendall's τ of stretch and
    of activity says; the scores in float32 count. So a run's result follows from the run alone.

    Args:
        generator: makes images from codes.
        chunk: images that pass at once.
    """

    def __init__(self, generator: Generator, chunk: int) -> None:
        self._generator, self._chunk = generator, chunk
        self._fast: dict[str, bool] = {}
        self._generations: dict[str, int] = {}
        self._passes: CapturedPasses | None = None

    def _passes_of(self, subject: Subject) -> CapturedPasses:
        """Keep the passes of the subject that answered last."""
        if self._passes is None or self._passes.subject is not subject:
            capture = capture_graph if self._generator.device.type == "cuda" else None
            self._passes = CapturedPasses(self._generator, subject, capture)
        return self._passes

    def begin(self, run: Run, packed: Mapping[str, Tensor]) -> None:
        """Begin a run, or go on from its packed state."""
        self._fast[run.name] = bool(packed.get("bf16.now", run.precision == "bf16"))
        self._generations[run.name] = int(packed.get("bf16.generations", 0))

    def pack(self, name: str) -> dict[str, Tensor]:
        """Collect all that `begin` needs to go on with a run."""
        return {
            "bf16.now": torch.tensor(self._fast[name]),
            "bf16.generations": torch.tensor(self._generations[name]),
        }

    def generations(self, name: str) -> int:
        """Count the generations of a run that were evaluated in bf16."""
        return self._generations[name]

    def scores(
        self,
        subject: Subject,
        codes: Tensor,
        runs: Sequence[Run],
        generations: Iterable[int],
        device: torch.device,
    ) -> tuple[Tensor, list[bool]]:
        """Score a generation of every run.

        Args:
            codes: `(runs, population, code_dim)`.
            generations: each run's, counted from 1.
            device: where the scores are computed.

        Returns:
            `(runs × population, 3)` float32 on the CPU, where ranking and rules are, in one copy;
            and for each run whether its scores are in bf16.
        """
        asked = [
            run.precision == "auto" and is_asked(number)
            for run, number in zip(runs, generations, strict=True)
        ]
        fast = [self._fast[run.name] for run in runs]
        rows = range(len(runs))
        own = Objectives([run.objective for run in runs], device)
        own_bf16 = Objectives([run.in_bf16 or run.objective for run in runs], device)

        def score(chosen: list[int], objectives: Objectives, precision: str) -> Tensor:
            some = codes
            if len(chosen) < len(codes):
                some = codes[upload(torch.tensor(chosen), codes.device)]
            return score_chunks(
                self._generator,
                subject,
                some.flatten(0, 1),
                objectives,
                torch.tensor(chosen).repeat_interleave(codes.shape[1]),
                chunk=self._chunk,
                precision=precision,
                passes=self._passes_of(subject),
            )

        both = (
            ([i for i in rows if fast[i] or asked[i]], own_bf16, "bf16"),
            ([i for i in rows if asked[i] or not fast[i]], own, "float32"),
        )
        parts = [score(*one) for one in both if one[0]]
        found = iter(torch.cat(parts).cpu().unflatten(0, (-1, codes.shape[1])))
        in_bf16, exact = ({row: next(found) for row in chosen} for chosen, *_ in both)
        for row in rows:
            name = runs[row].name
            self._generations[name] += row not in exact
            if asked[row]:
                tau = rank_correlation(exact[row][:, RANKED], in_bf16[row][:, RANKED])
                self._fast[name] = tau >= SMALLEST_TAU
        return torch.cat([(in_bf16 | exact)[row] for row in rows]), [i not in exact for i in rows]

    def activations(self, subject: Subject, codes: Tensor, run: Run) -> Tensor:
        """Measure activities `(population,)` of a run's candidates in float32, on the CPU."""
        again = measure(self._generator, subject, codes, run.objective, chunk=self._chunk)
        return again[:, 2].cpu()
