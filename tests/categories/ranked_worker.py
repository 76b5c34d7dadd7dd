"""One of several processes that train a network together."""

import torch
from torch import distributed

from invariscope.categories.data import DataRule, load_data
from invariscope.categories.distributed import train_distributed
from invariscope.categories.plan import Paradigm, Recipe, plan_networks, read_transformation
from invariscope.categories.train import folders_of

SIDE = 35


def wanted_of(data, epochs=5):
    """AlexNet's convolutions have neither batch norm nor, here, dropout that would draw apart."""
    paradigm = Paradigm(
        network="alexnet",
        options={"hidden": 12, "dropout": 0.0},
        recipe=Recipe(epochs=epochs, batch=12, rate=0.01),
        transformations=(read_transformation("inversion"),),
        counts=(2,),
        seeds=(0,),
    )
    return plan_networks(paradigm, data)[-1:]


def train(rank, world, meeting, pictures_folder, out):
    """Train as one rank; the ranks find each other by a file."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=world)
    pictures = load_data(DataRule(folder=str(pictures_folder), side=SIDE))
    (folder,) = folders_of(out, wanted_of(pictures))
    train_distributed(folder, pictures, torch.device("cpu"), lambda told: None)
    distributed.destroy_process_group()
