"""One network of a study by several processes.

`torchrun --nproc-per-node N -m invariscope.categories.distributed_main STUDY NETWORK`: STUDY is
the study's folder, NETWORK a name below its `networks/` (see `plan.json`).
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import distributed

from invariscope.categories.distributed import train_distributed
from invariscope.categories.job import data_of
from invariscope.categories.study import open_networks
from invariscope.errors import InputError, InvariscopeError, unknown


def main(words: Sequence[str]) -> int:
    """Train it; every process is started by `torchrun`."""
    try:
        if len(words) != 2 or "RANK" not in os.environ:
            raise InputError(
                "expected torchrun --nproc-per-node N -m "
                "invariscope.categories.distributed_main STUDY NETWORK"
            )
        study = open_networks(Path(words[0]).resolve())
        planned = {own.folder: own for own in study.trainable}
        if words[1] not in planned:
            raise unknown("network", words[1], planned)
        cuda = torch.cuda.is_available()
        device = (
            torch.device("cuda", int(os.environ["LOCAL_RANK"])) if cuda else torch.device("cpu")
        )
        distributed.init_process_group("nccl" if cuda else "gloo")
        data = data_of(study.asked.rule, study.asked.base, str(device))
        training = train_distributed(
            study.folder(planned[words[1]]),
            data,
            device,
            lambda progress: print(progress, flush=True),  # noqa: T201
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
