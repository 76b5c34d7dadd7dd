"""`invariscope calibrate MODEL FOLDER`: how strong a transformation must be to fool a network."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from invariscope import plot
from invariscope.cli.numbers import Number, Seed, Share
from invariscope.cli.options import Beyond, Model, NetworkOptions, OutFolder, default_out
from invariscope.cli.photo_options import PhotoOptions
from invariscope.cli.terminal import STARTS_AGAIN, StartNote, notes, output
from invariscope.invariance.calibrate import calibrate as measure
from invariscope.invariance.calibration import Calibration
from invariscope.invariance.classes import classifier
from invariscope.plot.axes import figure_of
from invariscope.plurals import number_of
from invariscope.store.files import replace_file
from invariscope.transformations import load


def calibrate(
    model: Model,
    folder: Annotated[Path, Parameter(help="Photos: <class>/<photo>.jpg.")],
    /,
    *,
    transformation: Annotated[str, Parameter(help="One with a strength, such as blur.")],
    bound: Annotated[
        Share | None,
        Parameter(help="Accuracy to fall below; the paper's 0.15, or ours above 2 % chance."),
    ] = None,
    most: Annotated[Number | None, Parameter(help="The largest strength that is tried.")] = None,
    beyond: Beyond = "clip",
    site: Annotated[str | None, Parameter(help="The readout; by default the deepest site.")] = None,
    seed: Annotated[Seed, Parameter(help="Another seed, other noise.")] = 0,
    out: OutFolder = None,
    photos: PhotoOptions | None = None,
    source: NetworkOptions | None = None,
) -> None:
    """Let a transformation grow until a network's top-1 accuracy falls below a bound."""
    console = output()
    chosen = load(transformation, beyond=beyond)
    subject, photos = (source or NetworkOptions()).subject(model), photos or PhotoOptions()
    images = photos.images(subject, folder)
    readout = classifier(subject, images.classes, site, photos.names(folder))
    console.print(readout.matched)
    place = out or default_out(model, transformation, "calibrate")
    start = StartNote(place, STARTS_AGAIN)

    def tell(strength: float, accuracy: float) -> None:
        start()
        notes().print(f"  {strength:g}: {accuracy:.1%}")

    calibration = measure(
        subject,
        images,
        chosen,
        readout=readout,
        bound=bound,
        most=most,
        seed=seed,
        out=place,
        watch=tell,
    )
    for line in images.notes():
        console.print(line)
    picture = place / f"{transformation}.png"
    figure = figure_of(plot.calibration(calibration))
    replace_file(picture, lambda part: figure.savefig(part, dpi=150, format="png"))
    console.print(_sentence(calibration))
    console.print(f"curve: {picture.with_suffix('.csv')}, {picture}")


def _sentence(found: Calibration) -> str:
    name, field = found.labels["transformation"], found.labels["field"]
    end = found.curve.iloc[-1]
    photos = number_of(int(end["images"]), "photo")
    shown = f"{end['accuracy']:.1%} of {photos} right, {found.clean:.1%} as they are"
    limit = f"bound {found.bound:.1%} ({found.rule})"
    if found.reached:
        return f"{name} passes the bound at {field} {found.strength:g}: {shown}; {limit}"
    return (
        f"{name} does not reach the bound up to {field} {end['strength']:g}: {shown}; {limit}; "
        "try a larger --most"
    )
