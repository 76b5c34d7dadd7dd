"""What a file states, beside what its reader holds: an oracle that knows the formats by hand."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

# A single entry that stands for a table: the key of the table that it is.
SHORT = {"UnitSelection": "address", "StretchSelection": "site"}
# Keys of a paradigm's file by where the reader holds them.
INSIDE = {
    **dict.fromkeys(("network", "options", "transformations", "counts", "seeds"), "paradigm"),
    "data": "rule",
}


def differs(stated: Any, held: Any, where: str = "file") -> str:
    """The first place where a reader holds something else than a file states; "" where none."""
    if isinstance(stated, dict):
        return _table(stated, held, where)
    if isinstance(held, tuple | list):
        listed = stated if isinstance(stated, list) else [stated]
        if len(listed) != len(held):
            return f"{where}: {stated!r} became {held!r}"
        pairs = zip(listed, held, strict=True)
        return _first(differs(s, h, f"{where}[{k}]") for k, (s, h) in enumerate(pairs))
    if key := SHORT.get(type(held).__name__):
        return differs({key: stated}, held, where)
    same_kind = type(stated) is type(held) or (type(stated) is int and type(held) is float)
    return "" if same_kind and stated == held else f"{where}: {stated!r} became {held!r}"


def _first(found: Any) -> str:
    return next((one for one in found if one), "")


def _held(held: Any, key: str) -> Any:
    return held[key] if isinstance(held, Mapping) else getattr(held, key)


def _table(stated: dict[str, Any], held: Any, where: str) -> str:
    for key, value in stated.items():
        place = f"{where}.{key}"
        one = _first([_seeds(value, _held(held, key), place)]) if key == "seeds" else None
        if one is None:
            one = differs(value, _held(held, key), place)
        if one:
            return one
    if isinstance(held, BaseModel):
        for key, field in type(held).model_fields.items():
            if key not in stated and not field.is_required():
                default = field.get_default(call_default_factory=True, validated_data=vars(held))
                if getattr(held, key) != default:
                    return f"{where}.{key}: nothing became {getattr(held, key)!r}"
    return ""


def _seeds(stated: Any, held: Any, where: str) -> str:
    """A number of seeds is the first so many."""
    counted = type(stated) is int and isinstance(held, tuple)
    return differs(list(range(stated)) if counted else stated, held, where)


def study_differs(stated: dict[str, Any], held: Any) -> str:
    """As `differs`, of a study's file: a condition has what is shared unless it has its own."""
    whole = dict(stated)
    shared = whole.get("shared", {})
    whole["conditions"] = {
        name: {**shared, **own} for name, own in whole.get("conditions", {}).items()
    }
    return differs(whole, held)


def _transformation(stated: Any, held: Any, where: str) -> str:
    if isinstance(stated, list):
        parts = held.parts if type(held).__name__ == "Composition" else (held,)
        if len(parts) != len(stated):
            return f"{where}: {stated!r} became {held!r}"
        return _first(map(_transformation, stated, parts, [where] * len(parts)))
    table = {"name": stated} if isinstance(stated, str) else stated
    return differs(table, held, where)


def paradigm_differs(stated: dict[str, Any], held: Any) -> str:
    """As `differs`, of a study file of the across-category paradigm."""
    for key, value in stated.items():
        place = _held(held, INSIDE[key]) if key in INSIDE else held
        if key in ("transformations", "tested"):
            own = _held(place, key)
            if len(own) != len(value):
                return f"{key}: {value!r} became {own!r}"
            found = _first(map(_transformation, value, own, [key] * len(own)))
        elif key == "counts":
            found = _counts(value, place.counts)
        elif key == "seeds":
            found = _seeds(value, place.seeds, key)
        elif key == "recipe":
            found = differs({k: v for k, v in value.items() if k != "like"}, held.paradigm.recipe)
        elif key == "tau":
            found = differs(None if value == "search" else value, held.tau, key)
        elif key == "data":
            found = differs(value, held.rule, key)
        else:
            found = differs(value, _held(place, key), key)
        if found:
            return found
    return ""


def _counts(stated: Any, held: tuple[int, ...]) -> str:
    if isinstance(stated, list):
        return "" if sorted(stated) == list(held) else f"counts: {stated!r} became {held!r}"
    ends = held[0] == stated["first"] and held[-1] == stated["last"]
    return "" if ends and len(held) <= stated["number"] else f"counts: {stated!r} became {held!r}"
