"""A session as one NWB file: images, presentations, responses, spike times, codes."""

import importlib
import warnings
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from invariscope import seeds
from invariscope.errors import InputError
from invariscope.optional import optional_library
from invariscope.rig.export import RecordedSession
from invariscope.rig.names import nwb_column
from invariscope.store.files import replace_file

SCRIPT = "invariscope rig export"
TEXT = (
    ("trial", "name of the presentation in the session's log"),
    ("image", "name of the image: the first 16 hex digits of the sha256 of its 8-bit pixels"),
    ("kind", "why it was shown: range, reference, search, held back, control"),
    ("request", "what it was shown for: a search and its generation, or a block"),
)
WHOLE = (
    ("generation", "generation of the search, -1 where there is none"),
    ("candidate", "its number in that generation, -1 where there is none"),
)


def is_session(path: Path) -> bool:
    """Tell whether a file is an NWB file that `write_nwb` wrote."""
    optional_library("pynwb", "rig")
    with importlib.import_module("h5py").File(path, "r") as file:
        script = file.get("general/source_script")
        return script is not None and script.attrs.get("file_name") == SCRIPT


def write_nwb(recorded: RecordedSession, path: Path, *, start: datetime | None = None) -> Path:
    """Write a session as NWB 2.

    Args:
        path: ends in `.nwb`.
        start: when the rig's clock stood at the first presentation; by default when the session's
            folder was made.

    Raises:
        InputError: pynwb is not installed, or another suffix.
        StoreError: the file cannot be written.
    """
    if path.suffix != ".nwb":
        raise InputError(f"{str(path)!r} does not end in .nwb")
    pynwb, rig = optional_library("pynwb", "rig"), recorded.asked.rig
    made = datetime.fromtimestamp((recorded.folder / "session.json").stat().st_mtime, UTC)
    identifier = f"{seeds.integer('nwb', rig.name, str(recorded.folder.resolve())):016x}"
    file = pynwb.NWBFile(
        session_description=f"invariscope session {rig.name!r}: images chosen by their responses",
        identifier=identifier,
        session_start_time=start or made,
        session_id=rig.name,
        experiment_description="Stretch-and-Squeeze search on recorded units (arXiv 2506.17040)",
        keywords=["stretch-and-squeeze", "closed loop"],
        source_script=f"invariscope {version('invariscope')}",
        source_script_file_name=SCRIPT,
    )
    if rig.subject:
        file.subject = pynwb.file.Subject(**rig.subject)
    _stimuli(pynwb, file, recorded)
    _presentations(file, recorded)
    _images(file, recorded)
    _spikes(file, recorded)

    def write(part: Path) -> None:
        with warnings.catch_warnings():  # it gets its own name when it is whole
            warnings.filterwarnings("ignore", message=".*does not end in '.nwb'")
            with pynwb.NWBHDF5IO(str(part), "w") as io:
                io.write(file)

    replace_file(path, write)
    return path


def _names(recorded: RecordedSession) -> list[str]:
    """List every shown image, in the order of its first presentation."""
    return list(dict.fromkeys(recorded.trials["image"]))


def _stimuli(pynwb: Any, file: Any, recorded: RecordedSession) -> None:
    names = _names(recorded)
    pictures = [
        pynwb.image.RGBImage(
            name=name,
            data=(recorded.image(name) * 255).round().byte().permute(1, 2, 0).numpy(),
            description="as shown, 8 bits a channel",
        )
        for name in names
    ]
    order = pynwb.base.ImageReferences(name="order_of_images", data=pictures)
    template = pynwb.base.Images(
        name="images", images=pictures, description="every image", order_of_images=order
    )
    file.add_stimulus_template(template)
    row = {name: i for i, name in enumerate(names)}
    series = pynwb.image.IndexSeries(
        name="presented",
        data=np.array([row[name] for name in recorded.trials["image"]], np.uint32),
        **_when(_start(recorded)),
        indexed_images=template,
        unit="N/A",
        description="which image came up when",
    )
    file.add_stimulus(series)


def _start(recorded: RecordedSession) -> np.ndarray:
    shown = recorded.trials["shown"].to_numpy(float)
    return shown - min(shown[0], 0.0)


