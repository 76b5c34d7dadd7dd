"""`invariscope study …`: hundreds of runs from one file."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from invariscope import user_code, validate
from invariscope.cli.numbers import Count, NotNegative, Positive
from invariscope.cli.options import Force
from invariscope.cli.study_progress import StudyTable, in_words
from invariscope.cli.terminal import (
    STARTS_AGAIN,
    Json,
    notes,
    output,
    print_json,
    print_table,
    tell_start,
)
from invariscope.errors import InputError, StoreError
from invariscope.jobs.engines import TIMEOUTS, Engine, LocalEngine, RayEngine, SlurmEngine
from invariscope.paper.published.importer import import_published
from invariscope.plurals import number_of
from invariscope.rig.verify import is_session_folder, verify_session
from invariscope.store.files import make_folder
from invariscope.store.own_files import check_may_replace
from invariscope.study.affine import measure_affine
from invariscope.study.batch import check_done
from invariscope.study.cost import cost_of, measure_rate
from invariscope.study.file import read_study
from invariscope.study.folder import StudyFolder, known_study, study_folder
from invariscope.study.index import read_rows, rebuild
from invariscope.study.pack import is_pack, pack_study, unpack_study
from invariscope.study.plan import plan_study
from invariscope.study.planned_again import no_longer_wanted
from invariscope.study.planned_run import PlannedRun
from invariscope.study.progress import StudyProgress, progress_of
from invariscope.study.runner import RUNS_PER_JOB, StudyRunner, ended_runs
from invariscope.study.verify import Verified, verify_store
from invariscope.survey.folder import DESIGN, SurveyFolder
from invariscope.units import NUMBER

study = App(name="study", help="Hundreds of runs from one file, on one machine or a cluster.")

File = Annotated[Path, Parameter(help="The study file (TOML).")]
Out = Annotated[Path, Parameter(alias="-o", help="The store: the runs of all studies.")]
AllowCode = Annotated[
    bool, Parameter(name="--allow-code", negative="", help="Let the file name file.py:factory.")
]
STORE = Path("store")
SMALLEST_LIMIT, LARGEST_LIMIT = 1e-6, 1e6  # gigabytes


@Parameter(name="*")
@dataclass(frozen=True)
class EngineOptions:
    """Where the runs of a study go on."""

    engine: Annotated[
        Literal["local", "ray", "slurm"], Parameter(help="This machine, Ray or SLURM.")
    ] = "local"
    runs_per_job: Annotated[
        Count, Parameter(help="The most runs that advance together in a job.")
    ] = RUNS_PER_JOB
    device: Annotated[str, Parameter(help="local: auto, cpu, cuda, cuda:N or mps.")] = "auto"
    threads: Annotated[Count | None, Parameter(help="local: torch threads on the CPU.")] = None
    workers: Annotated[Count, Parameter(help="local: processes on each device.")] = 1
    address: Annotated[
        str | None, Parameter(help="ray: of a running cluster (auto, host:port); else one here.")
    ] = None
    compiled: Annotated[
        bool,
        Parameter(
            name="--compile", negative="", help="Compile networks: slow to start, then faster."
        ),
    ] = False
    cpus: Annotated[Count, Parameter(help="ray, slurm: processors (and threads) of a task.")] = 1
    gpus: Annotated[
        NotNegative, Parameter(help="ray, slurm: GPUs of a task; ray takes shares.")
    ] = 0.0
    at_once: Annotated[Count, Parameter(help="slurm: tasks of an array at a time.")] = 1000
    timeouts: Annotated[
        Count, Parameter(help="slurm: how often a job that ran out of time is put back.")
    ] = TIMEOUTS
    slurm: Annotated[
        tuple[str, ...],
        Parameter(
            negative="", help="slurm: submitit's parameters, such as --slurm slurm_partition=gpu."
        ),
    ] = ()

    def start(self, study: StudyFolder) -> Engine:
        """Start the engine, ready to take batches."""
        return self.start_at(study.batches)

    def start_at(self, jobs: Path) -> Engine:
        """Start the engine, ready to take jobs with files in this folder."""
        if self.engine == "local":
            return LocalEngine(self.device, self.threads, self.workers)
        if self.engine == "ray":
            return RayEngine(self.address, cpus=self.cpus, gpus=self.gpus)
        if self.gpus != int(self.gpus):
            raise InputError(f"--gpus is {self.gpus}; SLURM gives whole GPUs")
        return SlurmEngine(
            jobs / "slurm",
            cpus=self.cpus,
            gpus=int(self.gpus),
            at_once=self.at_once,
            timeouts=self.timeouts,
            options=_parameters(self.slurm),
        )


def _parameters(words: tuple[str, ...]) -> dict[str, Any]:
    """Read `name=value` pairs; a value of digits becomes a whole number.

    Raises:
        InputError: a word without `=`, or a time limit that is no whole number of minutes.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign:
            raise InputError(f"--slurm {word!r} is not understood; expected name=value")
        if name == "timeout_min" and not (NUMBER.fullmatch(value) and int(value) > 0):
            raise InputError(
                f"--slurm timeout_min is {value!r}; expected whole minutes, such as 240"
            )
        found[name] = int(value) if NUMBER.fullmatch(value) else value
    return found


