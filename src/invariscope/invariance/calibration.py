"""A calibration: accuracy against a transformation's strength, kept in a folder."""

import io
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import tomli_w

from invariscope.errors import StoreError
from invariscope.markup import notebook
from invariscope.store.files import make_folder, replace_file
from invariscope.store.settings import without_none
from invariscope.transformations import Transformation


@dataclass(frozen=True)
class Calibration:
    """Accuracy against strength, and the first strength beyond a bound.

    Attributes:
        settings: what the figures depend on, as plain values.
        labels: what a person calls it.
        context: the numeric context.
        curve: one row a strength, from 0 (not transformed) on: `strength`, `images`, `correct`,
            `accuracy`.
        chance: one over the units of the readout.
        bound: the accuracy to fall below.
        rule: in words, where the bound comes from.
        reached: whether the curve's last accuracy is below the bound.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> subject = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
        >>> colours = torch.eye(3).view(3, 3, 1, 1).expand(3, 3, 8, 8) / 2
        >>> images = iv.image_set(colours, [0, 1, 2], ("red", "green", "blue"))
        >>> found = iv.calibrate(subject, images, "luminance")
        >>> found.clean, found.bound, found.reached, found.curve.columns[0]
        (1.0, 0.4, True, 'strength')
    """

    settings: dict[str, Any]
    labels: dict[str, Any]
    context: dict[str, Any]
    curve: pd.DataFrame = field(repr=False)
    chance: float
    bound: float
    rule: str
    reached: bool

    def __repr__(self) -> str:
        """Name the subject and the transformation, and say the result in one line."""
        labels, last = self.labels, self.curve.iloc[-1]
        return (
            f"Calibration({labels['subject']}, {labels['transformation']}: accuracy "
            f"{last['accuracy']:.3f} at {labels['field']} {last['strength']:g}, "
            f"{'below' if self.reached else 'not below'} the bound {self.bound:.3f})"
        )

    @property
    def clean(self) -> float:
        """Accuracy on the untransformed images."""
        return float(self.curve["accuracy"].iloc[0])

    @property
    def strength(self) -> float | None:
        """The first strength below the bound; None where that was never reached."""
        return float(self.curve["strength"].iloc[-1]) if self.reached else None

    def at_strength(self, transformation: Transformation) -> Transformation:
        """Give a transformation the calibrated strength.

        Raises:
            StoreError: the bound was never reached, so there is none.
        """
        if self.strength is None or transformation.strength is None:
            raise StoreError(
                f"{transformation.name} never took accuracy below {self.bound:.3f}; choose its "
                "strength by hand"
            )
        return replace(transformation, **{transformation.strength.field: self.strength})

    def _repr_html_(self) -> str:
        """Show the strength and the curve in a notebook."""
        found = f"strength {self.strength:g}" if self.reached else "the bound was never reached"
        notes = [f"{found}; accuracy to fall below: {self.bound:.3f} ({self.rule})"]
        table = self.curve.to_html(index=False, max_rows=30, border=0)
        return notebook("calibration", notes, [], table)

    def save(self, folder: str | Path) -> Path:
        """Write `NAME.csv`, the curve, and then `NAME.toml`, everything else.

        Returns:
            The path of the second.

        Raises:
            StoreError: the folder cannot be written.
        """
        path = settings_path(make_folder(Path(folder)), self.settings)
        document = {
            "settings": self.settings,
            "labels": self.labels,
            "outcome": {
                "reached": self.reached,
                "strength": self.strength,
                "clean": self.clean,
                "chance": self.chance,
                "bound": self.bound,
                "rule": self.rule,
            },
            "context": self.context,
        }
        text = tomli_w.dumps(without_none(document))
        replace_file(path.with_suffix(".csv"), partial(self.curve.to_csv, index=False))
        replace_file(path, lambda part: part.write_text(text, encoding="utf-8"))
        return path


def settings_path(folder: Path, settings: Mapping[str, Any]) -> Path:
    """Find the path of a transformation's calibration in a folder."""
    return folder / f"{settings['transformation']['name']}.toml"


def load_calibration(path: str | Path) -> Calibration:
    """Read a calibration that `Calibration.save` wrote.

    Raises:
        StoreError: it is missing or damaged.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> subject = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
        >>> colours = torch.eye(3).view(3, 3, 1, 1).expand(3, 3, 8, 8) / 2
        >>> images = iv.image_set(colours, [0, 1, 2], ("red", "green", "blue"))
        >>> path = iv.calibrate(subject, images, "luminance").save("strengths")
        >>> iv.load_calibration(path).strength
        1.0
    """
    place = Path(path)
    try:
        document = tomllib.loads(place.read_text(encoding="utf-8"))
        curve = pd.read_csv(io.StringIO(place.with_suffix(".csv").read_text(encoding="utf-8")))
        outcome = document["outcome"]
        curve["accuracy"] = curve["correct"] / curve["images"]
        return Calibration(
            settings=document["settings"],
            labels=document["labels"],
            context=document["context"],
            curve=curve,
            chance=float(outcome["chance"]),
            bound=float(outcome["bound"]),
            rule=str(outcome["rule"]),
            reached=bool(outcome["reached"]),
        )
    except FileNotFoundError as error:
        raise StoreError(
            f"no calibration at {str(place)!r}; expected NAME.toml and .csv"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{str(place)!r} is damaged ({error}); move it away") from error
