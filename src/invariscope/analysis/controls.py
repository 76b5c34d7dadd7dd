"""Controls beside invariant images: other images far from a reference that keep activity.

Every series is asked what a front is asked: how far the farthest image lies that loses at most so
much (Fig. 2).
"""

import pandas as pd
import torch
from torch import Tensor

from invariscope import seeds
from invariscope.analysis.affine import affine_copies
from invariscope.analysis.grouping import Rows, groups_by, mean_sd, of_units, rows_where
from invariscope.analysis.intervals import mean_interval, sign_flip_p
from invariscope.analysis.losses import LOSSES, loses_at_most
from invariscope.analysis.respond import features_at
from invariscope.generators.base import Generator
from invariscope.subjects.base import PIXELS, Subject
from invariscope.subjects.pixels import pixel_distance, saturation
from invariscope.units import Target

AFFINE, LIGHT = "affine copies", "gain and offset"
SECOND, PHOTOS, RANDOM = "second MEIs", "photos of the class", "random images"
GAINS = (0.5, 0.75, 1.0, 1.5, 2.0, 4.0)  # of each pixel's distance from the image's mean
OFFSETS = (-0.3, -0.15, 0.0, 0.15, 0.3)  # of values in [0, 1]
NOTHING = {"rotation": 0.0, "translation": 0.0, "scale": 1.0}  # strengths that move nothing
DRAWN = 50  # random images of a generator: a generation's
VALUES = ("distance", "reduction", "saturation")


def light_copies(image: Tensor) -> Tensor:
    """Make copies of an image with other contrast and brightness, clipped to [0, 1].

    Args:
        image: `(3, height, width)` in [0, 1].

    Returns:
        A copy for each pair of `GAINS` and `OFFSETS` that changes something, `(29, 3, height,
        width)`.

    Example:
        >>> import torch
        >>> from invariscope.analysis.controls import light_copies
        >>> light_copies(torch.full((3, 16, 16), 0.5)).shape
        torch.Size([29, 3, 16, 16])
    """
    mean = image.mean()
    pairs = [(gain, more) for gain in GAINS for more in OFFSETS if (gain, more) != (1, 0)]
    return torch.stack([mean + gain * (image - mean) + more for gain, more in pairs]).clamp(0, 1)


def moved_copies(image: Tensor) -> Tensor:
    """Make the paper's affine copies of an image, without copies that move nothing."""
    return torch.stack([x for kind, by, x in affine_copies(image) if by != NOTHING[kind]])


def random_images(generator: Generator, number: int = DRAWN) -> Tensor:
    """Draw images of a generator, their codes normal with the natural codes' mean and covariance.

    Where natural codes are not known, codes are standard normal, as those of a search's start.
    """
    stream = seeds.numpy_stream("random_images", generator.code_dim, number)
    codes = torch.from_numpy(stream.standard_normal((number, generator.code_dim)))
    known = generator.code_statistics
    if known is not None:
        values, vectors = torch.linalg.eigh(known.covariance.double().cpu())
        root = vectors * values.clamp(min=0).sqrt() @ vectors.T
        codes = known.mean.double().cpu() + codes @ root
    return generator.generate(codes.float())


def control_images(
    subject: Subject, target: Target, reference: Tensor, series: dict[str, Tensor]
) -> pd.DataFrame:
    """Measure images' distance from a reference and loss of activity.

    Args:
        subject: the responding one.
        target: the unit.
        reference: `(3, height, width)` in [0, 1].
        series: images of each series, `(n, 3, height, width)` in [0, 1]; empty ones are left out.

    Returns:
        One row an image: `series`, `distance` (L2, as the subject sees it), `reduction` (percent
        of the reference's activity; missing where that is not positive) and `saturation`.
    """
    rows = []
    first = _answers(subject, target, reference[None])
    for name, images in series.items():
        if not len(images):
            continue
        seen, active = _answers(subject, target, images)
        lost = 100 * (1 - active / first[1]) if float(first[1]) > 0 else active * torch.nan
        rows.append(
            pd.DataFrame(
                {
                    "series": name,
                    "distance": pixel_distance(seen, first[0]).double().numpy(),
                    "reduction": lost.double().numpy(),
                    "saturation": saturation(seen).numpy(),
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def _answers(subject: Subject, target: Target, images: Tensor) -> tuple[Tensor, Tensor]:
    """Give images at the subject's size, and the target's activity, on the CPU."""
    found = features_at(subject, images, dict.fromkeys((PIXELS, *target.sites)))
    side = subject.image_size
    return found[PIXELS].view(-1, 3, side, side), target.read(found).mean(1)


def farthest_of(images: Rows, loss: float) -> pd.DataFrame:
    """Find each unit's farthest image of each series that loses at most so much.

    Args:
        images: of `control_images`, with `unit`.
        loss: in percent of the reference's activity.
    """
    fits = rows_where(images, images["reduction"] <= loss)
    if not len(fits):
        return fits[["series", "unit", *VALUES]]
    return fits.loc[fits.groupby(["series", "unit"], sort=False)["distance"].idxmax()]


def beside_invariant(images: Rows, members: Rows) -> pd.DataFrame:
    """Compare every series with the fronts stretched at pixels, at equal losses.

    Args:
        images: of `control_images`, with `subject` and `unit`.
        members: of `losses.members_at_losses`, with `subject`, `unit`, `task` and `site`.

    Returns:
        One row a subject, loss (10, 25, 50 %) and series: `units`, `compared` (those of them with
        such an image and such a member), the mean over the compared of `distance` and
        `saturation` of each one's farthest image, of `invariant`, the distance of the front's
        farthest member, and of `farther`, invariant less distance, with `_sd` over units,
        Student's 95 % interval (`low`, `high`) and `p` by turning signs.
    """
    chosen = (members["task"] == "invariance") & (members["site"] == PIXELS)
    own = rows_where(members, chosen)
    rows = []
    for key, every in groups_by(images, ["subject"]):
        fronts = rows_where(own, own["subject"] == key["subject"])
        for loss in LOSSES:
            at = rows_where(fronts, fronts["member"] == loses_at_most(loss))
            far = at.groupby("unit")["pixel_distance"].mean()
            found = farthest_of(every, loss).set_index("unit")
            found = found.assign(invariant=far.reindex(found.index))
            found = found.assign(farther=found["invariant"] - found["distance"]).reset_index()
            for name in dict.fromkeys(every["series"]):
                paired = rows_where(found, found["series"] == name).dropna(subset=["farther"])
                about = {**key, "loss": loss, "series": name, "units": every["unit"].nunique()}
                rows.append({**about, **_paired(paired)})
    return pd.DataFrame(rows)


def _paired(units: Rows) -> dict[str, float]:
    """Average one series over units."""
    means = {name: float(units[name].mean()) for name in ("distance", "saturation", "invariant")}
    _, low, high = mean_interval(units["farther"])
    more = {"low": low, "high": high, "p": sign_flip_p(units["farther"])}
    return {"compared": len(units), **means, **mean_sd(units, ["farther"]), **more}


def control_means(images: Rows) -> pd.DataFrame:
    """Average each series over units.

    Args:
        images: of `control_images`, with `subject` and `unit`.

    Returns:
        One row a subject and series: `units`, `images`, and the mean over units of `distance`,
        `reduction` and `saturation`, with `_sd` over units.
    """
    rows = []
    for key, own in groups_by(images, ["subject", "series"]):
        units = of_units(own, VALUES)
        counts = {"units": len(units), "images": len(own)}
        rows.append({**key, **counts, **mean_sd(units, VALUES)})
    return pd.DataFrame(rows)
