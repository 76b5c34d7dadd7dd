"""Shape against texture where the two disagree (Geirhos et al. 2019, arXiv 1811.12231)."""

import re
from typing import Any

import numpy as np
import pandas as pd

from invariscope.analysis.intervals import SHARE, ratio_interval, share_interval
from invariscope.errors import InputError

CUE_CONFLICT = "cue-conflict"
NAME = re.compile(r"(?P<shape>[a-z]+)\d+-(?P<texture>[a-z]+)\d+")


def cues(image: str) -> tuple[str, str]:
    """Read the categories of shape and texture in a cue-conflict image's name (`cat4-clock1`).

    Raises:
        InputError: a name of another form.
    """
    found = NAME.fullmatch(image)
    if found is None:
        raise InputError(f"image {image!r} names no shape and texture; expected cat4-clock1")
    return found["shape"], found["texture"]


def shape_bias(answers: pd.DataFrame) -> dict[str, Any]:
    """Measure the share of shape among the answers that name either cue.

    Images whose cues agree are left out, as in the paper.

    Args:
        answers: `image`, `answer` and `participant`, one row an answer.

    Returns:
        `shape` and `texture`, the answers for each; `trials`, those with a conflict; `bias`, shape
        / (shape + texture) over all answers; its 95 % interval `low`, `high`: of several
        participants Fieller's over them (`ratio_interval`), of one Wilson's over images.

    Raises:
        InputError: a name that tells no cues, or no image in conflict.
    """
    named = [cues(image) for image in answers["image"]]
    shape, texture = (np.array(words, object) for words in zip(*named, strict=True))
    given = answers["answer"].to_numpy(object)
    conflict = shape != texture
    if not conflict.any():
        raise InputError("no image has a shape of another category than its texture")
    for_shape, for_texture = conflict & (given == shape), conflict & (given == texture)
    who = answers["participant"].to_numpy(str)
    counts = np.array(
        [[for_shape[who == name].sum(), for_texture[who == name].sum()] for name in np.unique(who)]
    )
    s, t = (int(n) for n in counts.sum(0))
    if len(counts) == 1:
        low, high = share_interval(s, s + t)
    else:
        _, low, high = ratio_interval(counts[:, 0], counts.sum(1))
    bias = s / (s + t) if s + t else float("nan")
    return {
        "shape": s,
        "texture": t,
        "trials": int(conflict.sum()),
        "bias": bias,
        "low": max(low, SHARE[0]),
        "high": min(high, SHARE[1]),
    }
