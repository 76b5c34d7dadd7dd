"""Where the batches of a study are worked on."""

from invariscope.study.engines.base import Engine
from invariscope.study.engines.local import LocalEngine
from invariscope.study.engines.ray import RayEngine
from invariscope.study.engines.slurm import TIMEOUTS, SlurmEngine

ENGINES = (LocalEngine.name, RayEngine.name, SlurmEngine.name)

__all__ = ["ENGINES", "TIMEOUTS", "Engine", "LocalEngine", "RayEngine", "SlurmEngine"]
