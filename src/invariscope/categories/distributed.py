"""One large network by several processes, each with its part of every batch."""

from collections.abc import Callable

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from invariscope.categories.data import CategoryImages
from invariscope.categories.folder import NetworkFolder
from invariscope.categories.train import ProcessRanks, Training, TrainingProgress
from invariscope.errors import InputError

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
Say = Callable[[str], None]


def wrapper(device: torch.device, say: Say) -> Callable[[nn.Module], nn.Module]:
    """What makes a network one of several processes'.

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
    """Train one network as one of several processes; the process group must be there.

    The first process keeps the checkpoint and the result.

    Args:
        say: told, by the first process, how far it is.

    Raises:
        InputError: a batch that cannot be divided among them.
    """
    rank, world = distributed.get_rank(), distributed.get_world_size()
    if folder.planned.recipe.batch % world:
        raise InputError(
            f"a batch of {folder.planned.recipe.batch} cannot be divided among {world} processes"
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
