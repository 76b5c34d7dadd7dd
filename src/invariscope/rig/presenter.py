"""Images are shown and measured: blocks in random order, controls among them, nothing lost."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from invariscope.rig.drift import gains
from invariscope.rig.file import BlockRequest, Recording
from invariscope.rig.ledger import CONTROL, RANGE, REFERENCE, ShownTrial, TrialLedger
from invariscope.rig.log import SessionLog
from invariscope.rig.noise import Floats, ResponseNoise, shrink_means
from invariscope.rig.repeats import Ints, Likely, RepeatPolicy
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
    """What some images brought, drift removed.

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


@dataclass
class ControlImages:
    """Images that are shown again and again among the candidates.

    Attributes:
        each: how many trials a block has of each kind, with the names of that kind's images.
    """

    each: dict[str, tuple[int, list[str]]] = field(default_factory=dict)


class Presenter:
    """Shows images on a rig and keeps what they bring; it goes on where a log ends.

    Args:
        folder: the session's.
        link: to the rig; None to look at what is there.
        recording, blocks: from the session file.
        say: told what a person should know.

    Attributes:
        targets: numbers of the units that must be recorded for a trial to count.
    """

    def __init__(
        self, folder: Path, link: Link | None, recording: Recording, blocks: BlockRequest, say: Say
    ) -> None:
        for place in ("images", "codes"):
            make_folder(folder / place)
        self.folder, self.link, self.recording, self.blocks = folder, link, recording, blocks
        self.units, self.say = recording.units, say
        self.ledger = TrialLedger(SessionLog(folder))
        self.controls = ControlImages()
        self.targets: tuple[int, ...] = tuple(range(len(self.units)))

    def measure(
        self,
        key: str,
        images: Tensor,
        repeats: RepeatPolicy,
        *,
        codes: Tensor | None = None,
        likely: Likely | None = None,
    ) -> MeasuredResponses:
        """Show images as often as a policy says, or take what the log has of them.

        Args:
            key: of the request: the same one gets the same trials, however often the session
                was started again.
            images: `(n, 3, h, w)` in [0, 1].
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
        if known := self.ledger.measured.get(key):
            return _plain_measured(known, shown, names)
        while True:
            if self.ledger.open_block:
                self._wait(self.ledger.open_block)
            found = self._tally(key, names, shown)
            planned_runs = self._needed(key, found, repeats, likely)
            if not planned_runs.any():
                # What was told once stays as it was, whatever comes late.
                numbers = {name: getattr(found, name).tolist() for name in NUMBERS}
                self.ledger.add({"event": "measured", "key": key, **numbers})
                return found
            # One block at a time, so that what is asked follows from the log alone.
            pending = [name for name, n in zip(names, planned_runs, strict=True) for _ in range(n)]
            self._block(key, pending[: self.blocks.trials])

    def _file(self, name: str) -> Path:
        return self.folder / "images" / f"{name}.png"

    def image(self, name: str) -> Tensor:
        """An image as it was shown, `(3, h, w)` in [0, 1].

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
        """Where the codes of a request's images are, if it has any."""
        return self.folder / "codes" / f"{key.replace('/', '-')}.safetensors"

    def codes(self, key: str) -> Tensor:
        """The codes of a request's images, `(n, code_dim)`."""
        return read_codes(self.codes_file(key))

    def _same_codes(self, key: str, codes: Tensor | None) -> None:
        """Make sure that a request which goes on is the one that began."""
        if codes is None:
            return
        before = self.codes(key)
        if not torch.allclose(before.double(), codes.detach().cpu().double(), atol=1e-5):
            raise StoreError(
                f"the session showed other images for {key!r} than the search asks for now; put "
                "its run folder back as it was, or begin another session"
            )

    def _needed(
        self, key: str, found: MeasuredResponses, repeats: RepeatPolicy, likely: Likely | None
    ) -> Ints:
        """How many more trials each image needs; equal images share theirs."""
        first = _first(found.names)
        alone = np.array([first[name] == i for i, name in enumerate(found.names)])
        times = Counter(trial.image for trial in self.ledger.of(key))
        shown = np.array([times[name] for name in found.names], np.int64)
        recorded = found.counts[:, list(self.targets)].min(1)

        def sure() -> Floats:
            assert likely is not None
            assert self.noise is not None
            return likely(found.means, self.noise.errors(found.means, found.counts))

        asked = likely is not None and self.noise is not None and bool(recorded.any())
        return np.where(alone, repeats.needed(recorded, shown, sure if asked else None), 0)

    def _block(self, key: str, pending: Sequence[str]) -> None:
        """Put trials and controls in random order, into the log and in front of the rig."""
        number = len(self.ledger.blocks)
        stream = seeds.numpy_stream(self.recording.name, "block", number)
        entries = [(name, key) for name in pending]
        for n, images in self.controls.each.values():
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
        """Show a block until it is answered, or was answered in part and then silence fell."""
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
                self.say(f"block {block}: {len(missing)} trials have no answer and are given up")
                break
            elif silent and not warned:
                self.say(f"no sign of the rig for {patience:g} s; waiting for block {block}")
                warned = True
        link.withdraw(block)
        ledger.add({"event": "closed", "block": block})

    def numbers(self, trials: Sequence[ShownTrial]) -> Floats:
        """The units' responses in some trials, `(trials, units)`, drift as it is; NaN: none."""
        windows = self.recording.windows
        found = np.full((len(trials), len(self.units)), np.nan)
        for row, trial in enumerate(trials):
            answer = self.ledger.answers.get(trial.name)
            if answer:
                found[row] = [windows.read(answer.responses[unit]) for unit in self.units]
        return found

    def gains(self, trials: Sequence[ShownTrial]) -> Floats:
        """Each unit's drift in some trials, `(trials, units)`, 1 at the range block."""
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
        """How much responses vary, from the range block; None before it."""
        return self._range[1] if RANGE in self.ledger.measured else None

    @cached_property
    def _range(self) -> tuple[dict[str, Floats], ResponseNoise]:
        """The photos' usual responses `(units,)` by their names, and the noise."""
        means, variances, counts = _as_told(self.ledger.measured[RANGE])
        usual = shrink_means(means, variances, counts)
        names = self.ledger.requests[RANGE]
        return dict(zip(names, usual, strict=True)), ResponseNoise.fit(means, variances)

    def _usual(self) -> dict[str, Floats]:
        """What images that may be controls bring: the range block's and the references."""
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
        means, variances, counts = _moments(values, rows, len(names))
        same = [first[name] for name in names]  # equal images share their trials
        return MeasuredResponses(means[same], variances[same], counts[same], images, tuple(names))

    def note(self, text: str) -> None:
        """Say something and keep it in the log."""
        self.ledger.add({"event": "note", "text": text})
        self.say(text)

    def close(self) -> None:
        """Give the log back; the link is whose it was."""
        self.ledger.log.close()