def _when(seconds: np.ndarray) -> dict[str, Any]:
    """Describe the times of a series, as a rate where the times are regular."""
    steps = np.diff(seconds)
    if len(steps) and np.allclose(steps, steps[0], rtol=1e-6, atol=1e-6):
        return {"starting_time": float(seconds[0]), "rate": float(1 / steps.mean())}
    return {"timestamps": seconds}


def _presentations(file: Any, recorded: RecordedSession) -> None:
    trials, units = recorded.trials, recorded.units
    for name, description in (*TEXT, *WHOLE):
        file.add_trial_column(name, description)
    file.add_trial_column("recorded", "whether the rig answered")
    for unit in units:
        file.add_trial_column(nwb_column(unit), f"response of {unit}, drift included, NaN: none")
        file.add_trial_column(f"{nwb_column(unit)}_gain", f"drift of {unit}: divide by it")
    length = recorded.asked.rig.on_ms / 1000
    for begin, row in zip(_start(recorded), trials.to_dict("records"), strict=True):
        words = {name: str(row[name]) for name, _ in TEXT}
        numbers = {name: int(row[name]) for name, _ in WHOLE}
        own = {nwb_column(u): float(row[u]) for u in units}
        own |= {f"{nwb_column(u)}_gain": float(row[f"gain {u}"]) for u in units}
        file.add_trial(
            start_time=float(begin),
            stop_time=float(begin) + length,
            recorded=bool(row["answered"]),
            **words,
            **numbers,
            **own,
        )


def _images(file: Any, recorded: RecordedSession) -> None:
    """Tabulate each image's code and the request that first showed the image."""
    common = importlib.import_module("hdmf.common")
    codes = recorded.codes
    if not codes:
        return
    first = recorded.trials.drop_duplicates("image").set_index("image")
    names = [name for name in _names(recorded) if name in codes]
    columns = [
        common.VectorData(name="image", description="name of the image", data=names),
        common.VectorData(
            name="generation",
            description="of the search in which it was first shown, -1 where there is none",
            data=[int(first.loc[name, "generation"]) for name in names],
        ),
        common.VectorData(
            name="code",
            description="what the generator made it from",
            data=np.stack([codes[name].double().numpy() for name in names]),
        ),
    ]
    table = common.DynamicTable(
        name="image_codes", description="images that were generated", columns=columns
    )
    module = file.create_processing_module("misc", "what made the images")
    module.add(table)


def _spikes(file: Any, recorded: RecordedSession) -> None:
    """Tabulate spike times of units with spike times for answers."""
    trains: dict[str, list[float]] = {unit: [] for unit in recorded.units}
    told: list[float] = []
    begins: dict[str, list[float]] = {unit: [] for unit in recorded.units}
    for trial, begin in zip(recorded.trials["trial"], _start(recorded), strict=True):
        answer = recorded.answers.get(trial)
        for unit, value in answer.responses.items() if answer else ():
            if isinstance(value, tuple):
                trains[unit] += [begin + time / 1000 for time in value]
                begins[unit].append(begin)
                told += value
    if not any(trains.values()):
        return
    step = recorded.asked.rig.resolution_ms or _finest_step(told)
    file.units = importlib.import_module("pynwb").misc.Units(
        name="units",
        description="the recorded units; spikes are known within the trials' windows only",
        resolution=step / 1000,
    )
    file.add_unit_column("unit_name", "what the session calls the unit")
    # A trial that was lost is outside of every interval, so its silence is none.
    windows = [w for w in (recorded.asked.rig.window, recorded.asked.rig.baseline) if w]
    edges = [*told, *(edge for window in windows for edge in window)]
    span = np.array([min(edges), max(edges)]) / 1000
    for unit, train in trains.items():
        times = np.unique(np.array(train))
        intervals = np.array(begins[unit])[:, None] + span
        file.add_unit(spike_times=times[times >= 0], unit_name=unit, obs_intervals=intervals)


def _finest_step(times: list[float]) -> float:
    """Find the decimal step that divides all times in ms, from 1 ms down to 0.1 µs.

    Readers take an NWB file's resolution for its sampling rate and move spikes onto that grid, so
    a step that is too coarse would change them.
    """
    values = np.array(times)
    steps = [10.0**-power for power in range(5)]
    fits = [s for s in steps if np.allclose(values / s, np.round(values / s), rtol=0, atol=1e-3)]
    return fits[0] if fits else steps[-1]
