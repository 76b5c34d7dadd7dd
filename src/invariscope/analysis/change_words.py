"""Changes between two images, in words that follow from thresholds."""

from torch import Tensor

from invariscope.analysis.appearance import describe, statistic_distance

LIGHT = 0.08  # of mean luma, in [0, 1]
RATIO = 1.3  # of contrast and colourfulness
SLOPE = 0.5  # of the spectrum's slope; photos have about −2
TEXTURE = 0.8  # RMS difference of log energies in bands
LAYOUT = 0.6  # 1 less the correlation of where contrast lies
SMALLEST = 16  # pixels a side: below, `describe` says nothing


def _compared(value: float, other: float, more: str, less: str) -> list[str]:
    if value > RATIO * other:
        return [more]
    return [less] if other > RATIO * value else []


def changes(image: Tensor, reference: Tensor) -> list[str]:
    """Say in words how an image differs from a reference, the plainest first.

    Each word follows from one statistic of `analysis.appearance` and a threshold of this module;
    none is said where no statistic passes one.

    Args:
        image, reference: `(3, side, side)` in [0, 1].
    """
    if image.shape[-1] < SMALLEST or image.shape != reference.shape:
        return []
    one, other = describe(image[None]), describe(reference[None])
    sentences: list[str] = []
    light = float(one["luminance"] - other["luminance"])
    if abs(light) > LIGHT:
        sentences.append("lighter" if light > 0 else "darker")
    for name, more, less in (
        ("contrast", "more contrast", "less contrast"),
        ("colour", "stronger colours", "paler colours"),
    ):
        sentences += _compared(float(one[name]), float(other[name]), more, less)
    slope = float(one["slope"] - other["slope"])
    if abs(slope) > SLOPE:
        sentences.append("sharper" if slope > 0 else "softer")
    if float(statistic_distance("texture", one["texture"], other["texture"])) > TEXTURE:
        sentences.append("another texture")
    if float(statistic_distance("layout", one["layout"], other["layout"])) > LAYOUT:
        sentences.append("shapes in other places")
    return sentences
