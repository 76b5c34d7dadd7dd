"""Showing images and measuring responses: blocks in random order, controls, nothing lost."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from invariscope import seeds
from invariscope.errors import StoreError
from invariscope.plurals import number_of
from invariscope.recordings.noise import Floats, ResponseNoise, shrink_means
from invariscope.recordings.responses import image_moments
from invariscope.rig.drift import gains
from invariscope.rig.file import BlockRequest, Recording
from invariscope.rig.ledger import CONTROL, RANGE, REFERENCE, ShownTrial, TrialLedger
from invariscope.rig.log import SessionLog
from invariscope.rig.repeats import Ints, Likely, RepeatPolicy, spread_trials
from invariscope.store.files import make_folder, replace_tensors
from invariscope.subjects.rig.link import Link
from invariscope.subjects.rig.messages import RigTrial, TrialBlock
from invariscope.subjects.rig.pixels import (
    as_shown,
    encode_images,
    in_bytes,
    named_image,
    pixel_name,
)

POLL = 0.25
NUMBERS = ("means", "variances", "counts")
Say = Callable[[str], None]


@dataclass(frozen=True)
class MeasuredResponses:
    """Responses to some images, drift removed.

    Attributes:
        means, variances: `(images, units)` over the trials in which a unit was recorded, in its
            own numbers (spikes per second); NaN where none (for variances, fewer than two).
        counts: `(images, units)` trials.
        images: `(images, 3, h, w)` as they were shown.
        names: of the images.
    """

    means: Floats
    variances: Floats
    counts: Ints
    images: Tensor = field(repr=False)
    names: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class BlockPlan:
    """The grounds for the trials of a block, besides the images that are asked for.

    Attributes:
        targets: numbers of the units that must be recorded for a trial to count.
        controls: how many trials of each kind of control, with the names of that kind's images.
    """

    targets: tuple[int, ...]
    controls: Mapping[str, tuple[int, Sequence[str]]] = field(default_factory=dict)

    def with_control(self, kind: str, trials: int, images: Sequence[str]) -> "BlockPlan":
        """Add a kind of control."""
        return replace(self, controls={**self.controls, kind: (trials, images)})


class Presenter:
    """Shows images on a rig and keeps the responses; goes on where a log ends.

    Args:
        folder: the session's.
        link: to the rig; None to look at what is there.
        recording, blocks: from the session file.
        say: told what a person should know.
    """

    def __init__(
        self, folder: Path, link: Link | None, recording: Recording, blocks: BlockRequest, say: Say
    ) -> None:
        for place in ("images", "codes"):
            make_folder(folder / place)
        self.folder, self.link, self.recording, self.blocks = folder, link, recording, blocks
        self.units, self.say = recording.units, say
        self.ledger = TrialLedger(SessionLog(folder))

    def measure(
        self,
        key: str,
        images: Tensor,
        repeats: RepeatPolicy,
        block_plan: BlockPlan,
        *,
        codes: Tensor | None = None,
        likely: Likely | None = None,
    ) -> MeasuredResponses:
        """Show images as often as a policy says, or take their responses from the log.

        Args:
            key: of the request: the same one gets the same trials, however often the session
                was started again.
            images: `(n, 3, h, w)` in [0, 1].
            block_plan: which units must be recorded, and the controls.
            codes: `(n, code_dim)` that made them, kept for the export.
            likely: from means and errors `(n, units)` to how likely each image is among the
                better half, for a policy that asks.

        Raises:
            StoreError: the disk is full; or the log has another request under this key.
        """
        begun = key in self.ledger.requests
        names = self._request(key, images, codes)
        shown = as_shown(images).cpu()
        if begun:  # what was shown is what was kept, whatever machine it goes on on
            shown = torch.stack([self.image(name) for name in names])
        if key in self.ledger.measured:
            return self.measured(key)
        while True:
            if self.ledger.open_block:
                self._wait(self.ledger.open_block)
            found = self._tally(key, names, shown)
            planned_runs = self._needed(key, found, repeats, block_plan.targets, likely)
            if not planned_runs.any():
                # What was told once stays as it was, whatever comes late.
                numbers = {name: getattr(found, name).tolist() for name in NUMBERS}
                self.ledger.add({"event": "measured", "key": key, **numbers})
                return found
            # One block at a time, so that what is asked follows from the log alone.
            pending = spread_trials(planned_runs)[: self.blocks.trials]
            self._block(key, [names[i] for i in pending], block_plan)

    def measured(self, key: str) -> MeasuredResponses:
        """Read the responses that a request has, from the log.

        Raises:
            KeyError: it is not measured yet.
            StoreError: the file of an image is missing or damaged.
        """
        names = tuple(self.ledger.requests[key])
        images = torch.stack([self.image(name) for name in names])
        return MeasuredResponses(*_as_told(self.ledger.measured[key]), images, names)

    def _file(self, name: str) -> Path:
        return self.folder / "images" / f"{name}.png"

    def image(self, name: str) -> Tensor:
        """Read an image as shown, `(3, h, w)` in [0, 1].

        Raises:
            StoreError: its file is missing or damaged.
        """
        try:
            return named_image(self._file(name))
        except OSError as error:
            raise StoreError(
                f"{str(self._file(name))!r} is missing or damaged; put a copy back"
            ) from error

    def store(self, images: Tensor) -> list[str]:
        """Keep images as PNG files and give their names."""
        found = in_bytes(images)
        names = [pixel_name(pixels) for pixels in found]
        new = {
            n: pixels for n, pixels in zip(names, found, strict=True) if not self._file(n).exists()
        }
        if new:
            for name, content in encode_images(new).items():
                part = self._file(f".{name}")
                try:
                    part.write_bytes(content)
                    part.replace(self._file(name))
                except OSError as error:
                    raise StoreError(f"cannot write {str(part)!r}: {error.strerror}") from error
        return names

    def _request(self, key: str, images: Tensor, codes: Tensor | None) -> list[str]:
        kept = self.codes_file(key)
        if key in self.ledger.requests:
            self._same_codes(key, codes)
            return self.ledger.requests[key]
        names = self.store(images)
        if codes is not None:
            replace_tensors(kept, {"codes": codes})
        self.ledger.add({"event": "request", "key": key, "images": names})
        return names

    def codes_file(self, key: str) -> Path:
        """Return the path of the codes of a request's images, if the request has codes."""
        return self.folder / "codes" / f"{key.replace('/', '-')}.safetensors"

    def codes(self, key: str) -> Tensor:
        """Read the codes of a request's images, `(n, code_dim)`."""
        return read_codes(self.codes_file(key))

    def _same_codes(self, key: str, codes: Tensor | None) -> None:
        """Check that a request goes on with the codes of its beginning."""
        if codes is None:
            return
        before = self.codes(key)
        if not torch.allclose(before.double(), codes.detach().cpu().double(), atol=1e-5):
            raise StoreError(
                f"the session showed other images for {key!r} than the search asks for now; put "
                "its run folder back as it was, or begin another session"
            )

    def _needed(
        self,
        key: str,
        found: MeasuredResponses,
        repeats: RepeatPolicy,
        targets: tuple[int, ...],
        likely: Likely | None,
    ) -> Ints:
        """Count how many more trials each image needs; equal images share their trials."""
        first = _first(found.names)
        alone = np.array([first[name] == i for i, name in enumerate(found.names)])
        times = Counter(trial.image for trial in self.ledger.of(key))
        shown = np.array([times[name] for name in found.names], np.int64)
        recorded = found.counts[:, list(targets)].min(1)

        def sure() -> Floats:
            assert likely is not None
            assert self.noise is not None
            return likely(found.means, self.noise.errors(found.means, found.counts))

        asked = likely is not None and self.noise is not None and bool(recorded.any())
        return np.where(alone, repeats.needed(recorded, shown, sure if asked else None), 0)

    def _block(self, key: str, pending: Sequence[str], block_plan: BlockPlan) -> None:
        """Put trials and controls in random order, into the log and in front of the rig."""
        number = len(self.ledger.blocks)
        stream = seeds.numpy_stream(self.recording.name, "block", number)
        entries = [(name, key) for name in pending]
        for n, images in block_plan.controls.values():
            if images:
                entries += [(str(name), CONTROL) for name in stream.choice(images, n)]
        order = stream.permutation(len(entries))
        begin = len(self.ledger.trials)
        trials = [(f"t{begin + k:06d}", *entries[i]) for k, i in enumerate(order)]
        self.ledger.add({"event": "block", "block": f"b{number:06d}", "trials": trials})

    def _trial_block(self, block: str) -> TrialBlock:
        shown = [self.ledger.trials[name] for name in self.ledger.blocks[block]]
        r = self.recording
        timing: dict[str, Any] = {"on_ms": r.on_ms, "off_ms": r.off_ms, "window_ms": r.window}
        timing |= {"baseline_ms": r.baseline} if r.baseline else {}
        return TrialBlock(block, tuple(RigTrial(s.name, s.image) for s in shown), r.units, timing)

    def _wait(self, block: str) -> None:
        """Show a block until every trial is answered, or until silence after a part."""
        ledger, link = self.ledger, self.link
        assert link is not None
        given = self._trial_block(block)
        link.show(given, {t.image: self._file(t.image).read_bytes() for t in given.trials})
        warned, patience, begun = False, self.recording.patience, time.monotonic()
        while missing := ledger.missing(block):
            delivery = link.receive(POLL)
            silent = min(link.silence, time.monotonic() - begun) > patience
            if delivery is not None:
                new, problems = ledger.take(delivery, self.units)
                link.confirm(delivery, problems)
                for text in problems:
                    self.say(text)
                warned = warned and not new
            elif silent and len(missing) < len(given.trials):
                self.say(
                    f"block {block}: {number_of(len(missing), 'trial')} without an answer given up"
                )
                break
            elif silent and not warned:
                self.say(f"no sign of the rig for {patience:g} s; waiting for block {block}")
                warned = True
        link.withdraw(block)
        ledger.add({"event": "closed", "block": block})

    def numbers(self, trials: Sequence[ShownTrial]) -> Floats:
        """Read the units' responses in trials, `(trials, units)`, drift included; NaN: none."""
        windows = self.recording.windows
        found = np.full((len(trials), len(self.units)), np.nan)
        for row, trial in enumerate(trials):
            answer = self.ledger.answers.get(trial.name)
            if answer:
                found[row] = [windows.read(answer.responses[unit]) for unit in self.units]
        return found

    def gains(self, trials: Sequence[ShownTrial]) -> Floats:
        """Measure each unit's drift in some trials, `(trials, units)`, 1 at the range block."""
        asked = np.array([t.number for t in trials], np.int64)
        expected = self._usual()
        again = [*self.ledger.of(RANGE), *self.ledger.of(CONTROL)]
        known = [t for t in again if t.image in expected]
        if not self.blocks.drift or not known or self.noise is None:
            return np.ones((len(trials), len(self.units)))
        usual = np.stack([expected[t.image] for t in known])
        variances = self.noise.variances(usual)
        numbers = np.array([t.number for t in known], np.int64)
        drift = self.blocks.drift
        return gains(asked, numbers, self.numbers(known), usual, variances, trials=drift)

    @property
    def noise(self) -> ResponseNoise | None:
        """Estimate how much responses vary, from the range block; None before that block."""
        return self._range[1] if RANGE in self.ledger.measured else None

    @cached_property
    def _range(self) -> tuple[dict[str, Floats], ResponseNoise]:
        """The photos' usual responses `(units,)` by their names, and the noise."""
        means, variances, counts = _as_told(self.ledger.measured[RANGE])
        usual = shrink_means(means, variances, counts)
        names = self.ledger.requests[RANGE]
        return dict(zip(names, usual, strict=True)), ResponseNoise.fit(means, variances)

    def _usual(self) -> dict[str, Floats]:
        """Give the usual responses to possible controls: range photos and references."""
        found = dict(self._range[0]) if RANGE in self.ledger.measured else {}
        for key, told in self.ledger.measured.items():
            if key.startswith(REFERENCE):
                found |= zip(self.ledger.requests[key], _as_told(told)[0], strict=True)
        return found

    def _tally(self, key: str, names: Sequence[str], images: Tensor) -> MeasuredResponses:
        trials = self.ledger.of(key)
        values = self.numbers(trials) / self.gains(trials)
        first = _first(names)
        rows = [first[trial.image] for trial in trials]
        means, variances, counts = image_moments(values, np.array(rows, np.int64), len(names))
        same = [first[name] for name in names]  # equal images share their trials
        return MeasuredResponses(means[same], variances[same], counts[same], images, tuple(names))

    def note(self, text: str) -> None:
        """Say a sentence and keep the sentence in the log."""
        self.ledger.add({"event": "note", "text": text})
        self.say(text)

    def close(self) -> None:
        """Close the log; the link stays with its owner."""
        self.ledger.log.close()


def _first(names: Sequence[str]) -> dict[str, int]:
    """Find the first place of each name."""
    return {name: i for i, name in reversed([*enumerate(names)])}


def _as_told(known: Mapping[str, Any]) -> tuple[Floats, Floats, Ints]:
    """Describe means, variances and counts as plain data of the log, `(images, units)` each."""
    means, variances = (np.array(known[name], np.float64) for name in NUMBERS[:2])
    return means, variances, np.array(known["counts"], np.int64)


def read_codes(path: Path) -> Tensor:
    """Read codes `(n, code_dim)` from their file.

    Raises:
        StoreError: it is missing or damaged.
    """
    try:
        return load_file(path)["codes"]
    except (OSError, KeyError, SafetensorError) as error:
        raise StoreError(f"{str(path)!r} is missing or damaged; put a copy back") from error