def _first(names: Sequence[str]) -> dict[str, int]:
    """Where each name comes first."""
    return {name: i for i, name in reversed([*enumerate(names)])}


def _moments(values: Floats, rows: Sequence[int], images: int) -> tuple[Floats, Floats, Ints]:
    """Mean, variance and number of what was recorded, `(images, units)` each.

    Args:
        values: `(trials, units)`; NaN where a unit was not recorded.
        rows: the image of each trial.
    """
    recorded, shape = ~np.isnan(values), (images, values.shape[1])
    counts, sums, squares = np.zeros(shape, np.int64), np.zeros(shape), np.zeros(shape)
    np.add.at(counts, rows, recorded)
    np.add.at(sums, rows, np.where(recorded, values, 0))
    with np.errstate(invalid="ignore"):
        means = sums / counts
        apart = np.where(recorded, values - means[rows], 0)
        np.add.at(squares, rows, np.square(apart))
        variances = np.where(counts > 1, squares / (counts - 1), np.nan)
    return means, variances, counts


def _plain_measured(
    known: Mapping[str, Any], shown: Tensor, names: Sequence[str]
) -> MeasuredResponses:
    """A result as the log has it."""
    return MeasuredResponses(*_as_told(known), shown, tuple(names))


def _as_told(known: Mapping[str, Any]) -> tuple[Floats, Floats, Ints]:
    """Means, variances and counts as the log has them, `(images, units)` each."""
    means, variances = (np.array(known[name], np.float64) for name in NUMBERS[:2])
    return means, variances, np.array(known["counts"], np.int64)


def read_codes(path: Path) -> Tensor:
    """Codes `(n, code_dim)` from their file.

    Raises:
        StoreError: it is missing or damaged.
    """
    try:
        return load_file(path)["codes"]
    except (OSError, KeyError, SafetensorError) as error:
        raise StoreError(f"{str(path)!r} is missing or damaged; put a copy back") from error
