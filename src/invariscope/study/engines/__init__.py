"""Where the batches of a study are worked on."""

from invariscope.study.engines.base import Engine
from invariscope.study.engines.local import LocalEngine
from invariscope.study.engines.ray import RayEngine
from invariscope.study.engines.slurm import SlurmEngine

ENGINES = (LocalEngine.name, RayEngine.name, SlurmEngine.name)

__all__ = ["ENGINES", "Engine", "LocalEngine", "RayEngine", "SlurmEngine"]
