"""Natural statistics of recorded units: range, percentiles, reliability and noise."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from invariscope.natural.statistics import describe, unit_names
from invariscope.recordings.noise import Floats, ResponseNoise, reliability
from invariscope.recordings.responses import Ints
from invariscope.subjects.rig.subject import SITE


def natural_table(
    units: Sequence[str], means: Floats, variances: Floats, repeats: Ints
) -> pd.DataFrame:
    """Describe each unit in a row of natural statistics, with reliability and the noise's terms.

    Args:
        units: names of the units.
        means, variances: `(images, units)` over each image's trials; NaN where unknown.
        repeats: `(images, units)` trials.
    """
    noise = ResponseNoise.fit(means, variances)
    sure = reliability(means, variances, repeats)
    rows = []
    for unit, name in enumerate(units):
        known = means[:, unit][~np.isnan(means[:, unit])]
        row = {k: np.asarray(v).reshape(-1)[0] for k, v in describe(known[None]).items()}
        own = {"name": name, "reliability": sure[unit]}
        own |= {"noise_floor": noise.floor[unit], "noise_slope": noise.slope[unit]}
        rows.append(row | own)
    table = pd.DataFrame(rows)
    table.insert(0, "unit", unit_names(SITE, (len(units),)))
    table.insert(1, "split", "train")
    return table
