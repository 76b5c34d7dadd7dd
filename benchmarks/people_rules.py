"""How does a network's shape bias depend on the rule that makes 16 categories of 1,000 classes?

    python benchmarks/people_rules.py PEOPLE [--network MODEL --weights FILE]

PEOPLE as in `people.py`, whose page has the table. Writes `benchmarks/people_rules.json`.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import invariscope as iv
from bench.machine import describe
from invariscope.analysis.shape_bias import CUE_CONFLICT, cues
from invariscope.analysis.sixteen_categories import check_imagenet, class_numbers
from invariscope.photos.read import read_photo
from invariscope.survey.compare import find_images

OUT = Path(__file__).with_suffix(".json")
BATCH, ENLARGED = 32, 256


def _each(values: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
    """Reduce the classes of each category, `(n, 16)`."""
    return torch.stack([of(values[:, list(own)]) for own in class_numbers().values()], 1)


def _of_a_thousand(logits: Tensor) -> Tensor:
    """Score the category of the best of all classes; nothing where that is in none."""
    best = F.one_hot(logits.argmax(1), logits.shape[1]).double()
    return _each(best, lambda own: own.sum(1))


# A rule's words, and the scores `(n, 16)` that it makes of logits `(n, 1000)`.
RULES: dict[str, Callable[[Tensor], Tensor]] = {
    "mean probability (the published rule)": lambda x: _each(x.softmax(1), lambda p: p.mean(1)),
    "largest probability": lambda x: _each(x.softmax(1), lambda p: p.amax(1)),
    "sum of probabilities": lambda x: _each(x.softmax(1), lambda p: p.sum(1)),
    "mean logit": lambda x: _each(x, lambda p: p.mean(1)),
    "best of the 1,000 classes": _of_a_thousand,
}


def enlarged(images: Tensor) -> Tensor:
    """Enlarge images to 256 pixels, bicubic, and cut out the middle."""
    side = images.shape[-1]
    large = F.interpolate(images, ENLARGED, mode="bicubic", antialias=True).clamp(0, 1)
    first = (ENLARGED - side) // 2
    return large[..., first : first + side, first : first + side]


SIZES: dict[str, Callable[[Tensor], Tensor]] = {
    "as people saw them": lambda images: images,
    "enlarged to 256, the middle": enlarged,
}


def measure(folder: Path, model: str, weights: str) -> dict[str, Any]:
    """Measure the bias by every rule, at both sizes, without and with images whose cues agree."""
    answers = iv.load_answers(folder / "answers" / CUE_CONFLICT)
    files = find_images(answers, folder)
    named = [cues(image) for _, image in files]
    shape, texture = (np.array(words, object) for words in zip(*named, strict=True))
    subject = iv.load_subject(model, weights=weights)
    readout, names, paths = check_imagenet(subject), np.array([*class_numbers()]), [*files.values()]
    rows = []
    for size, made in SIZES.items():
        parts = []
        for start in range(0, len(paths), BATCH):
            read = [read_photo(path).float() / 255 for path in paths[start : start + BATCH]]
            images = subject.see(made(torch.stack(read)))
            parts.append(subject.respond(images, [readout])[readout].flatten(1).double())
        logits = torch.cat(parts)
        for rule, score in RULES.items():
            scores = score(logits)
            none = (scores.amax(1) == scores.amin(1)).numpy()  # the best class is in no category
            given = np.where(none, "", names[scores.argmax(1).numpy()])
            for agree in (False, True):
                counted = (shape != texture) | agree
                s, t = ((counted & (given == cue)).sum() for cue in (shape, texture))
                counts = {"shape": int(s), "texture": int(t), "bias": float(s / (s + t))}
                rows.append({"size": size, "rule": rule, "agree": agree, **counts})
    return {"network": model, "rows": rows, "machine": describe(torch.device("cpu"))}


def as_markdown(found: dict[str, Any]) -> str:
    """Write the table: a row a rule, the bias at each size without and with agreeing cues."""
    columns = [(size, agree) for size in SIZES for agree in (False, True)]
    bias = {(row["size"], row["agree"], row["rule"]): row["bias"] for row in found["rows"]}
    heads = [f"{size}{', agreeing cues too' if agree else ''}" for size, agree in columns]
    text = f"| a category's score | {' | '.join(heads)} |\n| --- |{' ---: |' * len(columns)}\n"
    for rule in RULES:
        cells = " | ".join(f"{bias[*column, rule]:.3f}" for column in columns)
        text += f"| {rule} | {cells} |\n"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("people", type=Path)
    parser.add_argument("--network", default="timm:tf_efficientnet_lite0")
    parser.add_argument("--weights", default="pretrained")
    asked = parser.parse_args()
    found = measure(asked.people, asked.network, asked.weights)
    OUT.write_text(json.dumps(found, indent=1) + "\n")
    print(as_markdown(found))


if __name__ == "__main__":
    main()
