"""One unit's invariances and sensitivities in words, with their numbers."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from invariscope.analysis.explain import NONE
from invariscope.errors import StoreError
from invariscope.markup import notebook
from invariscope.plurals import number_of
from invariscope.store.files import make_folder
from invariscope.store.hashes import check_hashed, write_hashed
from invariscope.subjects.kinds import kind_note

FILE = "profile.json"
# h = 2m / (m + M) of the weaker activity m and the stronger M: 0.8 is m = ⅔ M, 0.5 is m = ⅓ M.
IGNORES = 0.8
SENSITIVE = 0.5
UNKNOWN = "nothing known"
IMAGES = {"invariance": "invariant images", "adversarial": "silencing images"}
EXPLAINS = 0.25  # of the squared pixel distance between an image and the reference
_COPY = {"distance": float, "activation": float, "h": float}
COLUMNS: dict[str, dict[str, type]] = {
    "coefficients": {
        "transformation": object,
        "kind": object,
        "changes": object,
        "invariance": float,
        "specialization": float,
        "reference_h": float,
        "active": float,
        "images": float,
        "reason": object,
    },
    "images": {
        "task": object,
        "site": object,
        "seed": int,
        **_COPY,
        "best": object,
        "kind": object,
        "left": float,
        "explained": float,
        "copy_activation": float,
        "copy_h": float,
    },
    "copies": {"transformation": object, "kind": object, **_COPY},
}
WORDS = {
    "grayscale": "colour",
    "hue": "hue",
    "blur": "fine detail",
    "high-pass": "shading",
    "horizontal": "all but vertical edges",
    "vertical": "all but horizontal edges",
    "inversion": "contrast polarity",
    "white-noise": "noise",
    "salt-and-pepper": "lost pixels",
    "rotation-90": "orientation (90°)",
    "rotation-180": "orientation (180°)",
    "thinning": "width",
    "rotation": "orientation",
    "translation": "position",
    "scale": "size",
    "shear": "shear",
    "luminance": "luminance",
    "contrast": "contrast",
}


def table(name: str, values: Any = None) -> pd.DataFrame:
    """Make a table of a profile, with its columns and their types; empty without values."""
    columns = COLUMNS[name]
    return pd.DataFrame(values if values is not None else [], columns=list(columns)).astype(columns)


def words(kind: str) -> str:
    """Name in a word or two the property that a transformation changes; else its own name."""
    return WORDS.get(kind, kind)


@dataclass(frozen=True)
class Profile:
    """One unit's invariance to known transformations beside the images that a search found.

    Attributes:
        labels: `subject`, `unit`, `class` where it has a name, `kind` where it is not like most
            (`subjects.kinds`), and the settings.
        coefficients: one row a transformation: `transformation`, `kind`, `changes` (in words),
            `invariance` (I_k over the photos), `specialization`, `active` of `images`, `reason`
            why a coefficient is missing, and for the reference `reference_h`. Empty without photos.
        images: one row a searched image: `task`, `site`, `seed`, then as `Explained.images`.
            Empty without a search.
        copies: as `Explained.copies`.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> subject = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
        >>> images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> print(iv.profile(subject, "output:0", images, transformations=["inversion"]).card())
        mean colour output:0
        ignores (I ≥ 0.8): contrast polarity
        sensitive to (I ≤ 0.5): nothing that was tried
    """

    labels: dict[str, Any]
    coefficients: pd.DataFrame = field(repr=False)
    images: pd.DataFrame = field(repr=False)
    copies: pd.DataFrame = field(repr=False)

    def __repr__(self) -> str:
        """Name the unit and count transformations and found images in one line."""
        return (
            f"Profile({self.labels['subject']} {self.labels['unit']}: "
            f"{number_of(len(self.coefficients), 'transformation')}, "
            f"{number_of(len(self.images), 'found image')})"
        )

    @property
    def ignores(self) -> list[str]:
        """The properties that the unit ignores: I_k of at least `IGNORES`."""
        return self._changes(self._invariance >= IGNORES)

    @property
    def sensitive(self) -> list[str]:
        """The properties that the unit is sensitive to: I_k of at most `SENSITIVE`."""
        return self._changes(self._invariance <= SENSITIVE)

    @property
    def missing(self) -> list[str]:
        """The properties without a coefficient, with the reason."""
        lost = self.coefficients[self.coefficients["invariance"].isna()]
        return [f"{row['changes']}: {row['reason']}" for _, row in lost.iterrows()]

    @property
    def _invariance(self) -> NDArray[np.float64]:
        return self.coefficients["invariance"].to_numpy(float)

    def _changes(self, chosen: NDArray[np.bool_]) -> list[str]:
        changes = self.coefficients["changes"].to_numpy(object)
        return list(dict.fromkeys(changes[chosen].tolist()))

    @property
    def departures(self) -> pd.DataFrame:
        """One row a task, site and known change: how many searched images the change explains.

        An image is explained by the nearest transformed reference if that takes away at least
        `EXPLAINS` of the squared distance; else by `nothing known`. The unit accepts that copy if
        its own h with the reference is at least `IGNORES`: where it does not, the image resembles
        the known change, but something else in it keeps the unit active.

        Returns:
            `task`, `site`, `changes`, `images`, `explained` (mean share), `h` (mean, of the images
            with the reference), `accepted` (images whose nearest copy the unit accepts).
        """
        rows = self.images.assign(accepted=self.images["copy_h"] >= IGNORES)
        known = (rows["kind"] != NONE) & (rows["explained"] >= EXPLAINS)
        rows["changes"] = rows["kind"].map(words).where(known, UNKNOWN)
        groups = rows.groupby(["task", "site", "changes"], as_index=False, sort=False)
        return groups.agg(
            images=("kind", "size"),
            explained=("explained", "mean"),
            h=("h", "mean"),
            accepted=("accepted", "sum"),
        )

    def card(self) -> str:
        """Say the profile in a few lines; every word follows from a threshold of this module."""
        unit, named = self.labels["unit"], self.labels.get("class")
        lines = [f"{self.labels['subject']} {unit}" + (f" ({named})" if named else "")]
        if note := kind_note(unit, self.labels.get("kind", "")):
            lines.append(f"note: {note}")
        if len(self.coefficients):
            lines.append(f"ignores (I ≥ {IGNORES:g}): {_list(self.ignores)}")
            lines.append(f"sensitive to (I ≤ {SENSITIVE:g}): {_list(self.sensitive)}")
            lines += [f"not known: {reason}" for reason in self.missing]
        told: dict[tuple[str, str], list[str]] = {}
        for row in self.departures.to_dict("records"):
            found = f"{row['images']} like {row['changes']}"
            if row["changes"] != UNKNOWN:
                found = f"{row['images']} like a change of {row['changes']}"
                found += f" (the change alone is accepted in {row['accepted']})"
            told.setdefault((row["task"], row["site"]), []).append(found)
        for (task, site), found in told.items():
            lines.append(f"{IMAGES[task]} at {site}: {', '.join(found)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Show the card in a notebook, above its coefficients."""
        title, *lines = self.card().split("\n")
        return notebook(title, lines, [], self.coefficients.to_html(index=False, border=0))

    def save(self, folder: str | Path) -> Path:
        """Write `profile.json`.

        Raises:
            StoreError: the folder cannot be written.
        """
        tables = {name: _records(getattr(self, name)) for name in COLUMNS}
        text = json.dumps({"labels": self.labels, **tables}, indent=1, ensure_ascii=False)
        path = make_folder(Path(folder)) / FILE
        write_hashed(path, lambda part: part.write_text(text + "\n", encoding="utf-8"))
        return path


