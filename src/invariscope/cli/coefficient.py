"""`invariscope coefficient MODEL FOLDER`: which units ignore which known transformation."""

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd
from cyclopts import Parameter
from rich.console import Console
from rich.progress import Progress

from invariscope.cli.options import Model
from invariscope.devices import pick_device
from invariscope.errors import InputError
from invariscope.invariance.coefficient import TAU, invariance_coefficient
from invariscope.invariance.images import ImageSet, image_set
from invariscope.invariance.result import Invariance
from invariscope.invariance.setup import make_setup
from invariscope.invariance.sites import choose_sites
from invariscope.invariance.tau import ablation_accuracy, find_tau
from invariscope.invariance.top import PERCENTS
from invariscope.photos import open_folder
from invariscope.report.invariance import ABLATION as ABLATION_FILE
from invariscope.report.invariance import TAU as TAU_FILE
from invariscope.report.invariance import write_invariance_report
from invariscope.store.files import make_folder, replace_file
from invariscope.subjects import Subject, load_subject

SEARCH = "search"


def parse_list(text: str) -> str | list[str]:
    """`all` → `all`; `blur,hue` → both names."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    return "all" if names == ["all"] else names
