"""Trains one network in a process of its own, which its parent kills."""

from dataclasses import replace
from pathlib import Path

import torch

from invariscope.categories.data import DataRule, load_data
from invariscope.categories.plan import RECIPES, Paradigm, plan_networks, read_transformation
from invariscope.categories.train import Training, folders_of


def folder_of(data, out):
    paradigm = Paradigm(
        network="small",
        options={"widths": (4, 6, 8, 8), "hidden": 10},
        recipe=replace(RECIPES["small"], epochs=40, batch=12),
        transformations=(read_transformation("white-noise"),),
        counts=(2,),
        seeds=(0,),
    )
    return folders_of(Path(out), plan_networks(paradigm, data)[-1:])


def train(folder, out):
    torch.set_num_threads(1)
    pictures = load_data(DataRule(folder=str(folder), side=16))
    Training(pictures, torch.device("cpu")).train(folder_of(pictures, out))