def _list(found: list[str]) -> str:
    return ", ".join(found) or "nothing that was tried"


def _records(values: pd.DataFrame) -> dict[str, list[Any]]:
    """List the values of columns, None where a value is missing."""
    plain = values.astype(object).where(values.notna(), None)
    return {str(name): plain[name].tolist() for name in plain.columns}


def load_profile(folder: str | Path) -> Profile:
    """Read a profile that `Profile.save` wrote.

    Raises:
        StoreError: there is none, or a damaged one.

    Example:
        >>> import torch
        >>> import invariscope as iv
        >>> subject = iv.FunctionSubject(lambda x: x.mean((2, 3)), name="mean colour", image_size=8)
        >>> images = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> found = iv.profile(subject, "output:0", images, transformations=["inversion"])
        >>> path = found.save("profile")
        >>> iv.load_profile("profile").ignores == found.ignores
        True
    """
    path = Path(folder) / FILE
    try:
        check_hashed(path, "make it again")
        document = json.loads(path.read_text(encoding="utf-8"))
        tables = {name: table(name, document[name]) for name in COLUMNS}
        return Profile(document["labels"], **tables)
    except FileNotFoundError as error:
        raise StoreError(f"{str(folder)!r} holds no {FILE}") from error
    except StoreError:
        raise
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{str(path)!r} is damaged ({error}); make it again") from error
