"""One network of a study by several processes.

`torchrun --nproc-per-node N -m invariscope.study.ranked STUDY NETWORK`: STUDY is the study's
folder, NETWORK a name below its `networks/` (see `plan.json`).
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import distributed

from invariscope.categories.ranked import train_ranked
from invariscope.errors import InputError, InvariscopeError, unknown
from invariscope.study.network_job import data_of
from invariscope.study.network_study import open_networks


def main(words: Sequence[str]) -> int:
    """Train it; every process is started by `torchrun`."""
    try:
        if len(words) != 2 or "RANK" not in os.environ:
            raise InputError(
                "expected torchrun --nproc-per-node N -m invariscope.study.ranked STUDY NETWORK"
            )
        study = open_networks(Path(words[0]).resolve())
        wanted = {own.folder: own for own in study.trainable}
        if words[1] not in wanted:
            raise unknown("network", words[1], wanted)
        cuda = torch.cuda.is_available()
        device = (
            torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
        )
        distributed.init_process_group("nccl" if cuda else "gloo")
        data = data_of(study.asked.rule, study.asked.base, str(device))
        training = train_ranked(
            study.folder(wanted[words[1]]),
            data,
            device,
            lambda told: print(told, flush=True),  # noqa: T201
        )
        distributed.destroy_process_group()
        for sentence in training.failed.values():
            raise InputError(sentence)
    except InvariscopeError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
