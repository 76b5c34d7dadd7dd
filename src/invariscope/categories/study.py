"""A study of networks in its folder: file, plan, networks, failures."""

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from invariscope.categories.file import ParadigmRequest, parse_paradigm
from invariscope.categories.folder import NetworkFolder
from invariscope.categories.job import data_of
from invariscope.categories.plan import PlannedNetwork, label_of, plan_networks
from invariscope.categories.train import folders_of
from invariscope.devices import pick_device
from invariscope.errors import StoreError
from invariscope.jobs.failures import read_failures, save_failures
from invariscope.store.files import alone, make_folder
from invariscope.store.hashes import check_hashed, write_hashed

STUDY, PLAN = "study.toml", "plan.json"
PLAN_REPAIR = "delete it, and `categories train` with the study's file writes it again"


@dataclass
class NetworkStudy:
    """A study of networks in its folder.

    Attributes:
        path: the folder: the study's file, its plan, `networks/`, what failed, later tables.
        asked: what the file asks for.
        planned: every network; those with a fault too.
        failed: a sentence for each network that could not be trained or measured, by name.
    """

    path: Path
    asked: ParadigmRequest
    planned: list[PlannedNetwork]
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def trainable(self) -> list[PlannedNetwork]:
        """The networks without a fault."""
        return [own for own in self.planned if not own.fault]

    def folder(self, planned: PlannedNetwork) -> NetworkFolder:
        return folders_of(self.path, [planned])[0]

    @property
    def trained(self) -> list[PlannedNetwork]:
        return [own for own in self.trainable if self.folder(own).done]

    def save_failed(self) -> None:
        """Replace the file of failures and their reasons."""
        save_failures(self.path, self.failed)

    def alone(self) -> AbstractContextManager[None]:
        """Work on the study as the only process that does.

        Raises:
            BeingWrittenError: another one does.
        """
        return alone(self.path, f"another process works on {str(self.path)!r}")


def plan_rows(study: NetworkStudy) -> list[dict[str, Any]]:
    """Put the plan into plain values, a row for each network."""
    return [
        {
            "name": own.name,
            "folder": own.folder,
            "transformation": own.label,
            "count": own.count,
            "seed": own.seed,
            "seen": list(own.seen),
            "fault": own.fault,
        }
        for own in study.planned
    ]


def begin_networks(text: str, base: Path, path: Path, device: str = "cpu") -> NetworkStudy:
    """Plan a study, and keep its file and its plan in a folder.

    Args:
        text: of the study file.
        base: the folder from which its paths count.
        path: the study's own folder.

    Raises:
        InputError: a file or images that cannot be used.
        StoreError: the folder holds another study, or cannot be written.
    """
    asked = parse_paradigm(text, "study file", base)
    data = data_of(asked.rule, asked.base, str(pick_device(device)))
    study = NetworkStudy(path, asked, plan_networks(asked.paradigm, data), read_failures(path))
    make_folder(path)
    there = path / PLAN
    if there.exists():
        before = read_plan(path)
        names = {row["name"] for row in before["networks"]}
        if not names & {own.name for own in study.planned}:
            kept = path / STUDY
            if kept.exists() and kept.read_text(encoding="utf-8") == text:
                raise StoreError(
                    f"the images of {str(path)!r} are not those that it was planned with "
                    f"({before['training_images']} and {before['test_images']} then, "
                    f"{len(data.train.labels)} and {len(data.test.labels)} now, for training and "
                    "testing); put them back as they were, or begin another study in a new folder"
                )
            raise StoreError(
                f"{str(path)!r} holds another study, of which no network is wanted here; choose "
                "another folder (--out)"
            )
    plan = {
        "title": asked.title,
        "base": str(base),
        "categories": list(data.classes),
        "training_images": len(data.train.labels),
        "test_images": len(data.test.labels),
        "grey": data.grey,
        "notes": list(data.notes),
        "transformations": [label_of(t) for t in asked.paradigm.transformations],
        "tested": [label_of(t) for t in asked.tested],
        "network": asked.paradigm.network,
        "options": asked.paradigm.options,
        "networks": plan_rows(study),
    }
    write_hashed(path / STUDY, lambda part: part.write_text(text, encoding="utf-8"))
    write_hashed(there, lambda part: part.write_text(json.dumps(plan, indent=1) + "\n"))
    return study


def read_plan(path: Path) -> dict[str, Any]:
    """Read `plan.json` of a study's folder.

    Raises:
        StoreError: there is no study, or its plan is damaged.
    """
    check_hashed(path / PLAN, PLAN_REPAIR)
    try:
        plan = json.loads((path / PLAN).read_bytes())
        Path(plan["base"])
        list(plan["categories"])
        [(row["name"], row["folder"]) for row in plan["networks"]]
    except FileNotFoundError as error:
        raise StoreError(
            f"{str(path)!r} holds no study of networks; start one with "
            "`invariscope categories train`"
        ) from error
    except OSError as error:
        raise StoreError(f"cannot read {str(path / PLAN)!r}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"{str(path / PLAN)!r} is damaged; {PLAN_REPAIR}") from error
    return plan


def open_networks(path: Path) -> NetworkStudy:
    """Open a study that began in a folder.

    Raises:
        StoreError: there is none, or a damaged one.
        InputError: its images are not there any more.
    """
    base = Path(read_plan(path)["base"])
    check_hashed(path / STUDY, PLAN_REPAIR)
    try:
        text = (path / STUDY).read_text(encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot read {str(path / STUDY)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise StoreError(f"{str(path / STUDY)!r} is damaged; {PLAN_REPAIR}") from error
    return begin_networks(text, base, path)
