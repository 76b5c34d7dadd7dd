"""`invariscope calibrate MODEL FOLDER`: how strong a transformation must be to fool a network."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from invariscope import plot
from invariscope.cli.numbers import Count, Number, Seed, Share
from invariscope.cli.options import Model, NetworkOptions, OutFolder, default_out
from invariscope.cli.terminal import STARTS_AGAIN, StartNote, notes, output
from invariscope.invariance.calibrate import calibrate as measure
from invariscope.invariance.calibration import Calibration
from invariscope.invariance.classes import class_names, classifier
from invariscope.invariance.images import image_set
from invariscope.invariance.setup import images_for
from invariscope.photos import PhotoRule, open_folder
from invariscope.plot.axes import figure_of
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
    beyond: Annotated[
        Literal["clip", "rescale", "keep"],
        Parameter(help="Pixels that leave the range under a transformation."),
    ] = "clip",
    classes: Annotated[
        Path | None, Parameter(help="A table: class folder, tab, the model's name or unit number.")
    ] = None,
    site: Annotated[str | None, Parameter(help="The readout; by default the deepest site.")] = None,
    photos: Annotated[Count | None, Parameter(help="At most so many photos of each class.")] = None,
    resize: Annotated[
        Count | None, Parameter(help="A photo's shorter side, before its middle is cut out.")
    ] = None,
    seed: Annotated[Seed, Parameter(help="Another seed, other noise.")] = 0,
    out: OutFolder = None,
    source: NetworkOptions | None = None,
) -> None:
    """Let a transformation grow until a network's top-1 accuracy falls below a bound."""
    console = output()
    chosen = load(transformation, beyond=beyond)
    subject, found = (source or NetworkOptions()).subject(model), open_folder(folder)
    found = found if photos is None else found.of_each_class(photos)
    images = image_set(found, rule=PhotoRule(resize)) if resize else images_for(subject, found)
    readout = classifier(subject, images.classes, site, class_names(folder, classes))
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
    for line in found.report.lines():
        console.print(line)
    picture = place / f"{transformation}.png"
    figure = figure_of(plot.calibration(calibration))
    replace_file(picture, lambda part: figure.savefig(part, dpi=150, format="png"))
    console.print(_sentence(calibration))
    console.print(f"curve: {picture.with_suffix('.csv')}, {picture}")


def _sentence(found: Calibration) -> str:
    name, field = found.labels["transformation"], found.labels["field"]
    end = found.curve.iloc[-1]
    shown = (
        f"{end['accuracy']:.1%} of {int(end['images'])} photos right, {found.clean:.1%} as they are"
    )
    limit = f"bound {found.bound:.1%} ({found.rule})"
    if found.reached:
        return f"{name} passes the bound at {field} {found.strength:g}: {shown}; {limit}"
    return (
        f"{name} does not reach the bound up to {field} {end['strength']:g}: {shown}; {limit}; "
        "try a larger --most"
    )
