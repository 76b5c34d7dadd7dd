"""Train one large network by several processes, each with its part of every batch.

`torchrun --nproc-per-node N -m invariscope.categories.distributed STUDY NETWORK`: STUDY is the
study's folder, NETWORK a name below its `networks/` (see `plan.json`).
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from invariscope.categories.data import CategoryImages
from invariscope.categories.folder import NetworkFolder
from invariscope.categories.job import data_of
from invariscope.categories.study import open_networks
from invariscope.categories.train import ProcessRanks, Training, TrainingProgress
from invariscope.errors import InputError, InvariscopeError, unknown
from invariscope.plurals import number_of

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
Say = Callable[[str], None]


def wrapper(device: torch.device, say: Say) -> Callable[[nn.Module], nn.Module]:
    """Make the function that wraps a network for several processes.

    On GPUs batch norm counts over all processes; on CPUs over each one's part, since torch has no
    SyncBatchNorm there.

    Args:
        device: of this process.
        say: told what batch norm does.
    """

    def wrap(network: nn.Module) -> nn.Module:
        normed = any(isinstance(module, BATCH_NORMS) for module in network.modules())
        if device.type == "cuda":
            if normed:
                say("batch norm counts over all processes (SyncBatchNorm)")
                network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
            return DistributedDataParallel(network, device_ids=[device.index])
        if normed:
            say("batch norm counts over each process's part of a batch: a CPU has no SyncBatchNorm")
        return DistributedDataParallel(network)

    return wrap


def _mean(values: Tensor) -> Tensor:
    """Over all processes."""
    distributed.all_reduce(values)
    return values / distributed.get_world_size()


def train_distributed(
    folder: NetworkFolder, data: CategoryImages, device: torch.device, say: Say
) -> Training:
    """Train a network together with the other processes of a process group.

    The first process keeps the checkpoint and the result.

    Args:
        say: told, by the first process, how far it is.

    Raises:
        InputError: a batch that cannot be divided among them.
    """
    rank, world = distributed.get_rank(), distributed.get_world_size()
    if folder.planned.recipe.batch % world:
        raise InputError(
            f"a batch of {folder.planned.recipe.batch} cannot be divided among "
            f"{number_of(world, 'process')}"
        )

    def tell(news: TrainingProgress) -> None:
        if rank == 0:
            say(f"epoch {news.epoch} of {news.epochs}, accuracy {news.accuracy:.3f}")

    ranks = ProcessRanks(
        rank, world, wrapper(device, say if rank == 0 else lambda words: None), _mean
    )
    training = Training(data, device, together=1, watch=tell, ranks=ranks)
    training.train([folder])
    return training


def main(words: Sequence[str]) -> int:
    """Train the network named on the command line; `torchrun` starts every process."""
    try:
        if len(words) != 2 or "RANK" not in os.environ:
            raise InputError(
                "expected torchrun --nproc-per-node N -m "
                "invariscope.categories.distributed STUDY NETWORK"
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