def _planned(file: Path, folder: StudyFolder, *, allow_code: bool) -> list[PlannedRun]:
    asked = read_study(file)
    notes().print(f"planning {asked.title or file.name} …", style="dim", markup=False)
    runs = plan_study(asked, file.resolve().parent, allow_code=allow_code)
    notes().print(no_longer_wanted(folder, runs), style="yellow", markup=False, end="")
    return runs


@study.command
def plan(
    file: File,
    /,
    *,
    out: Out = STORE,
    rate: Annotated[
        Positive | None, Parameter(help="Images a second, instead of measuring a few generations.")
    ] = None,
    workers: Annotated[Count, Parameter(help="Processes or GPUs that share the work.")] = 1,
    device: Annotated[str, Parameter(help="Where the rate is measured.")] = "auto",
    allow_code: AllowCode = False,
    json: Json = False,
) -> None:
    """Print a study's runs, images, time and disk, before anything starts."""
    folder = StudyFolder(out, file.stem)
    planned_runs, rows = _planned(file, folder, allow_code=allow_code), read_rows(folder.runs)
    cost = cost_of(planned_runs, rows)
    left = [run for run in planned_runs if run.name not in rows]
    measured = rate is None and bool(left)
    if measured:
        rate = measure_rate(left, device)
    seconds = cost.images / rate / workers if rate else 0.0
    conditions = _conditions(planned_runs, rows)
    if json:
        print_json(
            {"conditions": conditions, **asdict(cost), "images_a_second": rate, "seconds": seconds}
        )
        return
    counts = ("runs", "done", "images, at most")
    rows = [
        (str(row["condition"]), str(row["runs"]), str(row["done"]), f"{row['images']:,}")
        for row in conditions
    ]
    print_table(("condition", *counts), rows, read_study(file).title or file.name, right=counts)
    output().print(
        f"{number_of(cost.runs, 'run')} to do, {cost.meis} of them for MEIs ({cost.done} are "
        f"done) · at most {number_of(cost.images, 'image', ',')} · {in_words(seconds)} on "
        f"{number_of(workers, 'worker')} at {rate or 0:.0f} images/s each "
        f"({'measured here' if measured else 'as given'}) · about {cost.bytes / 1e9:.2f} GB on "
        "disk"
    )


def _conditions(
    planned_runs: Sequence[PlannedRun], rows: Mapping[str, Any]
) -> list[dict[str, str | int]]:
    """Count runs, runs that are done and images left, a row a condition."""
    found = []
    for condition in dict.fromkeys(run.condition for run in planned_runs):
        runs = [run for run in planned_runs if run.condition == condition]
        left = [run for run in runs if run.name not in rows]
        counts = {"runs": len(runs), "done": len(runs) - len(left)}
        found.append({"condition": condition, **counts, "images": sum(r.images for r in left)})
    return found


def _tell_failures(progress: StudyProgress) -> None:
    for sentence, count in progress.failures.items():
        output().print(f"{count} failed: {sentence}", style="red", markup=False)


def _go_on(study: StudyFolder, where: EngineOptions, *, allow_code: bool) -> None:
    """Work on a study until every run has ended or failed."""
    for run in study.planned_runs():  # what was planned may have come in an archive
        for address in (run.subject, run.generator):
            user_code.allow(address, allow_code=allow_code)
    with study.alone():
        with where.start(study) as engine, StudyTable(study.name, notes()) as watch:
            runner = StudyRunner(
                study,
                engine,
                runs_per_job=where.runs_per_job,
                compiled=where.compiled,
                watch=watch,
            )
            tell_start(study.path)
            check_done((run for run in runner.planned_runs if run.name in runner.done), study.runs)
            progress = runner.run()
        if study.file().measure.affine:
            measure_affine(study, runner.done)
    _tell_failures(progress)
    total = progress.total
    output().print(f"{number_of(total.done, 'run')} done, {total.failed} failed: {study.path}")
    if total.failed:
        raise StoreError(
            f"{total.failed} of {number_of(total.done + total.failed + total.left, 'run')} "
            "failed; mend the cause, then `study retry`"
        )


@study.command
def run(
    file: File,
    /,
    *,
    out: Out = STORE,
    where: EngineOptions | None = None,
    allow_code: AllowCode = False,
) -> None:
    """Plan a study and work on its runs; a run that any study has done is not done again."""
    folder = StudyFolder(out.resolve(), file.stem)
    planned_runs = _planned(file, folder, allow_code=allow_code)
    make_folder(out)
    with folder.alone():
        folder.write(file.read_text(encoding="utf-8"), planned_runs, file.resolve().parent)
    _go_on(folder, where or EngineOptions(), allow_code=allow_code)


