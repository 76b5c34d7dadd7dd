"""The part that `sns` and `demo` share: an experiment with progress, affine copies and a report."""

from collections.abc import Sequence
from pathlib import Path

from invariscope.analysis.affine import affine_baseline
from invariscope.cli.options import check_page
from invariscope.cli.progress import LiveProgress
from invariscope.cli.search_options import SearchCommandOptions, tell_kind
from invariscope.cli.terminal import notes, tell_page
from invariscope.experiments.experiment import ExperimentCondition, run_experiment
from invariscope.report.report import write_report
from invariscope.report.source import AFFINE
from invariscope.report.strongest_photos import photos_are_there
from invariscope.store.hashes import write_hashed


def report_experiment(
    common: SearchCommandOptions,
    model: str,
    unit: str,
    conditions: Sequence[ExperimentCondition],
    out: Path,
    *,
    command: str,
    open_page: bool,
    headline: str = "",
    reference: Path | None = None,
    mei_seed: int = 0,
    mei_tries: int = 1,
) -> None:
    """Run the conditions from one reference, keep affine copies beside, write the report."""
    subject, generator = common.load(model)
    check_page(out)
    tell_kind(subject, unit)
    heads = iter([(out, headline)])

    def step(title: str) -> LiveProgress:
        folder, head = next(heads, (None, ""))
        return LiveProgress(head + title, folder)

    result = run_experiment(
        subject,
        generator,
        unit,
        conditions,
        out=out,
        options=common.options(),
        reference=reference,
        mei_seed=mei_seed,
        mei_tries=mei_tries,
        watch=step,
        note=lambda text: notes().print(text),
    )
    table = affine_baseline(subject, unit, result.reference.image, shown=generator.constrain)
    write_hashed(out / AFFINE, table.to_parquet)
    photos = common.natural if photos_are_there(common.natural) else None
    tell_page(write_report(out, command=command, natural=photos), open_page=open_page)
