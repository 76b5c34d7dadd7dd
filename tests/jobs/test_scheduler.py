"""The one queue of work: held to what any schedule must give, over random studies and engines."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invariscope.errors import InputError
from invariscope.jobs import scheduler as scheduler_module
from invariscope.jobs.engines import Engine, LocalEngine
from invariscope.jobs.job import Job, JobReport, read_news
from invariscope.jobs.scheduler import Scheduler


@dataclass(frozen=True)
class Item:
    """A run that ends, fails or is busy the first time; it may depart from an earlier one."""

    name: str
    batch_key: int
    fate: str
    reference: str | None


class OwnError(Exception):
    """What only a user's code knows."""


@dataclass(frozen=True, kw_only=True)
class ItemJob(Job):
    """Items as a job; those that fail raise an error of the user's own."""

    items: tuple[Item, ...]

    @property
    def names(self):
        return tuple(item.name for item in self.items)

    def _work(self, report, news):
        for item in self.items:
            news.tell(at=item.name)
            if item.fate == "fails":
                raise OwnError(f"{item.name} cannot be")
            report.rows.append({"name": item.name})


class RandomEngine(Engine):
    """Ends any of the jobs that it holds, in the order that `draw` chooses; checks what it gets."""

    name = "random"

    def __init__(self, slots, draw):
        self.slots, self.draw, self.held, self.tried = slots, draw, [], set()
        self.order = []

    def submit(self, jobs):
        self.held += jobs
        assert self.slots is None or len(self.held) <= self.slots
        assert all(len({item.batch_key for item in job.items}) == 1 for job in jobs)

    def poll(self, seconds, watch):
        reports = []
        for _ in range(self.draw(st.integers(1, len(self.held)), label="ended")):
            job = self.held.pop(self.draw(st.integers(0, len(self.held) - 1), label="which"))
            self.order.append(job)
            report = JobReport(job.number)
            for item in job.items:
                if item.fate == "busy" and item.name not in self.tried:
                    report.busy.append(item.name)
                elif item.fate == "fails":
                    report.failed[item.name] = "why"
                self.tried.add(item.name)
            reports.append(report)
        return reports

    def stop(self):
        self.held = None


@st.composite
def studies(draw):
    items = []
    for number in range(draw(st.integers(0, 14))):
        earlier = [None, *(item.name for item in items)]
        fate = draw(st.sampled_from(["ends", "ends", "ends", "fails", "busy"]))
        reference = draw(st.sampled_from(earlier))
        items.append(Item(f"i{number}", draw(st.integers(0, 2)), fate, reference))
    return items


def outcome(items):
    """The slow twin: an item fails where it or any that it departs from fails."""
    by_name = {item.name: item for item in items}

    def fails(item):
        return item.fate == "fails" or (item.reference and fails(by_name[item.reference]))

    return {item.name for item in items if fails(item)}


@given(studies(), st.sampled_from([None, 1, 2, 3]), st.integers(1, 5), st.data())
def test_every_item_ends_or_fails_once_and_after_its_reference(items, slots, per_job, data):
    engine, kept, watched = RandomEngine(slots, data.draw), [], []

    def make_job(number, chosen):
        return ItemJob(number=number, news=Path("news"), items=tuple(chosen))

    with pytest.MonkeyPatch.context() as patch, engine:
        patch.setattr(scheduler_module, "BUSY_WAIT", 0.0)
        scheduler = Scheduler(
            engine, make_job, kept.extend, per_job=per_job, watch=lambda: watched.append(0)
        )
        for item in items:
            scheduler.add(item, item.reference)
        scheduler.run()
    assert engine.held is None
    failed = outcome(items)
    assert set(scheduler.failed) == failed
    assert scheduler.done == {item.name for item in items} - failed
    assert [job for job, _ in kept] == engine.order
    assert watched
    done = set()
    for job, report in kept:
        assert len(job.names) <= per_job
        assert not any(name in done for name in job.names)
        assert {item.reference for item in job.items} - {None} <= done
        done |= set(job.names) - set(report.busy) - set(report.failed)
    for item in items:
        if item.reference in failed:
            assert scheduler.failed[item.name].startswith("its reference was not found: ")


def test_what_is_done_or_failed_before_is_not_tried_and_fails_its_dependents():
    engine = RandomEngine(1, None)
    scheduler = Scheduler(
        engine, ItemJob, list, per_job=1, done=["there"], failed={"broken": "it was"}
    )
    scheduler.add(Item("there", 0, "ends", None))
    scheduler.add(Item("broken", 0, "ends", None))
    scheduler.add(Item("second", 0, "ends", "broken"), "broken")
    scheduler.run()
    assert engine.tried == set()
    assert scheduler.failed["second"] == "its reference was not found: it was"


def test_an_error_of_a_users_own_kind_fails_what_has_no_result_and_nothing_else(tmp_path):
    items = [Item("a", 0, "ends", None), Item("b", 0, "fails", None), Item("c", 0, "ends", None)]
    watched = []
    job = ItemJob(number=3, news=tmp_path / "3.json", items=tuple(items))
    with LocalEngine("cpu") as engine:
        engine.submit([job])
        (report,) = engine.poll(1.0, lambda: watched.append(read_news([job.news])))
    assert [row["name"] for row in report.rows] == ["a"]
    assert report.failed == dict.fromkeys("bc", "OwnError: b cannot be")
    assert watched[0][0]["at"] == "a"  # told while it worked, gone afterwards
    assert list(tmp_path.iterdir()) == []


def test_a_sentence_names_the_kind_of_error_but_for_a_users_mistake():
    from invariscope.jobs.job import sentence_of

    assert sentence_of(ValueError("two\nlines")) == "ValueError: two lines"
    assert sentence_of(InputError("a mistake")) == "a mistake"