@study.command
def resume(
    file: File,
    /,
    *,
    out: Out = STORE,
    where: EngineOptions | None = None,
    allow_code: AllowCode = False,
) -> None:
    """Go on with a study as planned earlier, without planning again."""
    folder = known_study(out.resolve(), file.stem)
    _unchanged(folder, file)
    _go_on(folder, where or EngineOptions(), allow_code=allow_code)


@study.command
def retry(
    file: File,
    /,
    *,
    out: Out = STORE,
    where: EngineOptions | None = None,
    allow_code: AllowCode = False,
) -> None:
    """Try the runs that failed once more, and go on with the others."""
    folder = known_study(out.resolve(), file.stem)
    _unchanged(folder, file)
    with folder.alone():
        folder.save_failed({})
    _go_on(folder, where or EngineOptions(), allow_code=allow_code)


def _unchanged(folder: StudyFolder, file: Path) -> None:
    with suppress(FileNotFoundError):
        if file.read_text(encoding="utf-8") != folder.text():
            raise InputError(
                f"{str(file)!r} changed since the study was planned; `study run` plans it again"
            )


@study.command
def status(file: File, /, *, out: Out = STORE, json: Json = False) -> None:
    """Print how far a study is: done, running, failed, time left."""
    folder = known_study(out.resolve(), file.stem)
    planned_runs = folder.planned_runs()
    progress = progress_of(
        planned_runs, ended_runs(folder, planned_runs), folder.failed(), folder.news()
    )
    if json:
        print_json({**asdict(progress), "seconds_left": progress.seconds_left})
        return
    output().print(StudyTable.render(folder.name, progress), soft_wrap=False)
    _tell_failures(progress)


@study.command
def reindex(*, out: Out = STORE) -> None:
    """Write the index of a store again from its run folders."""
    tell_start(out / "runs", STARTS_AGAIN)
    count, damaged = rebuild(make_folder(out / "runs"))
    for sentence in damaged:
        output().print(sentence, style="red", markup=False)
    output().print(f"{number_of(count, 'run')}: {out / 'runs' / 'index.jsonl'}")


@study.command
def verify(
    store: Annotated[
        Path, Parameter(help="The store; or a folder of runs, a rig's session, a survey.")
    ] = STORE,
    /,
) -> int:
    """Hold every file of a store to its hash: a line a problem, with its repair; exit code 1."""
    found, console = _verified(store), output()
    for sentence in found.problems:
        console.print(sentence, style="red", markup=False)
    for name in found.unhashed:
        console.print(f"{name}: no hashes, written by 0.1", markup=False)
    console.print(
        f"{number_of(found.runs, 'run')}, {number_of(found.files, 'file')} held to their hashes, "
        f"{number_of(len(found.problems), 'problem')}: {store}",
    )
    return int(bool(found.problems))


def _verified(folder: Path) -> Verified:
    """Check a store, a session or a survey against the hashes of its files."""
    if (folder / DESIGN).is_file():
        survey, found = SurveyFolder(folder), Verified()
        found.attempt(survey.check)
        found.files = 0 if found.problems else len(survey.stimuli)
        return found
    if not is_session_folder(folder):
        return verify_store(folder)
    problems, files = verify_session(folder)
    found = verify_store(folder) if (folder / "runs").is_dir() else Verified()
    found.problems += problems
    found.files += files
    return found


@study.command
def pack(
    folder: Annotated[Path, Parameter(help="The study: STORE/studies/NAME.")],
    archive: Annotated[Path, Parameter(help="The tar file to write.")],
    /,
    *,
    force: Force = False,
) -> None:
    """Put a study and its runs into one file, with a checksum of each file inside."""
    check_may_replace(archive, is_pack, force=force)
    tell_start(archive, STARTS_AGAIN)
    files, size = pack_study(study_folder(folder), archive)
    output().print(f"{number_of(files, 'file')}, {size / 1e6:.1f} MB: {archive}")


@study.command
def unpack(
    archive: Annotated[Path, Parameter(help="What `study pack` wrote.")],
    /,
    *,
    out: Out = STORE,
    limit: Annotated[Positive, Parameter(help="The most gigabytes that are taken.")] = 100.0,
) -> None:
    """Check a packed study and take the study, with the runs that are missing, into a store."""
    validate.between("--limit", limit, SMALLEST_LIMIT, LARGEST_LIMIT)
    tell_start(out)
    name, taken, there = unpack_study(archive, make_folder(out), most_bytes=int(limit * 1e9))
    output().print(
        f"study {name!r}: {number_of(taken, 'run')} taken, {there} were there: "
        f"{out / 'studies' / name}",
    )


@study.command(name="import-snslib")
def import_snslib(
    folder: Annotated[Path, Parameter(help="The published files (Zenodo 15491763), unpacked.")],
    /,
    *,
    out: Out = STORE,
    name: Annotated[str, Parameter(help="The study that they become.")] = "published",
) -> None:
    """Read the published record of the paper into a store, to compare with its own images."""
    tell_start(out / "studies" / name)
    found = import_published(folder, make_folder(out).resolve(), name)
    for line in found.lines():
        output().print(line)
