"""Images and their reference measured again, on repeats that are shown among each other."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from invariscope.recordings.noise import Floats
from invariscope.rig.presenter import BlockPlan, MeasuredResponses, Presenter
from invariscope.rig.repeats import RepeatPolicy


@dataclass(frozen=True)
class UnitRepeats:
    """One unit's repeats of some images.

    Attributes:
        means: `(images,)`.
        variances: `(images,)` of a single trial. Spikes of few repeats can be alike by chance, so
            these are at least the noise's.
        counts: `(images,)` trials.
    """

    means: Floats
    variances: Floats
    counts: Floats

    @classmethod
    def of(cls, presenter: Presenter, found: MeasuredResponses, unit: int) -> "UnitRepeats":
        """Read the repeats of the unit of this number."""
        assert presenter.noise is not None
        errors = presenter.noise.errors(found.means, found.counts)[:, unit]
        counts = found.counts[:, unit].astype(float)
        variances = np.fmax(found.variances[:, unit], errors**2 * counts)
        return cls(found.means[:, unit], variances, counts)

    @property
    def errors(self) -> Floats:
        return np.sqrt(self.variances / np.maximum(self.counts, 1))


def measure_again(
    presenter: Presenter,
    key: str,
    images: Tensor,
    reference: Tensor | None,
    repeats: RepeatPolicy,
    *,
    block_plan: BlockPlan,
    codes: Tensor | None = None,
) -> tuple[MeasuredResponses, MeasuredResponses | None]:
    """Measure images with their reference's own repeats spread among theirs.

    A unit's gain drifts slowly, so a reference that was measured at another time is no bound for
    them. An image that is the reference itself shares its trials with the reference, as equal
    images do.

    Args:
        key: of the request, as for `Presenter.measure`.
        images: `(n, 3, h, w)` in [0, 1].
        reference: `(1, 3, h, w)`; None where there is none.
        repeats: of the images, and of the reference (`RepeatPolicy.reference`).
        codes: `(n, code_dim)` of the images.

    Returns:
        Responses to the images, and to the reference. The latter are None without a reference,
        and where an earlier build began the request without it: such a session keeps the
        reference's earlier measurement.
    """
    n = len(images)
    if reference is None or len(presenter.ledger.requests.get(key, ())) == n:
        often = RepeatPolicy(repeats.first, repeats.max_repeats, repeats.max_retries)
        return presenter.measure(key, images, often, block_plan, codes=codes), None
    found = presenter.measure(key, torch.cat([images, reference]), repeats, block_plan, codes=codes)
    return _part(found, slice(n)), _part(found, slice(n, None))


def _part(found: MeasuredResponses, rows: slice) -> MeasuredResponses:
    return MeasuredResponses(*(getattr(found, field.name)[rows] for field in fields(found)))
